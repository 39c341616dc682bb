//! Clients that do not read.

use antiphon_realtime::{DisconnectReason, RealtimeConfig};
use std::time::Duration;

use crate::support::{Client, LIMIT, Server, eventually};

const QUEUE: usize = 512 * 1024;
const EVENT: usize = 8 * 1024;

/// Emits to the room until `sid` is gone from the node; the fast client reads along and sees every event.
async fn emit_until_gone(server: &Server, fast: &mut Client, sid: &str) -> usize {
    let payload = "x".repeat(EVENT);
    for number in 0..20_000 {
        server.realtime.to("red").emit("e", &(number, &payload)).await.unwrap();
        let packet = fast.packet().await;
        assert!(packet.starts_with(&format!(r#"42["e",[{number},"#)), "{}", &packet[..30]);
        let queued = server.realtime.stats().queued_bytes;
        assert!(queued <= QUEUE + 2 * EVENT, "{queued} bytes wait");
        if server.realtime.socket(sid).is_none() {
            return number;
        }
    }
    panic!("the slow socket was never closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_closed_and_harms_nobody() {
    let config = RealtimeConfig { max_queue_bytes: QUEUE, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut slow = server.member("red").await;
    let mut fast = server.member("red").await;
    let last = emit_until_gone(&server, &mut fast, &slow.sid.clone()).await;
    // It comes back to life in time to learn why.
    let mut seen = 0;
    let closed = loop {
        match slow.next().await {
            Ok(packet) => {
                assert!(packet.starts_with(&format!(r#"42["e",[{seen},"#)), "no gap before the end");
                seen += 1;
            }
            Err(closed) => break closed,
        }
    };
    assert!(seen <= last + 1);
    assert_eq!((closed.code, closed.reason.as_str()), (1013, "slow consumer"));
    assert_eq!(server.end_of(&slow.sid.clone()).await, DisconnectReason::SlowConsumer);
    assert_eq!(server.realtime.stats().closed_slow, 1);
    assert!(fast.sync().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_again_is_dropped_with_its_memory() {
    let config = RealtimeConfig { max_queue_bytes: QUEUE, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let slow = server.member("red").await;
    let mut fast = server.member("red").await;
    emit_until_gone(&server, &mut fast, &slow.sid.clone()).await;
    eventually("only the fast one is left", || {
        let stats = server.realtime.stats();
        (stats.connections, stats.queued_bytes, stats.queued_packets) == (1, 0, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_time_limit_closes_a_stuck_peer_whose_queue_is_not_full() {
    let config = RealtimeConfig {
        max_queue_bytes: 1 << 30,
        write_time_limit: Duration::from_millis(300),
        ..RealtimeConfig::default()
    };
    let server = Server::start(config).await;
    let stuck = server.member("red").await;
    let payload = "x".repeat(1 << 20);
    for _ in 0..32 {
        server.realtime.to("red").emit("e", &payload).await.unwrap();
    }
    assert_eq!(server.end_of(&stuck.sid).await, DisconnectReason::WriteTimeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_as_a_whole_holds_a_bounded_amount() {
    let config = RealtimeConfig {
        max_queue_bytes: 1 << 30,
        max_node_queue_bytes: 8 << 20,
        write_time_limit: Duration::from_mins(1),
        ping_interval: Duration::from_millis(400),
        ping_timeout: Duration::from_mins(1),
        ..RealtimeConfig::default()
    };
    let server = Server::start(config).await;
    let stuck = server.member("red").await;
    let mut fast = server.member("blue").await;
    let payload = "x".repeat(1 << 20);
    for _ in 0..32 {
        server.realtime.to("red").emit("e", &payload).await.unwrap();
    }
    assert_eq!(server.end_of(&stuck.sid).await, DisconnectReason::SlowConsumer);
    assert!(fast.sync().await.is_empty());
}

/// Many small events at once are joined into few writes and all arrive.
#[tokio::test]
async fn a_burst_arrives_whole() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.member("red").await;
    for number in 0..4000 {
        server.realtime.to("red").emit("e", &number).await.unwrap();
    }
    for number in 0..4000 {
        assert_eq!(client.packet().await, format!(r#"42["e",{number}]"#));
    }
    tokio::time::timeout(LIMIT, client.sync()).await.unwrap();
}
