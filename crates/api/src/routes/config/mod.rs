//! What a page must know before it can do anything: configuration, version, changelog.

mod answer;
mod built;
mod changelog;
mod features;
mod version;

use crate::http::{Access, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::{Public, User};
    vec![
        Route::get("/api/config", Public, answer::read),
        Route::get("/api/version", Public, version::read),
        Route::get("/api/version/updates", User, version::updates),
        Route::get("/api/changelog", Public, changelog::read),
    ]
}
