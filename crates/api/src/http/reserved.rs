//! Paths of the reference's surface that are not served here, and that a served path would take for an id.

use super::error::ApiError;
use crate::App;
use axum::routing::{MethodRouter, any};

/// A path leaves this list when it is served; a test keeps the list to what is needed.
pub(super) const RESERVED: [&str; 5] = [
    "/api/v1/chats/all",
    "/api/v1/chats/config",
    "/api/v1/chats/read",
    "/api/v1/chats/shared",
    "/api/v1/users/usage",
];

/// What answers there.
pub(super) fn nothing() -> MethodRouter<App> {
    any(|| async { ApiError::not_found("Not Found") })
}

#[cfg(test)]
mod tests {
    use super::RESERVED;

    #[test]
    fn nothing_is_reserved_that_is_served() {
        let table = crate::routes::table();
        for path in RESERVED {
            assert!(!table.iter().any(|route| route.path == path), "{path} is served; take it off the list");
        }
    }
}
