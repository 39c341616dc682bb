//! Accounts: the administrators' list, what others see of somebody, and what an account keeps for itself.

mod change;
mod image;
mod list;
mod permissions;
mod read;
mod settings;
mod status;
mod variables;

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Route};
use antiphon_storage::User;

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, User};
    vec![
        Route::get("/api/v1/users/", Admin, list::page),
        Route::get("/api/v1/users/all", Admin, list::all),
        Route::get("/api/v1/users/search", User, list::search),
        Route::get("/api/v1/users/groups", User, read::own_groups),
        Route::get("/api/v1/users/permissions", User, permissions::own),
        Route::get("/api/v1/users/default/permissions", Admin, permissions::read),
        Route::post("/api/v1/users/default/permissions", Admin, permissions::change),
        Route::get("/api/v1/users/default/permissions/defaults", Admin, permissions::defaults),
        Route::get("/api/v1/users/user/settings", User, settings::read),
        Route::post("/api/v1/users/user/settings/update", User, settings::update),
        Route::get("/api/v1/users/user/info", User, settings::read_info),
        Route::post("/api/v1/users/user/info/update", User, settings::update_info),
        Route::get("/api/v1/users/user/variables", User, variables::read),
        Route::post("/api/v1/users/user/variables/update", User, variables::update),
        Route::get("/api/v1/users/user/status", User, status::read),
        Route::post("/api/v1/users/user/status/update", User, status::update),
        Route::get("/api/v1/users/{id}", User, read::summary),
        Route::delete("/api/v1/users/{id}", Admin, change::delete),
        Route::get("/api/v1/users/{id}/info", User, read::info),
        Route::get("/api/v1/users/{id}/active", User, read::active),
        Route::get("/api/v1/users/{id}/groups", Admin, read::groups),
        Route::get("/api/v1/users/{id}/profile/image", User, image::read),
        Route::post("/api/v1/users/{id}/update", Admin, change::update),
        Route::post("/api/v1/users/{id}/sessions/revoke", Admin, change::end_sessions),
    ]
}

/// The account with this id; clients of this resource expect 400 for an unknown one.
async fn find(app: &App, id: &str) -> ApiResult<User> {
    app.database.users().by_id(id).await?.ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::bad_request("There is no such user.")
}
