//! How sign-in is set up, and whom people may ask.

use super::Form;
use crate::App;
use crate::http::{ApiError, ApiResult};
use crate::routes::limits;
use crate::settings::SettingsError;
use antiphon_config::settings::{forms, oauth_form};
use antiphon_config::{SettingError, Settings};
use axum::extract::State;
use serde_json::{Value, json};

/// `GET /api/v1/auths/admin/config`
pub(super) async fn read(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::ADMIN.fill(&app.settings()))
}

/// `POST /api/v1/auths/admin/config`: what the form leaves out stays as it is. No change here ends a session, and the
/// answer says so.
pub(super) async fn change(State(app): State<App>, Form(form): Form<Value>) -> ApiResult<axum::Json<Value>> {
    limits::check_texts(&form).map_err(ApiError::with_plain_detail)?;
    let changed = app.settings.fill_in(forms::ADMIN, &form).await;
    let settings = changed.map_err(|error| ApiError::from(error).with_plain_detail())?;
    let mut answer = forms::ADMIN.fill(&settings);
    answer["sessions_revoked"] = json!(false);
    Ok(axum::Json(answer))
}

/// `GET /api/v1/auths/admin/config/oauth`: how sign-in through providers is set up; a mask stands for the secret.
pub(super) async fn oauth(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(oauth_answer(&app, &app.settings()))
}

/// `POST /api/v1/auths/admin/config/oauth`: what the form leaves out, or has as `null`, stays as it is.
///
/// Without `ENABLE_OAUTH_PERSISTENT_CONFIG` the environment decides, and a form that asks for something else is refused; one that asks
/// for nothing else is not, because pages send all their forms together.
pub(super) async fn change_oauth(
    State(app): State<App>,
    Form(form): Form<Value>,
) -> ApiResult<axum::Json<Value>> {
    limits::check_texts(&form).map_err(ApiError::with_plain_detail)?;
    let unfit = |error: SettingError| ApiError::from(SettingsError::Value(error)).with_plain_detail();
    if app.config.persistence.oauth {
        let form = oauth_form::read(&form).map_err(unfit)?;
        let changed = app.settings.fill_in(forms::OAUTH, &form).await;
        let settings = changed.map_err(|error| ApiError::from(error).with_plain_detail())?;
        return Ok(axum::Json(oauth_answer(&app, &settings)));
    }
    let settings = app.settings();
    if oauth_form::changes(&settings, &form).map_err(unfit)? {
        return Err(ApiError::bad_request(
            "Sign-in through providers is set up by the environment of this server. Set \
             ENABLE_OAUTH_PERSISTENT_CONFIG=true to change it here.",
        ));
    }
    Ok(axum::Json(oauth_answer(&app, &settings)))
}

fn oauth_answer(app: &App, settings: &Settings) -> Value {
    let mut answer = oauth_form::fill(settings);
    answer["ENABLE_OAUTH_PERSISTENT_CONFIG"] = json!(app.config.persistence.oauth);
    answer
}

/// `GET /api/v1/auths/admin/config/ldap`: this server knows no directory.
pub(super) async fn ldap() -> axum::Json<Value> {
    axum::Json(json!({ "ENABLE_LDAP": false }))
}

/// `GET /api/v1/auths/admin/details`: whom to ask for access, unless `SHOW_ADMIN_DETAILS` is off.
pub(super) async fn contact(State(app): State<App>) -> ApiResult<axum::Json<Value>> {
    let settings = app.settings();
    if !settings.sign_in.show_admin_details {
        return Err(ApiError::forbidden("This server does not tell who its administrators are."));
    }
    let users = app.database.users();
    let configured = settings.sign_in.admin_email.as_deref().map(str::trim).filter(|email| !email.is_empty());
    let admin = match configured {
        Some(email) => users.by_email(email).await?,
        None => users.first_admin().await?,
    };
    let email = configured.or(admin.as_ref().map(|admin| admin.email.as_str()));
    Ok(axum::Json(json!({ "name": admin.as_ref().map(|admin| &admin.name), "email": email })))
}
