//! What browsers ask about the site as a whole: its manifest, how to search it, files of its cache.

mod cached;
mod manifest;
mod search_engine;

use crate::http::{Access, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::{Public, User};
    vec![
        Route::get("/manifest.json", Public, manifest::read),
        Route::get("/opensearch.xml", Public, search_engine::describe),
        Route::get("/cache/{*path}", User, cached::file),
    ]
}
