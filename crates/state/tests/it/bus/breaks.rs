//! The bus while Redis breaks: local sockets are served, and what was missed is made good.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Proxy, Rig, wait_until};

use super::support::{Node, USUAL, pair};
use crate::redis::support::LIMIT;

/// The event that has a page read again.
const RESYNC: &str = r#"42["antiphon:resync",{}]"#;
/// Nothing that serves local sockets may take longer while Redis is away.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What nodes must do while Redis is away.
async fn serves_alone(node: &Node, why: &str) {
    let begin = Instant::now();
    let mut member = node.member("red").await;
    let joined = begin.elapsed();
    // A join waits for its confirmation at most a second each: for the sid and the room.
    assert!(joined < Duration::from_secs(3), "joining took {joined:?} while {why}");
    for number in 0..1000 {
        let begin = Instant::now();
        node.realtime.to("red").emit("e", &number).await.expect("local sockets get it");
        assert!(begin.elapsed() < AT_ONCE, "an event took {:?} while {why}", begin.elapsed());
    }
    let before = member.until(r#"42["e",999]"#).await;
    assert_eq!(before.iter().filter(|packet| packet.starts_with(r#"42["e","#)).count(), 999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_frozen_local_events_go_on_and_afterwards_everybody_reads_again() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let (mut at_a, mut at_b) = (a.member("red").await, b.member("red").await);
    rig.servers()[0].freeze().expect("frozen");
    serves_alone(&a, "Redis is frozen").await;
    serves_alone(&b, "Redis is frozen").await;
    rig.servers()[0].thaw().expect("thawed");
    at_a.until(RESYNC).await;
    at_b.until(RESYNC).await;
    a.wait_ready("the thaw").await;
    b.wait_ready("the thaw").await;
    a.realtime.to("red").emit("after", &1).await.expect("sent");
    at_b.until(r#"42["after",1]"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_survived() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let (mut at_a, mut at_b) = (a.member("red").await, b.member("red").await);
    let server = &rig.servers()[0];
    server.kill().expect("killed");
    serves_alone(&a, "Redis is dead").await;
    // Rooms that are opened meanwhile are heard afterwards.
    let mut late = b.member("blue").await;
    server.restart(false).await.expect("restarted, and empty");
    for client in [&mut at_a, &mut at_b, &mut late] {
        client.until(RESYNC).await;
    }
    b.wait_ready("the restart").await;
    a.realtime.to("blue").emit("after", &1).await.expect("sent");
    late.until(r#"42["after",1]"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_alone_makes_good_what_the_others_missed() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = rig.servers()[0].address().parse().expect("an address");
    let proxy = Proxy::start(server).expect("a proxy");
    let url = format!("redis://127.0.0.1:{}/0", proxy.port);
    let a = Node::start(&rig, &[("REDIS_URL", &url), ("WEBSOCKET_REDIS_URL", &url)], &USUAL).await;
    let b = Node::start(&rig, &[], &USUAL).await;
    let (mut at_b, mut elsewhere) = (b.member("red").await, b.member("blue").await);
    proxy.cut();
    let noticed = async || !a.connections.status().is_ready();
    wait_until("the cut is noticed", LIMIT, noticed).await.expect("in time");
    a.realtime.to("red").emit("e", &1).await.expect("local sockets get it");
    a.realtime.leave(&at_b.sid, "red").await.expect("queued");
    let lost = async || a.bus.totals().lost == 2;
    wait_until("what cannot be sent is given up", LIMIT, lost).await.expect("in time");
    proxy.pass();
    // The subscription of the other node never broke: it is told by the one that was cut off, and only whom it concerns.
    assert_eq!(at_b.until(RESYNC).await, [""; 0]);
    let left = async || b.realtime.members("red").is_empty();
    wait_until("the command is carried out after all", LIMIT, left).await.expect("in time");
    a.realtime.to("blue").emit("after", &1).await.expect("sent");
    assert_eq!(elsewhere.until(r#"42["after",1]"#).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_without_redis_is_joined_later() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    server.kill().expect("killed");
    let (a, b) = (Node::begin(&rig, &[], &USUAL).await, Node::begin(&rig, &[], &USUAL).await);
    let mut at_b = b.member("red").await;
    serves_alone(&a, "Redis was never there").await;
    server.restart(false).await.expect("started");
    at_b.until(RESYNC).await;
    a.wait_ready("the start of Redis").await;
    a.realtime.to("red").emit("after", &1).await.expect("sent");
    at_b.until(r#"42["after",1]"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_emitted_during_a_failover_arrives_or_is_read_again() {
    let rig = Rig::start(Kind::Sentinel, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let mut at_b = b.member("red").await;
    let old = rig.master().await.expect("a master");
    old.kill().expect("killed");
    a.realtime.to("red").emit("during", &1).await.expect("local sockets get it");
    let begin = Instant::now();
    at_b.until(RESYNC).await;
    assert!(begin.elapsed() < LIMIT);
    a.wait_ready("the failover").await;
    a.realtime.to("red").emit("after", &1).await.expect("sent");
    at_b.until(r#"42["after",1]"#).await;
}
