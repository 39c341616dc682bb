//! Sessions of servers of another kind, which write the same keys.

use std::time::{SystemTime, UNIX_EPOCH};

use antiphon_cluster::{Kind, Rig, Server};
use serde_json::json;

use super::names;
use super::support::{Member, soon};

const POOL: &str = "open-webui:session_pool";
const USAGE: &str = "open-webui:usage_pool";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Writes a session as the reference does.
async fn write(server: &Server, sid: &str, user: &str, last_seen_at: u64, chats: &[&str]) {
    let record = json!({
        "id": user, "name": user.to_uppercase(), "email": "x@example.org", "role": "user", "settings": {"ui": {}},
        "oauth": null, "last_seen_at": last_seen_at, "chat_ids": chats,
    });
    server.admin(&["HSET", POOL, sid, &record.to_string()]).await.expect("written");
}

async fn has(server: &Server, sid: &str) -> bool {
    server.admin(&["HEXISTS", POOL, sid]).await.is_ok_and(|found| found.trim() == "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_other_servers_count_until_they_go_or_are_seen_no_more() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    write(server, "r1", "ada", now(), &[]).await;
    write(server, "r2", "eve", now() - 130, &[]).await;
    server.admin(&["HSET", POOL, "r3", "no record"]).await.expect("written");
    let a = Member::counting_others(&rig).await;
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    a.presence.open_chat("s1", "c1").await.unwrap();
    let mut changes = a.presence.changes();
    soon("the session counts", async || a.presence.sessions_of_user("ada").await.len() == 2).await;
    assert_eq!(
        a.presence.other_sessions_of_user("ada").await.iter().map(|id| &**id).collect::<Vec<_>>(),
        ["r1"]
    );
    assert!(!a.presence.is_online("eve").await, "not seen for too long");
    assert!(a.presence.disconnect("r1").await.is_none(), "only its own server takes a session out");
    // Who opens a chat there is seen here.
    write(server, "r4", "bob", now(), &["c1"]).await;
    soon("both have it open", async || names(&a, "c1").await == ["Ada", "BOB"]).await;
    assert_eq!(changes.recv().await.as_deref(), Ok("c1"));
    // Gone, or not seen any more.
    server.admin(&["HDEL", POOL, "r4"]).await.expect("removed");
    write(server, "r1", "ada", now() - 130, &[]).await;
    soon("both are gone", async || {
        !a.presence.is_online("bob").await && a.presence.other_sessions_of_user("ada").await.is_empty()
    })
    .await;
    assert_eq!(changes.recv().await.as_deref(), Ok("c1"));
    assert_eq!(a.presence.session_count().await, 1);
    assert!(has(server, "r1").await && has(server, "r2").await, "nothing of theirs is removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_being_asked_to_sessions_of_other_servers_do_not_count() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    write(&rig.servers()[0], "r1", "ada", now(), &[]).await;
    let (a, b) = (Member::start(&rig, &[]).await, Member::counting_others(&rig).await);
    soon("whoever counts them knows it", async || b.presence.is_online("ada").await).await;
    assert!(!a.presence.is_online("ada").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_takes_no_session_of_another_server_with_it() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let (a, b) = (Member::start(&rig, &[]).await, Member::counting_others(&rig).await);
    a.presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    write(server, "r1", "bob", now(), &[]).await;
    soon("both are known", async || b.presence.session_count().await == 2).await;
    a.kill();
    soon("the session of the dead node is gone", async || !has(server, "s1").await).await;
    soon("the other is still known", async || {
        b.presence.session_count().await == 1 && b.presence.is_online("bob").await
    })
    .await;
    assert!(has(server, "r1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_that_sessions_of_other_servers_use_are_in_use_as_long_as_they_say() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    write(server, "r1", "ada", now(), &[]).await;
    let a = Member::counting_others(&rig).await;
    soon("the session counts", async || a.presence.is_online("ada").await).await;
    // `r9` has no session, and `m2` was used too long ago.
    soon("the model is in use", async || {
        let (signs, unknown) = (json!({"r1": {"updated_at": now()}}), json!({"r9": {"updated_at": now()}}));
        let old = json!({"r1": {"updated_at": now() - 10}});
        let fields = ["m1".to_owned(), signs.to_string(), "m2".to_owned(), old.to_string()];
        let mut command = vec!["HSET", USAGE, "m3"];
        let unknown = unknown.to_string();
        command.push(&unknown);
        command.extend(fields.iter().map(String::as_str));
        server.admin(&command).await.expect("written");
        a.presence.model_ids().await == ["m1"]
    })
    .await;
    soon("and then no more", async || a.presence.model_ids().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_models_in_use_at_other_servers_do_not_end_with_ours() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let a = Member::start(&rig, &[]).await;
    let lifetime = async || -> i64 {
        server.admin(&["TTL", USAGE]).await.expect("answered").trim().parse().expect("a number")
    };
    a.presence.use_model("s1", "m1").await;
    soon("alone it ends by itself", async || lifetime().await > 0).await;
    server.admin(&["SET", "open-webui:usage_cleanup_lock", "somebody", "EX", "60"]).await.expect("written");
    soon("with a cleaner it stays", async || {
        a.presence.use_model("s1", "m1").await;
        lifetime().await == -1
    })
    .await;
    server.admin(&["DEL", "open-webui:usage_cleanup_lock"]).await.expect("removed");
    soon("alone again it ends", async || {
        a.presence.use_model("s1", "m1").await;
        lifetime().await > 0
    })
    .await;
}
