//! Presence while Redis breaks: nodes serve their own people, and afterwards all know all again.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig};

use super::support::{Member, members, soon};

/// Nothing that presence is asked may take longer while Redis is away.
const AT_ONCE: Duration = Duration::from_millis(100);

async fn serves_alone(member: &Member, name: &str) {
    let begin = Instant::now();
    for number in 0..100 {
        let id = format!("{name}{number}");
        member.presence.connect(&id, &format!("user of {name}"), name, "t").await.unwrap();
        member.presence.open_chat(&id, "chat").await.unwrap();
        member.presence.use_model(&id, "model").await;
    }
    assert!(member.presence.is_online(&format!("user of {name}")).await);
    for number in 0..50 {
        member.presence.disconnect(&format!("{name}{number}")).await.unwrap();
    }
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

async fn all_know(members: [&Member; 2], count: usize) {
    soon("all nodes know all sessions", async || {
        members[0].presence.session_count().await == count
            && members[1].presence.session_count().await == count
    })
    .await;
}

async fn in_redis(rig: &Rig) -> String {
    rig.servers()[0].admin(&["HLEN", "open-webui:session_pool"]).await.unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_is_repaired() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    b.presence.connect("s2", "bob", "Bob", "t2").await.unwrap();
    all_know([&a, &b], 2).await;
    rig.servers()[0].admin(&["FLUSHALL"]).await.unwrap();
    soon("both are written again", async || in_redis(&rig).await == "2").await;
    all_know([&a, &b], 2).await;
    // A key alone may be evicted, too.
    rig.servers()[0].admin(&["DEL", "open-webui:session_pool"]).await.unwrap();
    let c = Member::start(&rig, &[]).await;
    rig.servers()[0]
        .admin(&["DEL", &format!("open-webui:antiphon:node:{}:sessions", a.exchange.node_id())])
        .await
        .unwrap();
    soon("the session whose node lost its set is written again", async || c.presence.is_online("ada").await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_alone_was_evicted_is_written_again() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    for number in 0..40 {
        let (member, session) = (if number % 2 == 0 { &a } else { &b }, format!("s{number}"));
        member.presence.connect(&session, "ada", "Ada", "t").await.unwrap();
    }
    all_know([&a, &b], 40).await;
    rig.servers()[0].admin(&["DEL", "open-webui:session_pool"]).await.unwrap();
    soon("all are written again", async || in_redis(&rig).await == "40").await;
    all_know([&a, &b], 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_redis_was_frozen_is_known_afterwards() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    all_know([&a, &b], 1).await;
    rig.servers()[0].freeze().unwrap();
    a.presence.disconnect("s1").await.unwrap();
    serves_alone(&a, "a").await;
    serves_alone(&b, "b").await;
    soon("the break is noticed", async || !a.connections.status().is_ready()).await;
    rig.servers()[0].thaw().unwrap();
    all_know([&a, &b], 100).await;
    soon("Redis has them", async || in_redis(&rig).await == "100").await;
    assert!(!b.presence.is_online("ada").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_restart_and_a_start_without_redis_are_survived() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let a = Member::start(&rig, &[]).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    soon("it is written", async || in_redis(&rig).await == "1").await;
    rig.servers()[0].kill().unwrap();
    let b = Member::begin(&rig, &[]).await;
    serves_alone(&a, "a").await;
    serves_alone(&b, "b").await;
    rig.servers()[0].restart(false).await.unwrap();
    all_know([&a, &b], 101).await;
    soon("Redis has them", async || in_redis(&rig).await == "101").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_lapses_no_node() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    a.presence.open_chat("s1", "chat").await.unwrap();
    b.presence.connect("s2", "bob", "Bob", "t2").await.unwrap();
    b.presence.open_chat("s2", "chat").await.unwrap();
    all_know([&a, &b], 2).await;
    soon("both have it open", async || b.presence.participants("chat").await.len() == 2).await;
    let mut changes = b.presence.changes();
    while changes.try_recv().is_ok() {}
    rig.servers()[0].freeze().unwrap();
    let frozen = Instant::now();
    soon("all leases have lapsed", async || frozen.elapsed() > 2 * super::support::TIMES.lapse).await;
    rig.servers()[0].thaw().unwrap();
    let thawed = Instant::now();
    soon("both nodes renewed for longer than a lease", async || {
        assert_eq!(b.presence.participants("chat").await.len(), 2, "nobody seems to leave meanwhile");
        a.connections.status().is_ready()
            && b.connections.status().is_ready()
            && thawed.elapsed() > 2 * super::support::TIMES.lapse
    })
    .await;
    assert!(changes.try_recv().is_err(), "nobody was told anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_nobody() {
    let rig = Rig::start(Kind::Sentinel, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    all_know([&a, &b], 1).await;
    rig.master().await.unwrap().kill().unwrap();
    serves_alone(&a, "a").await;
    all_know([&a, &b], 51).await;
}
