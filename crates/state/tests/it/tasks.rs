//! Running tasks, over the nodes of a fleet.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Options, Rig};
use antiphon_state::tasks::TaskGuard;

use crate::presence::support::{Member, members, soon};

/// A stop is heard within this time.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn ends(guard: &TaskGuard, within: Duration) {
    let begin = Instant::now();
    tokio::time::timeout(within, guard.cancellation().cancelled()).await.expect("told to stop");
    println!("told to stop after {:?}", begin.elapsed());
}

async fn tasks_are_listed_and_stopped_from_every_node(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    listed_and_stopped(members(&rig).await).await;
}

async fn listed_and_stopped((a, b): (Member, Member)) {
    let one = a.tasks.start("chat", "ada").unwrap();
    let two = a.tasks.start("chat", "ada").unwrap();
    let three = b.tasks.start("other", "bob").unwrap();
    soon("both list all", async || a.tasks.list().await.len() == 3 && b.tasks.list().await.len() == 3).await;
    assert_eq!(b.tasks.of_item("chat").await.len(), 2);
    assert_eq!(b.tasks.task(&one.task().task_id).await.as_ref(), Some(one.task()));
    assert_eq!(a.tasks.active_among(["chat", "other", "no"]).await, HashSet::from(["chat", "other"]));

    assert!(b.tasks.stop(&one.task().task_id).await);
    ends(&one, AT_ONCE).await;
    assert!(!two.cancellation().is_cancelled() && !three.cancellation().is_cancelled());
    assert_eq!(b.tasks.list().await.len(), 2, "off the list at once");
    assert!(!b.tasks.stop(&one.task().task_id).await);
    soon("off the list of its node", async || a.tasks.list().await.len() == 2).await;
    assert_eq!(b.tasks.stop_item("chat").await, [two.task().task_id.clone()]);
    ends(&two, AT_ONCE).await;
    assert_eq!(a.tasks.stop_user("bob").await, [three.task().task_id.clone()]);
    ends(&three, AT_ONCE).await;
    drop((one, two, three));
    let four = a.tasks.start("chat", "ada").unwrap();
    soon("the next is listed", async || b.tasks.of_item("chat").await.len() == 1).await;
    drop(four);
    soon("and gone when it ends", async || b.tasks.list().await.is_empty()).await;
    assert!(b.tasks.active_among(["chat"]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_lists_and_stops_the_tasks_of_all() {
    tasks_are_listed_and_stopped_from_every_node(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_lists_and_stops_the_tasks_of_all_with_sentinel() {
    tasks_are_listed_and_stopped_from_every_node(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_lists_and_stops_the_tasks_of_all_in_a_cluster() {
    tasks_are_listed_and_stopped_from_every_node(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_lists_and_stops_the_tasks_of_all_with_a_server_for_sockets_alone() {
    let general = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let sockets = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let further = [("WEBSOCKET_REDIS_URL", sockets.url())];
    let further = further.each_ref().map(|(name, url)| (*name, url.as_str()));
    let two = (Member::start(&general, &further).await, Member::start(&general, &further).await);
    listed_and_stopped(two).await;
    let keys = sockets.servers()[0].admin(&["KEYS", "open-webui:*tasks*"]).await.unwrap();
    assert_eq!(keys.trim(), "", "tasks are at the other server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_tasks_are_those_of_the_reference() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let server = &rig.servers()[0];
    let ask = async |command: &[&str]| server.admin(command).await.expect("an answer").trim().to_owned();
    let guard = a.tasks.start("chat", "ada").unwrap();
    let id = guard.task().task_id.to_string();
    let alive = format!("open-webui:tasks:{id}");
    soon("it is written", async || ask(&["HGET", "open-webui:tasks", &id]).await == "chat").await;
    assert_eq!(ask(&["SMEMBERS", "open-webui:tasks:item:chat"]).await, id);
    assert_eq!(ask(&["GET", &alive]).await, "1");
    // The members of these tests have a lifetime of two seconds, which is renewed.
    assert!((1..=2).contains(&ask(&["TTL", &alive]).await.parse::<i64>().unwrap()));
    let begin = Instant::now();
    soon("the key outlives its lifetime", async || {
        assert_eq!(ask(&["EXISTS", &alive]).await, "1");
        begin.elapsed() > Duration::from_secs(4)
    })
    .await;
    // A stop of the reference is a message without a mark.
    ask(&["PUBLISH", "open-webui:tasks:commands", &format!(r#"{{"action":"stop","task_id":"{id}"}}"#)]).await;
    ends(&guard, AT_ONCE).await;
    soon("nothing is left", async || ask(&["KEYS", "open-webui:tasks*"]).await.is_empty()).await;
    let guard = a.tasks.start("chat", "ada").unwrap();
    soon("it is heard of", async || b.tasks.list().await.len() == 1).await;
    b.tasks.stop(&guard.task().task_id).await;
    ends(&guard, AT_ONCE).await;
    soon("but for the mark, which has a lifetime", async || {
        let keys = ask(&["KEYS", "open-webui:*tasks*"]).await;
        keys.lines().all(|key| key.ends_with(":stop"))
    })
    .await;
    let mark = format!("open-webui:antiphon:tasks:{}:stop", guard.task().task_id);
    assert!(ask(&["TTL", &mark]).await.parse::<i64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_stops_no_task_and_is_repaired() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let guard = a.tasks.start("chat", "ada").unwrap();
    soon("it is heard of", async || b.tasks.list().await.len() == 1).await;
    let server = &rig.servers()[0];
    server.admin(&["FLUSHALL"]).await.unwrap();
    soon("its keys are written again", async || {
        server.admin(&["EXISTS", "open-webui:tasks"]).await.unwrap().trim() == "1"
    })
    .await;
    assert!(!guard.cancellation().is_cancelled());
    assert_eq!(b.tasks.list().await.len(), 1);
    let c = Member::start(&rig, &[]).await;
    soon("a node that starts now sees it", async || c.tasks.list().await.len() == 1).await;
    assert!(c.tasks.stop(&guard.task().task_id).await);
    ends(&guard, AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_takes_effect_that_was_published_while_the_link_of_its_node_was_down() {
    let rig = proxied().await;
    let a = Member::start(&rig, &[]).await;
    let port = rig.servers()[0].info("tcp_port").await.expect("its own port");
    let direct = format!("redis://127.0.0.1:{port}/0");
    let b = Member::start(&rig, &[("REDIS_URL", &direct), ("WEBSOCKET_REDIS_URL", &direct)]).await;
    let guard = a.tasks.start("chat", "ada").unwrap();
    soon("it is heard of", async || b.tasks.list().await.len() == 1).await;
    for proxy in rig.proxies() {
        proxy.cut();
    }
    soon("the break is noticed", async || !a.connections.status().is_ready()).await;
    assert!(b.connections.status().is_ready(), "only one node is cut off");
    assert!(b.tasks.stop(&guard.task().task_id).await);
    assert!(!guard.cancellation().is_cancelled());
    for proxy in rig.proxies() {
        proxy.pass();
    }
    ends(&guard, Duration::from_secs(20)).await;
    soon("it is off all lists", async || a.tasks.list().await.is_empty() && b.tasks.list().await.is_empty())
        .await;
    assert_eq!(rig.servers()[0].admin(&["EXISTS", "open-webui:tasks"]).await.unwrap().trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_whose_own_link_is_down_is_sent_when_it_is_up() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let guard = a.tasks.start("chat", "ada").unwrap();
    let kept = a.tasks.start("chat", "bob").unwrap();
    soon("they are heard of", async || b.tasks.list().await.len() == 2).await;
    rig.servers()[0].freeze().unwrap();
    let begin = Instant::now();
    assert!(b.tasks.stop(&guard.task().task_id).await);
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!(b.tasks.of_item("chat").await.len(), 1, "off the list at once");
    soon("the break is noticed", async || !b.connections.status().is_ready()).await;
    let begin = Instant::now();
    let local = b.tasks.start("chat", "bob").unwrap();
    assert!(b.tasks.stop(&local.task().task_id).await && local.cancellation().is_cancelled());
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    rig.servers()[0].thaw().unwrap();
    ends(&guard, Duration::from_secs(20)).await;
    soon("all agree", async || a.tasks.list().await == b.tasks.list().await).await;
    assert!(!kept.cancellation().is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tasks_of_a_killed_node_are_gone_after_its_lease() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let mut guards = Vec::new();
    for number in 0..450 {
        guards.push(a.tasks.start(&format!("chat{number}"), &format!("user{number}")).unwrap());
    }
    let own = b.tasks.start("chat", "bob").unwrap();
    soon("all are heard of", async || b.tasks.list().await.len() == 451).await;
    a.kill();
    soon("its tasks are gone", async || b.tasks.list().await.len() == 1).await;
    let server = &rig.servers()[0];
    soon("from Redis too", async || {
        server.admin(&["HLEN", "open-webui:tasks"]).await.unwrap().trim() == "1"
            && server.admin(&["KEYS", "open-webui:tasks:item:*"]).await.unwrap().trim().lines().count() == 1
    })
    .await;
    assert!(!own.cancellation().is_cancelled());
}

/// A server behind a proxy.
async fn proxied() -> Rig {
    let options = Options { proxied: true, ..Options::new(Kind::Standalone) };
    Rig::with(options).await.expect("a rig")
}
