//! Opening a connection, and what is refused.

use antiphon_realtime::{MemoryBus, Realtime, RealtimeConfig, Sid};
use serde_json::Value;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Client, Server, http};

const UPGRADE: &str =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn refused(result: Result<Client, Box<Error>>) -> (u16, String) {
    match result.map_err(|error| *error) {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8(body).unwrap())
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[tokio::test]
async fn the_open_packet_has_the_exact_form_and_the_ids_differ() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = Client::dial(server.address, "EIO=4&transport=websocket", &[]).await.unwrap();
    let packet = client.packet().await;
    let open: Value = serde_json::from_str(&packet[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"0{{"sid":"{sid}","upgrades":[],"pingTimeout":20000,"pingInterval":25000,"maxPayload":16777216}}"#
    );
    assert_eq!(packet, expected);
    assert_eq!(Sid::parse(&sid).unwrap().node_tag(), Some(server.realtime.node_tag()));
    client.join_namespace("40").await;
    assert_eq!(client.sid.len(), 20);
    assert!(Sid::parse(&client.sid).is_some());
    assert_ne!(client.sid, sid);
}

#[tokio::test]
async fn the_trailing_slash_is_optional() {
    let server = Server::start(RealtimeConfig::default()).await;
    for path in ["/ws/socket.io", "/ws/socket.io/"] {
        let url = format!("ws://{}{path}?EIO=4&transport=websocket", server.address);
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (_, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        assert_eq!(response.status(), 101);
    }
}

#[tokio::test]
async fn other_versions_of_the_protocol_and_upgrades_of_sessions_are_refused() {
    let server = Server::start(RealtimeConfig::default()).await;
    for query in [
        "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA",
        "EIO=3&transport=websocket",
        "EIO=5&transport=websocket",
        "EIO=abc&transport=websocket",
        "transport=websocket",
    ] {
        assert_eq!(refused(Client::dial(server.address, query, &[]).await).0, 403, "{query}");
    }
}

#[tokio::test]
async fn polling_is_refused_when_websockets_are_on() {
    let server = Server::start(RealtimeConfig::default()).await;
    for query in ["EIO=4&transport=polling", "EIO=4", "EIO=4&transport=abc"] {
        for method in ["GET", "POST"] {
            let answer = http(server.address, method, query, "", b"").await;
            assert_eq!((answer.status, answer.body.as_str()), (400, r#""Invalid transport""#), "{query}");
            assert!(answer.head.contains("content-type: text/plain"));
        }
        assert_eq!(refused(Client::dial(server.address, query, &[]).await).0, 403, "{query}");
    }
}

#[tokio::test]
async fn a_websocket_request_without_upgrade_is_refused() {
    let server = Server::start(RealtimeConfig::default()).await;
    for (method, headers) in [("GET", ""), ("GET", "Upgrade: h2c\r\n"), ("POST", ""), ("GET", UPGRADE)] {
        // The helper sends `Connection: close`, so the last is no upgrade either.
        let answer = http(server.address, method, "EIO=4&transport=websocket", headers, b"").await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body, r#"{"detail":"Invalid WebSocket upgrade request"}"#);
        assert!(answer.head.contains("content-type: application/json"));
    }
}

#[tokio::test]
async fn malformed_websocket_handshakes_are_refused() {
    let server = Server::start(RealtimeConfig::default()).await;
    for (headers, status) in [
        ("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", 400),
        (
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
            400,
        ),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        (
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            426,
        ),
    ] {
        assert_eq!(
            http(server.address, "GET", "EIO=4&transport=websocket", headers, b"").await.status,
            status
        );
    }
    assert_eq!(server.realtime.stats().connections, 0);
}

#[tokio::test]
async fn before_the_application_is_there_clients_are_told_to_come_again() {
    let realtime = Realtime::new(RealtimeConfig::default(), Arc::new(MemoryBus::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = realtime.router::<()>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(refused(Client::dial(address, "EIO=4&transport=websocket", &[]).await).0, 503);
}
