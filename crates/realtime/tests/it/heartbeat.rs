//! Pings, silence and the time limits of a connection.

use antiphon_realtime::{DisconnectReason, RealtimeConfig};
use std::time::{Duration, Instant};

use crate::support::{Server, eventually};

fn quick() -> RealtimeConfig {
    RealtimeConfig {
        ping_interval: Duration::from_millis(150),
        ping_timeout: Duration::from_millis(100),
        ..RealtimeConfig::default()
    }
}

#[tokio::test]
async fn the_server_pings_and_keeps_who_answers() {
    let server = Server::start(quick()).await;
    let mut client = server.connect().await;
    client.answers = false;
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(client.packet().await, "2");
        client.send("3").await;
    }
    assert!(start.elapsed() >= Duration::from_millis(550), "one ping each interval: {:?}", start.elapsed());
    assert_eq!(server.realtime.stats().connections, 1);
}

#[tokio::test]
async fn silence_ends_the_connection() {
    let server = Server::start(quick()).await;
    let mut client = server.connect().await;
    client.answers = false;
    let start = Instant::now();
    let closed = client.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (1001, "ping timeout"));
    assert!(start.elapsed() >= Duration::from_millis(245), "not before interval and timeout");
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::PingTimeout);
    assert_eq!(server.realtime.stats().closed_ping, 1);
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_dropped() {
    let server = Server::start(quick()).await;
    let mut client = server.connect().await;
    client.answers = false;
    // Not reading, not closing: as after a cable was pulled.
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::PingTimeout);
    eventually("the connection is forgotten", || server.realtime.stats().connections == 0).await;
}

#[tokio::test]
async fn busy_handlers_do_not_count_as_silence() {
    let server = Server::start(RealtimeConfig { max_inbound_events: 1, ..quick() }).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    client.send(r#"42["a"]"#).await;
    client.send(r#"42["b"]"#).await;
    client.answers = false;
    for _ in 0..4 {
        // Its answers are not read as long as the handler runs.
        assert_eq!(client.packet().await, "2");
        client.send("3").await;
    }
    client.answers = true;
    server.app.gate.add_permits(1);
    client.sync().await;
    assert_eq!(server.events_of(&client.sid), ["hold", "a", "b", "sync"]);
}

#[tokio::test]
async fn who_never_sends_connect_is_closed() {
    let config =
        RealtimeConfig { connect_time_limit: Duration::from_millis(100), ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut idle = server.open().await;
    let mut connected = server.connect().await;
    let closed = idle.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (1008, "connect timeout"));
    assert!(connected.sync().await.is_empty());
    connected.send("41").await;
    assert_eq!(connected.closed().await.reason, "connect timeout", "the limit holds again after DISCONNECT");
}
