//! Disconnecting and shutting down.

use antiphon_realtime::{DisconnectReason, RealtimeConfig};
use std::time::Duration;

use crate::support::{Client, Closed, LIMIT, Server};

#[tokio::test]
async fn the_server_disconnects_after_what_is_queued() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    let socket = server.realtime.socket(&client.sid).unwrap();
    socket.emit("access:updated", &serde_json::json!({})).unwrap();
    socket.disconnect("revoked");
    assert!(!socket.is_connected());
    socket.emit("too late", &1).unwrap();
    assert_eq!(client.packet().await, r#"42["access:updated",{}]"#);
    assert_eq!(client.packet().await, "41");
    assert_eq!(client.closed().await.code, 1000);
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::ServerDisconnect("revoked"));
    assert_eq!(server.realtime.stats().closed_server, 1);
}

#[tokio::test]
async fn shutdown_closes_all_and_waits_for_their_callbacks() {
    let server = Server::start(RealtimeConfig::default()).await;
    let (mut a, mut b) = (server.member("red").await, server.open().await);
    a.send(r#"42["hold"]"#).await;
    a.send("2").await;
    assert_eq!(a.packet().await, "3", "all is read");
    let realtime = server.realtime.clone();
    let shutdown = tokio::spawn(async move { realtime.shutdown(LIMIT).await });
    let away = Closed { code: 1001, reason: "server shutting down".into() };
    assert_eq!(a.closed().await, away);
    assert_eq!(b.closed().await, away);
    assert!(!shutdown.is_finished(), "a handler still runs");
    server.app.gate.add_permits(1);
    assert_eq!(shutdown.await.unwrap(), 0);
    assert_eq!(server.end_of(&a.sid.clone()).await, DisconnectReason::Shutdown);
    let refused = Client::dial(server.address, "EIO=4&transport=websocket", &[]).await;
    assert!(refused.err().unwrap().to_string().contains("503"));
}

#[tokio::test]
async fn shutdown_is_bounded() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    client.send("2").await;
    assert_eq!(client.packet().await, "3");
    assert_eq!(server.realtime.shutdown(Duration::from_millis(50)).await, 1, "its handler never ends");
}
