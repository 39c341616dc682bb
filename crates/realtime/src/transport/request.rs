//! What a request to the endpoint asks for.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::extract::Request;

use crate::config::RealtimeConfig;
use crate::socket::Handshake;

/// The transport named in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    WebSocket,
    Polling,
    /// None, or one that does not exist.
    Other,
}

/// The query of a request. Unknown parts are ignored.
#[derive(Debug)]
pub(super) struct Query {
    /// `EIO`.
    pub(super) version: Option<u32>,
    pub(super) transport: Asked,
    /// The engine id of a session that is open already.
    pub(super) sid: Option<String>,
}

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let value = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        Self {
            version: value("EIO").map(|version| version.parse().unwrap_or(0)),
            transport: match value("transport") {
                Some("websocket") => Asked::WebSocket,
                Some("polling") => Asked::Polling,
                _ => Asked::Other,
            },
            sid: value("sid").map(str::to_owned),
        }
    }
}

/// Keeps the little that the application may ask for later.
pub(super) fn handshake(request: &Request, config: &RealtimeConfig) -> Handshake {
    let remote: Option<IpAddr> =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let mut kept = Handshake { remote, ..Handshake::default() };
    for name in &config.kept_headers {
        for value in request.headers().get_all(name) {
            kept.headers.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse("EIO=4&transport=polling&t=abc&sid=AbC-_1");
        assert_eq!(
            (query.version, query.transport, query.sid.as_deref()),
            (Some(4), Asked::Polling, Some("AbC-_1"))
        );
        let query = Query::parse("");
        assert_eq!((query.version, query.transport, query.sid), (None, Asked::Other, None));
        for (text, version) in [("EIO=3", 3), ("EIO=", 0), ("EIO=abc", 0), ("EIO=-4", 0)] {
            assert_eq!(Query::parse(text).version, Some(version), "{text}");
        }
        assert_eq!(Query::parse("transport=websocket2").transport, Asked::Other);
        assert_eq!(Query::parse("xtransport=websocket").transport, Asked::Other);
    }
}
