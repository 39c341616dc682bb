//! Parts of the surface that this release does not have yet, as far as a page asks for them while it starts.
//!
//! Nobody can make any of these things here, so the empty list is the truth about them; pages that expect one do not
//! start without. A route leaves this module when its part is built. Whatever would have to be kept is no route at all.

use crate::http::{Access, Route};
use serde_json::Value;

pub(super) fn routes() -> Vec<Route> {
    use Access::User;
    vec![
        // What models may call.
        Route::get("/api/v1/tools/", User, none),
        // Plugins that run inside the server.
        Route::get("/api/v1/functions/", User, none),
        // Instructions that models may read when they need them.
        Route::get("/api/v1/skills/", User, none),
        // Machines on which models may run commands.
        Route::get("/api/v1/terminals/", User, none),
        // Folders of chats: the caller's own, and those that others share.
        Route::get("/api/v1/folders/", User, none),
        Route::get("/api/v1/folders/shared", User, none),
        // Notes that stand in the list beside the chats.
        Route::get("/api/v1/notes/pinned", User, none),
    ]
}

async fn none() -> axum::Json<[Value; 0]> {
    axum::Json([])
}
