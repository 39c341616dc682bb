//! The HTTP routes and Socket.IO events of Antiphon.
//!
//! [`App`] holds what handlers work with; [`routes::table`] lists every route with who may call it; [`router`] serves
//! them, the sockets and the web page. Handlers know no SQL and no Redis.

mod activity;
mod app;
mod connections;
mod events;
mod external;
mod first_admin;
mod frontend;
mod http;
mod models;
mod onboarding;
pub mod openapi;
mod profile;
mod read_marks;
mod redis_links;
pub mod routes;
mod settings;
mod user_locks;

pub use activity::Activity;
pub use app::{App, Parts};
pub use connections::Connections;
pub use events::{Events, close_revoked, follow_presence};
pub use external::ExternalSignIn;
pub use first_admin::{FirstAdminError, create_first_admin};
pub use frontend::{Directory, Frontend};
pub use http::{Access, ApiError, Route};
pub use models::ModelDirectory;
pub use redis_links::RedisLinks;
pub use settings::SettingsStore;

use axum::Router;

/// Version of the surface that clients of the reference server see, and compare between connections.
pub const COMPATIBLE_VERSION: &str = "0.12.4";

/// Everything the server answers over HTTP: routes, sockets, the web page.
pub fn router(app: App) -> Router {
    let sockets = app.realtime.router();
    http::table::router(routes::table(), &app)
        .merge(sockets)
        .fallback(frontend::serve)
        .layer(axum::middleware::from_fn(http::unread::pass_over))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app)
}
