//! What administrators do to an account.

use super::{find, unknown};
use crate::App;
use crate::http::{ApiError, ApiResult, Caller, Json, Path};
use crate::profile;
use crate::routes::auths::new_picture;
use antiphon_auth::email;
use antiphon_storage::{Role, StorageError, User, UserUpdate};
use axum::extract::State;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct UpdateForm {
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    profile_image_url: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

/// `POST /api/v1/users/{id}/update {role?, name?, email?, profile_image_url?, password?}`
///
/// A new role or password ends all sessions of the account. Everything is checked before anything is changed.
pub(super) async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(form): Json<UpdateForm>,
) -> ApiResult<axum::Json<User>> {
    let before = find(&app, &id).await?;
    let update = UserUpdate {
        name: form.name.as_deref().map(profile::name).transpose()?,
        email: new_email(&app, &before, form.email.as_deref()).await?,
        profile_image_url: match &form.profile_image_url {
            Some(given) => new_picture(given, &id)?,
            None => None,
        },
        ..UserUpdate::default()
    };
    let password_hash = match form.password.filter(|password| !password.is_empty()) {
        Some(password) => Some(app.sessions.hash_new_password(&password).await?),
        None => None,
    };
    if let Some(role) = form.role.filter(|role| *role != before.role) {
        // Refused for the last administrator, before anything else is changed.
        app.database.users().set_role(&id, role).await.map_err(told)?;
        app.sessions.announce_change(&id).await;
    }
    let user = app.database.users().update(&id, update).await.map_err(told)?;
    app.authenticator.invalidate_user(&id);
    if let Some(password_hash) = password_hash {
        app.database.credentials().set_password(&id, &password_hash).await.map_err(told)?;
        app.sessions.announce_change(&id).await;
    }
    Ok(axum::Json(user))
}

/// The address to store, which must not be somebody else's.
async fn new_email(app: &App, before: &User, given: Option<&str>) -> ApiResult<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    // An address from before stays as it is, whatever would be asked of a new one.
    if email::normalize(given) == before.email {
        return Ok(None);
    }
    let email = email::validate(given)?;
    match app.database.users().by_email(&email).await? {
        Some(_) => Err(StorageError::EmailTaken.into()),
        None => Ok(Some(email)),
    }
}

/// `DELETE /api/v1/users/{id}`: the account with all it has; its sessions end and what runs for it stops.
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    if id == caller.user_id() {
        return Err(ApiError::forbidden("Nobody deletes the own account. Ask another administrator."));
    }
    if !app.database.users().delete(&id).await? {
        return Err(unknown());
    }
    app.sessions.announce_change(&id).await;
    app.tasks.stop_user(&id).await;
    Ok(axum::Json(true))
}

/// `POST /api/v1/users/{id}/sessions/revoke`: the account is signed out everywhere.
pub(super) async fn end_sessions(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<bool>> {
    find(&app, &id).await?;
    app.sessions.end_all_sessions(&id).await?;
    Ok(axum::Json(true))
}

/// Deleted meanwhile is unknown here too.
fn told(error: StorageError) -> ApiError {
    match error {
        StorageError::UserNotFound => unknown(),
        error => error.into(),
    }
}
