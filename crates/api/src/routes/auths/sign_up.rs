//! Making one's own account.

use super::Form;
use super::answer;
use crate::App;
use crate::first_admin::close_sign_up;
use crate::http::{ApiError, ApiResult};
use crate::profile::{self, DEFAULT_PICTURE};
use antiphon_auth::email;
use antiphon_config::UserRole;
use antiphon_storage::{NewUser, Role};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct SignUpForm {
    name: String,
    email: String,
    password: String,
    #[serde(default)]
    profile_image_url: Option<String>,
}

/// `POST /api/v1/auths/signup {name, email, password, profile_image_url?}`
///
/// The first account becomes the administrator, and sign-up is then off until an administrator switches it on.
pub(super) async fn sign_up(State(app): State<App>, Form(form): Form<SignUpForm>) -> ApiResult<Response> {
    // Asked twice: before the costly hash, and again when it is one's turn.
    check_open(&app).await?;
    let name = profile::name(&form.name).map_err(ApiError::with_plain_detail)?;
    let picture = form.profile_image_url.as_deref().unwrap_or(DEFAULT_PICTURE);
    let picture = profile::picture(picture).map_err(ApiError::with_plain_detail)?;
    let email = email::validate(&form.email)?;
    let password_hash = app.sessions.hash_new_password(&form.password).await?;

    let turn = app.onboarding().turn().await;
    let server_is_new = check_open(&app).await?;
    let role = role(app.settings().sign_in.default_user_role);
    let new = NewUser { id: None, name, email, role, profile_image_url: picture, password_hash };
    let created = app.database.users().create(new).await?;
    if server_is_new && !created.first {
        // Another node made the first account meanwhile, and with it sign-up is over.
        app.database.users().delete(&created.user.id).await?;
        return Err(closed());
    }
    if created.first
        && let Err(error) = close_sign_up(&app).await
    {
        tracing::warn!(
            %error,
            "the first account was made, but sign-up could not be switched off; switch it off in the admin page"
        );
    }
    drop(turn);
    let lifetime = app.settings().sign_in.jwt_expiry.duration();
    answer::begun(&app, app.sessions.begin(&created.user.id, Some("password"), lifetime).await?)
}

/// Refuses when sign-up is off; says whether the server has no account yet.
async fn check_open(app: &App) -> ApiResult<bool> {
    let settings = app.settings();
    let auth = &app.config.auth;
    let server_is_new = !app.onboarding().has_accounts(&app.database).await?;
    let invited = settings.sign_in.enable_signup && settings.sign_in.enable_login_form;
    let initial = server_is_new && auth.initial_admin_signup;
    if auth.enabled && auth.password_auth && (invited || initial) { Ok(server_is_new) } else { Err(closed()) }
}

fn closed() -> ApiError {
    ApiError::forbidden("Sign-up is switched off on this server. Ask an administrator for an account.")
}

/// The stored form of a role of the settings.
pub(in crate::routes) fn role(configured: UserRole) -> Role {
    match configured {
        UserRole::Pending => Role::Pending,
        UserRole::User => Role::User,
        UserRole::Admin => Role::Admin,
    }
}
