//! Who is connected, over the nodes of a fleet.

mod breaks;
mod others;
pub(crate) mod support;

use std::time::Duration;

use antiphon_cluster::{Kind, Rig};

use support::{Member, members, soon};

async fn names(member: &Member, chat: &str) -> Vec<String> {
    member.presence.participants(chat).await.into_iter().map(|one| one.name.to_string()).collect()
}

/// What holds in every topology.
async fn every_node_knows_all(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    b.presence.connect("s2", "bob", "Bob", "t2").await.unwrap();
    b.presence.connect("s3", "ada", "Ada", "t3").await.unwrap();
    a.presence.open_chat("s1", "c1").await.unwrap();
    soon("both know three sessions", async || {
        a.presence.session_count().await == 3 && b.presence.session_count().await == 3
    })
    .await;
    assert_eq!((a.presence.user_count().await, b.presence.user_count().await), (2, 2));
    assert_eq!(a.presence.sessions_of_user("ada").await.len(), 2);
    let session = b.presence.session("s1").await.expect("known");
    assert_eq!((&*session.user_id, &*session.user_name, &*session.token_id), ("ada", "Ada", ""));

    let (mut at_a, mut at_b) = (a.presence.changes(), b.presence.changes());
    b.presence.open_chat("s2", "c1").await.unwrap();
    soon("both see both", async || {
        names(&a, "c1").await == ["Ada", "Bob"] && names(&b, "c1").await == ["Ada", "Bob"]
    })
    .await;
    assert_eq!(
        at_a.recv().await.as_deref(),
        Ok("c1"),
        "told where the chat is open and the change came from elsewhere"
    );
    b.presence.open_chat("s3", "c1").await.unwrap();
    soon("the third session is in", async || a.presence.sessions_in_chat("c1").await.len() == 3).await;
    assert!(at_a.is_empty(), "the same people as before");
    assert!(a.presence.disconnect("s2").await.is_none(), "only its own node takes a session out");
    b.presence.disconnect("s2").await.expect("there");
    soon("one has left", async || names(&a, "c1").await == ["Ada"]).await;
    assert_eq!(at_a.recv().await.as_deref(), Ok("c1"));
    a.presence.disconnect("s1").await.expect("there");
    soon("the other too", async || b.presence.sessions_in_chat("c1").await.len() == 1).await;
    assert!(at_b.try_recv().is_err(), "Ada has it open there still");

    assert!(a.presence.use_model("s9", "m1").await);
    soon("the model is in use everywhere", async || b.presence.model_ids().await == ["m1"]).await;
    soon("and then no more", async || b.presence.model_ids().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_the_sessions_of_all() {
    every_node_knows_all(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_the_sessions_of_all_with_sentinel() {
    every_node_knows_all(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_the_sessions_of_all_in_a_cluster() {
    every_node_knows_all(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_are_those_of_the_reference() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, _b) = members(&rig).await;
    let server = &rig.servers()[0];
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    a.presence.open_chat("s1", "c1").await.unwrap();
    a.presence.use_model("s1", "m1").await;
    let get = async |table: &str, field: &str| {
        let text = server.admin(&["HGET", table, field]).await.expect("an answer");
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()
    };
    soon("the chat is written", async || get("open-webui:session_pool", "s1").await["chat_ids"][0] == "c1")
        .await;
    let record = get("open-webui:session_pool", "s1").await;
    assert_eq!((&record["id"], &record["name"]), (&"ada".into(), &"Ada".into()));
    assert!(record["last_seen_at"].as_u64().is_some_and(|at| at > 1_700_000_000));
    assert!(!record.to_string().contains("t1"), "no token in {record}");
    soon("the usage is written", async || !get("open-webui:usage_pool", "m1").await.is_null()).await;
    assert!(get("open-webui:usage_pool", "m1").await["s1"]["updated_at"].as_u64().is_some());
    let lifetime: i64 =
        server.admin(&["TTL", "open-webui:usage_pool"]).await.expect("answered").trim().parse().unwrap();
    assert!((1..=10).contains(&lifetime), "{lifetime}");
    a.presence.disconnect("s1").await.unwrap();
    soon("nothing is left", async || {
        server.admin(&["EXISTS", "open-webui:session_pool"]).await.is_ok_and(|count| count.trim() == "0")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_prefixes_never_meet() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let a = Member::start(&rig, &[]).await;
    let b = Member::start(&rig, &[("REDIS_KEY_PREFIX", "other")]).await;
    let c = Member::start(&rig, &[]).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    b.presence.connect("s2", "bob", "Bob", "t2").await.unwrap();
    soon("those of one prefix know each other", async || c.presence.session_count().await == 1).await;
    assert_eq!(b.presence.session_count().await, 1);
    assert!(!b.presence.is_online("ada").await && !c.presence.is_online("bob").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_sessions_that_close_at_once_leave_nothing_behind() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let server = &rig.servers()[0];
    for number in 0..600 {
        a.presence.connect(&format!("s{number}"), &format!("u{number}"), "Somebody", "t").await.unwrap();
        a.presence.open_chat(&format!("s{number}"), "c1").await.unwrap();
    }
    soon("all are known", async || b.presence.session_count().await == 600).await;
    let before: u64 = server.info("total_commands_processed").await.unwrap().parse().unwrap();
    let closing = (0..600).map(|number| {
        let presence = a.presence.clone();
        tokio::spawn(async move { presence.disconnect(&format!("s{number}")).await.expect("there") })
    });
    for task in closing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    soon("all are gone", async || b.presence.session_count().await == 0).await;
    assert!(b.presence.participants("c1").await.is_empty());
    soon("nothing is left in Redis", async || {
        let keys = server.admin(&["KEYS", "open-webui:*session*"]).await.unwrap();
        keys.trim().is_empty()
    })
    .await;
    let after: u64 = server.info("total_commands_processed").await.unwrap().parse().unwrap();
    // Each script counts what it calls: two commands a session and little besides.
    assert!(after - before < 2000, "{} commands", after - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_leaves_nothing_and_one_that_is_killed_nothing_after_its_lease() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let c = Member::start(&rig, &[]).await;
    for (member, name) in [(&a, "a"), (&b, "b"), (&c, "c")] {
        for number in 0..700 {
            let presence = &member.presence;
            presence
                .connect(&format!("{name}{number}"), &format!("user of {name}"), name, "t")
                .await
                .unwrap();
        }
    }
    soon("all know all", async || a.presence.session_count().await == 2100).await;
    b.membership.leave().await;
    soon("the node that stopped is gone", async || a.presence.session_count().await == 1400).await;
    let mut changes = a.presence.changes();
    a.presence.open_chat("a1", "chat").await.unwrap();
    c.presence.open_chat("c1", "chat").await.unwrap();
    soon("both have it open", async || a.presence.participants("chat").await.len() == 2).await;
    c.kill();
    soon("the killed node is gone", async || a.presence.session_count().await == 700).await;
    assert_eq!(a.presence.participants("chat").await.len(), 1);
    assert!(
        changes.recv().await.is_ok() && changes.recv().await.is_ok(),
        "told when it came and when it went"
    );
    let server = &rig.servers()[0];
    soon("its keys too", async || {
        let nodes = server.admin(&["ZCARD", "open-webui:antiphon:nodes"]).await.unwrap();
        let pool = server.admin(&["HLEN", "open-webui:session_pool"]).await.unwrap();
        let sets = server.admin(&["KEYS", "open-webui:antiphon:node:*"]).await.unwrap();
        (nodes.trim(), pool.trim(), sets.trim().lines().count()) == ("1", "700", 1)
    })
    .await;
    tokio::time::timeout(Duration::from_secs(1), a.membership.leave()).await.expect("leaves at once");
    assert_eq!(server.admin(&["KEYS", "open-webui:*"]).await.unwrap().trim(), "");
}
