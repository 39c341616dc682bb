//! The route table: each route says who may call it, and the router is built from that.
//!
//! A route without a stated access cannot be written, and tests walk the same table that serves requests.

use super::{guard, reserved};
use crate::App;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use std::collections::BTreeMap;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody. A handler may still look at the cookie or token.
    Public,
    /// Anybody signed in with a session, pending accounts too; API keys are refused.
    Session,
    /// Anybody signed in, pending accounts too.
    AnyRole,
    /// Accounts of role `user` or `admin`.
    User,
    /// Accounts of role `admin`.
    Admin,
}

/// One route of the HTTP surface.
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path with `{name}` captures.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: MethodRouter<App>,
}

impl Route {
    /// `GET path`.
    pub fn get<T: 'static, H: Handler<T, App>>(path: &'static str, access: Access, handler: H) -> Self {
        Self { method: Method::GET, path, access, handler: on(MethodFilter::GET, handler) }
    }

    /// `POST path`.
    pub fn post<T: 'static, H: Handler<T, App>>(path: &'static str, access: Access, handler: H) -> Self {
        Self { method: Method::POST, path, access, handler: on(MethodFilter::POST, handler) }
    }

    /// `DELETE path`.
    pub fn delete<T: 'static, H: Handler<T, App>>(path: &'static str, access: Access, handler: H) -> Self {
        Self { method: Method::DELETE, path, access, handler: on(MethodFilter::DELETE, handler) }
    }
}

/// The router of all routes in `table`, each behind its guard.
///
/// A path that is there with another method answers 405 with a `detail`.
pub(crate) fn router(table: Vec<Route>, app: &App) -> Router<App> {
    let mut by_path = BTreeMap::<&'static str, MethodRouter<App>>::new();
    for route in table {
        let guarded = guard::wrap(route.handler, route.access, app);
        let merged = match by_path.remove(route.path) {
            Some(others) => others.merge(guarded),
            None => guarded,
        };
        by_path.insert(route.path, merged);
    }
    let mut router = Router::new();
    for path in reserved::RESERVED {
        router = router.route(path, reserved::nothing());
    }
    for (path, methods) in by_path {
        let methods = methods.fallback(guard::method_not_allowed);
        router = router.route(path, methods.clone());
        // The reference's clients write collections with a trailing slash; both spellings are one route.
        if let Some(other) = path.strip_suffix('/')
            && !other.is_empty()
        {
            router = router.route(other, methods);
        }
    }
    router
}
