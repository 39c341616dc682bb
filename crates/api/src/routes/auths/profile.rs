//! What the caller changes about the own account.

use super::Form;
use crate::App;
use crate::http::{ApiError, ApiResult, Caller};
use crate::profile::{self, own_picture_path};
use antiphon_storage::{Role, UserUpdate};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest text about oneself, in characters.
const MAX_BIO_CHARS: usize = 2_000;

/// Longest gender, in characters.
const MAX_GENDER_CHARS: usize = 100;

#[derive(Deserialize)]
pub(super) struct ProfileForm {
    name: String,
    profile_image_url: String,
    #[serde(default)]
    bio: Option<String>,
    #[serde(default)]
    gender: Option<String>,
    #[serde(default)]
    date_of_birth: Option<String>,
}

/// An account as its owner and administrators see it after a change.
#[derive(Serialize)]
pub(super) struct ProfileBody {
    id: String,
    name: String,
    role: Role,
    email: String,
    profile_image_url: String,
}

/// `POST /api/v1/auths/update/profile {name, profile_image_url, bio, gender, date_of_birth}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<ProfileForm>,
) -> ApiResult<axum::Json<ProfileBody>> {
    let update = checked(form, caller.user_id()).map_err(ApiError::with_plain_detail)?;
    let user = app.database.users().update(caller.user_id(), update).await?;
    app.authenticator.invalidate_user(&user.id);
    Ok(axum::Json(ProfileBody {
        id: user.id,
        name: user.name,
        role: user.role,
        email: user.email,
        profile_image_url: user.profile_image_url,
    }))
}

fn checked(form: ProfileForm, user_id: &str) -> ApiResult<UserUpdate> {
    profile::text("bio", form.bio.as_deref().unwrap_or_default(), MAX_BIO_CHARS)?;
    profile::text("gender", form.gender.as_deref().unwrap_or_default(), MAX_GENDER_CHARS)?;
    let date_of_birth = form.date_of_birth.filter(|date| !date.is_empty());
    if let Some(date) = &date_of_birth {
        profile::date_of_birth(date)?;
    }
    Ok(UserUpdate {
        name: Some(profile::name(&form.name)?),
        profile_image_url: new_picture(&form.profile_image_url, user_id)?,
        bio: Some(form.bio),
        gender: Some(form.gender),
        date_of_birth: Some(date_of_birth),
        ..UserUpdate::default()
    })
}

/// The picture to store. A client that only knows where the picture is served sends that address back: no change.
pub(in crate::routes) fn new_picture(given: &str, user_id: &str) -> ApiResult<Option<String>> {
    if given == own_picture_path(user_id) {
        return Ok(None);
    }
    profile::picture(given).map(Some)
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    password: String,
    new_password: String,
}

/// `POST /api/v1/auths/update/password {password, new_password}`: all sessions of the account end, this one too.
pub(super) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<PasswordForm>,
) -> ApiResult<axum::Json<bool>> {
    app.sessions.change_password(&caller, &form.password, &form.new_password).await?;
    Ok(axum::Json(true))
}

#[derive(Deserialize)]
pub(super) struct TimezoneForm {
    timezone: String,
}

/// `POST /api/v1/auths/update/timezone {timezone}`
pub(super) async fn note_timezone(
    State(app): State<App>,
    caller: Caller,
    Form(form): Form<TimezoneForm>,
) -> ApiResult<axum::Json<Value>> {
    profile::timezone(&form.timezone).map_err(ApiError::with_plain_detail)?;
    app.database.users().set_timezone(caller.user_id(), &form.timezone).await?;
    Ok(axum::Json(json!({ "status": true })))
}
