//! `CORS_ALLOW_ORIGIN`.

use std::io::Write;
use std::sync::Arc;

use antiphon_realtime::{OriginRule, RealtimeConfig, TransportMode};
use parking_lot::Mutex;

use crate::support::{Client, Server, http};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listed(transport: TransportMode) -> RealtimeConfig {
    let origins = OriginRule::Only(vec!["https://a.example".into(), "https://b.example".into()]);
    RealtimeConfig { origins, transport, ..RealtimeConfig::default() }
}

/// One thread, so that the log of the server's tasks is seen here.
#[tokio::test]
async fn a_refused_origin_is_logged_once_with_the_fix() {
    let lines = Lines::default();
    let writer = lines.clone();
    let _guard = tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish(),
    );
    let server = Server::start(listed(TransportMode::WebSocket)).await;
    let dial = async |origin: &str| {
        let headers: &[(&str, &str)] = if origin.is_empty() { &[] } else { &[("origin", origin)] };
        Client::dial(server.address, "EIO=4&transport=websocket", headers).await.is_ok()
    };
    assert!(dial("").await, "no origin is allowed");
    assert!(dial("https://b.example").await);
    for _ in 0..5 {
        assert!(!dial("https://evil.example").await);
        assert!(!dial("https://b.example:8443").await);
    }
    assert_eq!(server.realtime.stats().refused_origin, 10);
    let log = String::from_utf8(lines.0.lock().clone()).unwrap();
    assert_eq!(log.matches("https://evil.example is not an accepted origin.").count(), 1, "{log}");
    assert!(log.contains(r#"set CORS_ALLOW_ORIGIN="https://evil.example""#), "{log}");
    assert_eq!(log.matches("https://b.example:8443 is not an accepted origin.").count(), 1, "{log}");
}

#[tokio::test]
async fn the_status_depends_on_the_transport() {
    let server = Server::start(listed(TransportMode::WebSocket)).await;
    let refused = Client::dial(server.address, "EIO=4&transport=websocket", &[("origin", "null")]).await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("403"), "{error}");
    let server = Server::start(listed(TransportMode::Polling)).await;
    let query = "EIO=4&transport=polling";
    assert_eq!(http(server.address, "GET", query, "Origin: https://c.example\r\n", b"").await.status, 400);
    assert_eq!(http(server.address, "GET", query, "Origin: https://a.example\r\n", b"").await.status, 200);
}

#[tokio::test]
async fn a_star_allows_all() {
    let server = Server::start(RealtimeConfig::default()).await;
    assert!(Client::dial(server.address, "EIO=4&transport=websocket", &[("origin", "null")]).await.is_ok());
}
