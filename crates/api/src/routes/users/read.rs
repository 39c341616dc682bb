//! What is seen of one account.

use super::find;
use crate::App;
use crate::http::{ApiResult, Path};
use crate::profile::Status;
use antiphon_storage::{Role, User};
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

/// What everybody who is signed in may know of an account.
#[derive(Serialize)]
pub(super) struct UserInfo {
    id: String,
    name: String,
    email: String,
    role: Role,
    #[serde(flatten)]
    status: Status,
    bio: Option<String>,
    last_active_at: i64,
    timezone: Option<String>,
    /// This server has no groups yet.
    groups: [Value; 0],
    is_active: bool,
}

impl UserInfo {
    pub(super) async fn of(app: &App, user: User) -> Self {
        Self {
            status: Status::of(&user, app.now()),
            is_active: app.presence.is_online(&user.id).await,
            id: user.id,
            name: user.name,
            email: user.email,
            role: user.role,
            bio: user.bio,
            last_active_at: user.last_active_at,
            timezone: user.timezone,
            groups: [],
        }
    }
}

/// `GET /api/v1/users/{id}/info`
pub(super) async fn info(State(app): State<App>, Path(id): Path<String>) -> ApiResult<axum::Json<UserInfo>> {
    let user = find(&app, &id).await?;
    Ok(axum::Json(UserInfo::of(&app, user).await))
}

/// The least that is shown of an account.
#[derive(Serialize)]
pub(super) struct UserSummary {
    name: String,
    profile_image_url: String,
    #[serde(flatten)]
    status: Status,
    groups: [Value; 0],
    is_active: bool,
}

/// `GET /api/v1/users/{id}`
pub(super) async fn summary(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<UserSummary>> {
    let user = find(&app, &id).await?;
    Ok(axum::Json(UserSummary {
        status: Status::of(&user, app.now()),
        is_active: app.presence.is_online(&user.id).await,
        name: user.name,
        profile_image_url: user.profile_image_url,
        groups: [],
    }))
}

/// `GET /api/v1/users/{id}/active`: whether a page of the account is connected.
pub(super) async fn active(State(app): State<App>, Path(id): Path<String>) -> ApiResult<axum::Json<Value>> {
    let user = find(&app, &id).await?;
    Ok(axum::Json(json!({ "active": app.presence.is_online(&user.id).await })))
}

/// `GET /api/v1/users/{id}/groups`: this server has no groups yet.
pub(super) async fn groups(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<[Value; 0]>> {
    find(&app, &id).await?;
    Ok(axum::Json([]))
}

/// `GET /api/v1/users/groups`: this server has no groups yet.
pub(super) async fn own_groups() -> axum::Json<[Value; 0]> {
    axum::Json([])
}
