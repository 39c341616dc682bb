//! The status that the caller shows.

use super::find;
use crate::App;
use crate::http::{ApiError, ApiResult, Caller, Json};
use crate::profile::{self, Status};
use antiphon_storage::UserUpdate;
use axum::extract::State;
use serde::Deserialize;

/// Longest emoji of a status, in characters; some are made of many.
const MAX_EMOJI_CHARS: usize = 64;

/// Longest text of a status, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

#[derive(Deserialize)]
pub(super) struct StatusForm {
    #[serde(default, rename = "status_emoji")]
    emoji: Option<String>,
    #[serde(default, rename = "status_message")]
    message: Option<String>,
    #[serde(default, rename = "status_expires_at")]
    expires_at: Option<i64>,
}

/// `GET /api/v1/users/user/status`
pub(super) async fn read(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Status>> {
    check_on(&app)?;
    Ok(axum::Json(Status::of(&find(&app, caller.user_id()).await?, app.now())))
}

/// `POST /api/v1/users/user/status/update {status_emoji, status_message, status_expires_at}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<StatusForm>,
) -> ApiResult<axum::Json<Status>> {
    check_on(&app)?;
    profile::text("status_emoji", form.emoji.as_deref().unwrap_or_default(), MAX_EMOJI_CHARS)?;
    profile::text("status_message", form.message.as_deref().unwrap_or_default(), MAX_MESSAGE_CHARS)?;
    let update = UserUpdate {
        status_emoji: Some(form.emoji),
        status_message: Some(form.message),
        status_expires_at: Some(form.expires_at),
        ..UserUpdate::default()
    };
    let user = app.database.users().update(caller.user_id(), update).await?;
    app.authenticator.invalidate_user(&user.id);
    Ok(axum::Json(Status::of(&user, app.now())))
}

fn check_on(app: &App) -> ApiResult<()> {
    if app.settings().interface.enable_user_status {
        return Ok(());
    }
    Err(ApiError::forbidden("The status of people is switched off on this server."))
}
