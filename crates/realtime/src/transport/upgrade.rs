//! The websocket handshake (RFC 6455 §4.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};

use super::{request, text, unavailable, websocket};
use crate::engine::{Engine, millis};
use crate::frame::Frame;
use crate::node::Node;
use crate::packet::OpenPacket;
use crate::reason::DisconnectReason;
use crate::session::Session;

/// Appended to the client's key before hashing (RFC 6455 §1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Characters of a key: 16 bytes in base64.
const KEY_LENGTH: usize = 24;

/// Whether the request asks to become a websocket.
pub(super) fn is_websocket(request: &Request) -> bool {
    request.method() == Method::GET
        && has_token(request.headers(), &header::UPGRADE, "websocket")
        && has_token(request.headers(), &header::CONNECTION, "upgrade")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Answers the handshake and starts the connection.
pub(super) fn accept(node: &Arc<Node>, mut request: Request) -> Response {
    let headers = request.headers();
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response =
            text(StatusCode::UPGRADE_REQUIRED, "Only version 13 of the WebSocket protocol is spoken here");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == KEY_LENGTH) else {
        return text(StatusCode::BAD_REQUEST, "The WebSocket key is missing or malformed");
    };
    let Ok(accept) = HeaderValue::from_str(&accept_key(key.as_bytes())) else {
        return text(StatusCode::BAD_REQUEST, "The WebSocket key is missing or malformed");
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return text(StatusCode::BAD_REQUEST, "This connection cannot become a WebSocket");
    };
    let Some(handlers) = node.application.read().clone() else { return unavailable() };
    let Some(engine) = node.admit() else { return unavailable() };
    let handshake = Arc::new(request::handshake(&request, &node.config));
    engine.push(&open_packet(node, &engine), &[], &node.config);
    tokio::spawn(start(upgrade, Session::new(node.clone(), engine, handlers, handshake)));
    (
        StatusCode::SWITCHING_PROTOCOLS,
        [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ],
        Body::empty(),
    )
        .into_response()
}

async fn start(upgrade: OnUpgrade, session: Session) {
    match upgrade.await {
        Ok(io) => websocket::run(TokioIo::new(io), session).await,
        Err(_) => session.finish(DisconnectReason::TransportError).await,
    }
}

fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    STANDARD.encode(digest)
}

/// The first packet of a connection.
pub(super) fn open_packet(node: &Node, engine: &Engine) -> Frame {
    OpenPacket {
        sid: engine.sid.as_str(),
        upgrades: [],
        ping_timeout: millis(node.config.ping_timeout),
        ping_interval: millis(node.config.ping_interval),
        max_payload: node.config.max_payload,
    }
    .encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn tokens_may_be_in_lists_and_in_any_case() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        assert!(has_token(&headers, &header::CONNECTION, "upgrade"));
        assert!(!has_token(&headers, &header::CONNECTION, "grade"));
    }
}
