//! Chats: made, listed, read, changed, put in order, deleted. Everybody sees their own only.

mod change;
mod list;
mod order;
mod read;
mod tags;

use crate::http::{Access, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::User;
    vec![
        Route::get("/api/v1/chats/", User, list::page),
        Route::get("/api/v1/chats/list", User, list::page),
        Route::get("/api/v1/chats/pinned", User, list::pinned),
        Route::get("/api/v1/chats/archived", User, list::archived),
        Route::get("/api/v1/chats/archived/count", User, list::archived_count),
        Route::get("/api/v1/chats/search", User, list::search),
        Route::get("/api/v1/chats/all/tags", User, tags::all),
        Route::post("/api/v1/chats/tags", User, list::with_tag),
        Route::post("/api/v1/chats/new", User, change::create),
        Route::post("/api/v1/chats/import", User, change::import),
        Route::post("/api/v1/chats/archive/all", User, order::archive_all),
        Route::post("/api/v1/chats/unarchive/all", User, order::unarchive_all),
        Route::delete("/api/v1/chats/", User, change::delete_all),
        Route::get("/api/v1/chats/{id}", User, read::document),
        Route::post("/api/v1/chats/{id}", User, change::merge),
        Route::delete("/api/v1/chats/{id}", User, change::delete),
        Route::post("/api/v1/chats/{id}/clone", User, change::copy),
        Route::post("/api/v1/chats/{id}/messages/{message_id}", User, change::message),
        Route::get("/api/v1/chats/{id}/pinned", User, read::is_pinned),
        Route::post("/api/v1/chats/{id}/pin", User, order::pin),
        Route::post("/api/v1/chats/{id}/archive", User, order::archive),
        Route::get("/api/v1/chats/{id}/tags", User, tags::of_chat),
        Route::post("/api/v1/chats/{id}/tags", User, tags::add),
        Route::delete("/api/v1/chats/{id}/tags", User, tags::remove),
        Route::delete("/api/v1/chats/{id}/tags/all", User, tags::remove_all),
    ]
}
