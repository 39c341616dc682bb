//! The endpoint: who may connect, over which transport.

mod polling;
mod request;
mod upgrade;
mod websocket;

use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use crate::config::TransportMode;
use crate::node::Node;
use crate::stats::Counters;
use request::{Asked, Query};

pub use polling::PollForward;
pub(crate) use polling::PollSession;

/// Path of the endpoint; the trailing slash is optional.
const PATH: &str = "/ws/socket.io";
/// Seconds after which a client that was turned away for load should come again.
const RETRY_AFTER: &str = "5";

/// The routes of a node.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(node: &Arc<Node>) -> Router<S> {
    let handler = |node: &Arc<Node>| {
        let node = node.clone();
        any(move |request: Request| endpoint(node, request))
    };
    Router::new().route(PATH, handler(node)).route(&format!("{PATH}/"), handler(node))
}

/// Handles requests that other nodes took in. Does not keep the node alive.
#[derive(Clone)]
pub struct PollEndpoint(pub(crate) Weak<Node>);

impl PollEndpoint {
    /// Answers a request as if it had come here, but takes it nowhere else; `None` when the node is gone.
    pub async fn handle(&self, request: Request) -> Option<Response> {
        let node = self.0.upgrade()?;
        let query = Query::parse(request.uri().query().unwrap_or_default());
        if node.config.transport != TransportMode::Polling || query.transport != Asked::Polling {
            return Some(text(StatusCode::BAD_REQUEST, "Invalid transport"));
        }
        if let Err(refusal) = check(&node, &request, &query, StatusCode::BAD_REQUEST) {
            return Some(*refusal);
        }
        Some(polling::handle_here(&node, request, query).await)
    }
}

async fn endpoint(node: Arc<Node>, request: Request) -> Response {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let upgrade = upgrade::is_websocket(&request);
    match (node.config.transport, query.transport, upgrade) {
        (TransportMode::WebSocket, Asked::WebSocket, true) => {
            if let Err(refusal) = check(&node, &request, &query, StatusCode::FORBIDDEN) {
                return *refusal;
            }
            if query.sid.is_some() {
                // The upgrade of a polling session: there is none in this mode.
                return text(StatusCode::FORBIDDEN, "Invalid session");
            }
            upgrade::accept(&node, request)
        }
        (TransportMode::WebSocket, Asked::WebSocket, false) => (
            StatusCode::BAD_REQUEST,
            [(header::CONTENT_TYPE, "application/json")],
            r#"{"detail":"Invalid WebSocket upgrade request"}"#,
        )
            .into_response(),
        (TransportMode::Polling, Asked::Polling, false) => {
            if let Err(refusal) = check(&node, &request, &query, StatusCode::BAD_REQUEST) {
                return *refusal;
            }
            polling::handle(node, request, query).await
        }
        (_, _, true) => text(StatusCode::FORBIDDEN, "Invalid transport"),
        (_, _, false) => text(StatusCode::BAD_REQUEST, "Invalid transport"),
    }
}

/// What both transports demand: the protocol version and an allowed origin.
fn check(node: &Node, request: &Request, query: &Query, status: StatusCode) -> Result<(), Box<Response>> {
    if query.version != Some(4) && (query.sid.is_none() || query.version.is_some()) {
        return Err(Box::new(text(status, "Only version 4 of the Engine.IO protocol is spoken here")));
    }
    let origin =
        request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("an unreadable origin"));
    if !node.config.origins.allows(origin) {
        Counters::add(&node.counters.refused_origin, 1);
        node.refused_origins.log(origin.unwrap_or_default());
        return Err(Box::new(text(status, "This origin is not allowed")));
    }
    Ok(())
}

/// A refusal: a JSON string as plain text, which is what clients of this protocol expect.
fn text(status: StatusCode, message: &str) -> Response {
    let body = serde_json::to_string(message).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// The node is full, stopping, or not ready yet.
fn unavailable() -> Response {
    let mut response =
        text(StatusCode::SERVICE_UNAVAILABLE, "This node takes no more connections at the moment");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}
