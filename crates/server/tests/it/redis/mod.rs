//! How a node reaches Redis, what it says of that, and how it starts without it.
//!
//! Nodes are processes here, so that their log is what an operator sees. How breaks are survived is tested in [`failures`],
//! what nodes tell each other in [`events`].

mod events;
mod failures;
mod soak;

use crate::support::{NodeUnderTest, Site, with_sqlite};
use antiphon_cluster::{Failure, Fleet, Kind, Node, Options, Rig, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bound of everything that is waited for.
const LIMIT: Duration = Duration::from_secs(20);
/// A node is ready so soon after Redis is there.
const READY_AGAIN: Duration = Duration::from_secs(2);

async fn rig(kind: Kind) -> Rig {
    Rig::start(kind, false).await.expect("a rig")
}

/// One node with these variables, listening but perhaps not ready.
async fn node(variables: Vec<(&'static str, String)>) -> Fleet {
    let further =
        [("ENABLE_OPENAI_API", "false"), ("ENABLE_CHANNELS", "true"), ("GLOBAL_LOG_LEVEL", "DEBUG")];
    let all = variables.into_iter().chain(further.map(|(name, value)| (name, value.to_owned())));
    Fleet::start(Path::new(env!("CARGO_BIN_EXE_antiphon")), 1, all).await.expect("a node")
}

/// What `/ready` refuses with.
async fn refusal(node: &Node) -> String {
    let answer = Site::at(node.url()).client().get("/ready").await;
    answer.expect_plain(503).to_owned()
}

async fn shown(site: &Site) -> Value {
    let ada = site.sign_up("Ada").await;
    ada.get("/api/v1/antiphon/redis").await.expect(200).clone()
}

/// The sums of connections that are to be and that are open.
fn connections(shown: &Value) -> (u64, u64) {
    let servers = shown["servers"].as_array().expect("servers");
    let sum = |name: &str| servers.iter().map(|server| server[name].as_u64().expect("a number")).sum();
    (sum("expected"), sum("open"))
}

async fn tells_how_it_reaches(kind: Kind, topology: &str, line: &str, constant: u64) {
    let rig = rig(kind).await;
    let fleet = node(rig.variables()).await;
    let node = &fleet.nodes()[0];
    node.wait_ready(LIMIT).await.expect("ready");
    node.wait_logged("Redis: all links work", LIMIT).await.expect("told");
    let log = node.log().expect("a log");
    for text in [
        "DEBUG:open_webui.socket.main:Using Redis to manage websockets.",
        line,
        "Redis connections of this node, whatever the number of users: ",
    ] {
        assert!(log.contains(text), "{text} in {log}");
    }
    let warns = |line: &str| line.contains("WARNING:") && line.contains("edis");
    assert!(!log.lines().any(warns), "a good start warns of nothing: {log}");

    let site = Site::at(node.url());
    let shown = shown(&site).await;
    assert_eq!((&shown["topology"], &shown["ready"]), (&json!(topology), &json!(true)), "{shown:#}");
    assert_eq!(connections(&shown), (constant, constant), "{shown:#}");
    let of_roles: Vec<_> =
        shown["roles"].as_array().expect("roles").iter().map(|role| &role["name"]).collect();
    assert_eq!(of_roles, ["main"], "both roles are one, because they have the same address");
    let bob = site.add(&site.sign_in("Ada").await, "Bob", "user").await;
    bob.get("/api/v1/antiphon/redis").await.expect_plain(401);

    let all = || rig.servers().iter().chain(rig.sentinels());
    let mut open = 0;
    for server in all() {
        let clients = server.connected_clients().await.expect("a count") as u64;
        assert!(clients <= 4, "{clients} connections to {}", server.name());
        open += clients;
    }
    assert_eq!(open, constant, "the servers see the same");
    node.terminate().await.expect("ended");
    for server in all() {
        let gone = async || server.connected_clients().await.is_ok_and(|clients| clients == 0);
        wait_until("the connections are closed", LIMIT, gone).await.expect("in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standalone_server_is_reached_by_two_connections() {
    tells_how_it_reaches(Kind::Standalone, "standalone", "Redis for everything: standalone at 127.0.0.1:", 2)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_sentinels_is_reached_by_two_and_each_sentinel_by_one() {
    tells_how_it_reaches(Kind::Sentinel, "sentinel", "Redis for everything: master mymaster, database 0", 5)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_master_of_a_cluster_is_reached_by_one_and_one_of_them_by_two() {
    tells_how_it_reaches(Kind::Cluster, "cluster", "Redis for everything: cluster by way of 127.0.0.1:", 4)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_databases_of_one_server_are_reached_by_three() {
    let rig = rig(Kind::Standalone).await;
    let mut variables = rig.variables();
    for (name, value) in &mut variables {
        if *name == "WEBSOCKET_REDIS_URL" {
            *value = value.replace("/0", "/1");
        }
    }
    let fleet = node(variables).await;
    let node = &fleet.nodes()[0];
    node.wait_ready(LIMIT).await.expect("ready");
    let shown = shown(&Site::at(node.url())).await;
    assert_eq!(connections(&shown), (3, 3), "{shown:#}");
    let databases: Vec<_> =
        shown["roles"].as_array().expect("roles").iter().map(|role| &role["database"]).collect();
    assert_eq!(databases, [0, 1]);
    assert_eq!(rig.servers()[0].connected_clients().await.expect("a count"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_without_redis_and_becomes_ready_by_itself() {
    let rig = rig(Kind::Standalone).await;
    let server = &rig.servers()[0];
    server.kill().expect("killed");
    let begin = Instant::now();
    let fleet = node(rig.variables()).await;
    let node = &fleet.nodes()[0];
    assert!(begin.elapsed() < Duration::from_secs(5), "the start does not wait: {:?}", begin.elapsed());
    assert_eq!(node.status("/health").await.expect("an answer"), 200, "it lives");
    let refusal = refusal(node).await;
    for text in ["link main", &server.address(), "refuses connections", "Check that Redis runs", "REDIS_URL"]
    {
        assert!(refusal.contains(text), "{text} in {refusal}");
    }
    node.wait_logged("Redis is not there: ", LIMIT).await.expect("told");
    // What needs no other node is served.
    let ada = Site::at(node.url()).sign_up("Ada").await;
    let shown = ada.get("/api/v1/antiphon/redis").await.expect(200).clone();
    assert_eq!((&shown["ready"], &shown["links"][0]["ok"]), (&json!(false), &json!(false)), "{shown:#}");
    server.restart(false).await.expect("started");
    let recovery = node.wait_ready(LIMIT).await.expect("ready");
    assert!(recovery < READY_AGAIN, "{recovery:?}");
    assert_eq!(server.connected_clients().await.expect("a count"), 2);
}

/// Starts a node and waits until it says this, on the log and at `/ready`, and nothing of any password.
async fn says(variables: Vec<(&'static str, String)>, cause: &str, remedy: &str) {
    let fleet = node(variables).await;
    let node = &fleet.nodes()[0];
    let said = async || {
        let refusal = refusal(node).await;
        refusal.contains(cause) && refusal.contains(remedy)
    };
    if let Err(error) = wait_until("the cause and the remedy are said", LIMIT, said).await {
        panic!("{error}: {}", refusal(node).await);
    }
    node.wait_logged(cause, LIMIT).await.expect("logged");
    node.wait_logged(remedy, LIMIT).await.expect("logged");
    assert_eq!(node.status("/health").await.expect("an answer"), 200);
    let log = node.log().expect("a log");
    for secret in ["right-one", "wrong-one"] {
        assert!(!log.contains(secret) && !refusal(node).await.contains(secret), "{log}");
    }
}

fn with_url(rig: &Rig, change: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let changed = |(name, value): (&'static str, String)| {
        let value = if name.ends_with("REDIS_URL") { change(&value) } else { value };
        (name, value)
    };
    rig.variables().into_iter().map(changed).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_a_missing_one_are_said() {
    let options = Options { password: Some("right-one".to_owned()), ..Options::new(Kind::Standalone) };
    let rig = Rig::with(options).await.expect("a rig");
    says(with_url(&rig, |url| url.replace("right-one", "wrong-one")), "WRONGPASS", "REDIS_URL").await;
    says(with_url(&rig, |url| url.replace(":right-one@", "")), "NOAUTH", "REDIS_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_said_with_the_remedy_and_people_are_served() {
    let rig = rig(Kind::Standalone).await;
    let fleet = node(rig.variables()).await;
    let node = &fleet.nodes()[0];
    node.wait_ready(LIMIT).await.expect("ready");
    let ada = Site::at(node.url()).sign_up("Ada").await;
    let broken = rig.inflict(Failure::OutOfMemory).await.expect("full");
    for text in ["Redis refuses what this node writes", "OOM", "Raise maxmemory of Redis"] {
        node.wait_logged(text, LIMIT).await.expect("said");
    }
    ada.get("/api/v1/auths/").await.expect(200);
    Site::at(node.url()).sign_in("Ada").await;
    broken.end().await.expect("ended");
    node.wait_logged("Redis takes what this node writes again.", LIMIT).await.expect("said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_master_is_said_with_the_known_one() {
    let rig = rig(Kind::Sentinel).await;
    let variables = with_url(&rig, |url| url.replace("mymaster", "MyMaster"));
    says(variables, "know no master named \"MyMaster\"; they watch mymaster", "Write the name of the master")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_tls_are_said() {
    let plain = rig(Kind::Standalone).await;
    says(with_url(&plain, |url| url.replace("redis://", "rediss://")), "TLS with ", "Write redis:// instead")
        .await;
    let rig = Rig::start(Kind::Standalone, true).await.expect("a rig");
    let without_authority = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    says(with_url(&rig, without_authority), "TLS with ", "?ssl_ca_certs=/path/ca.pem").await;
    let to_plain = |url: &str| without_authority(url).replace("rediss://", "redis://");
    says(with_url(&rig, to_plain), "closed the connection", "a port with TLS needs rediss://").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_stopped_in_its_process_closes_its_links() {
    let rig = rig(Kind::Standalone).await;
    with_sqlite(async |place| {
        let variables = rig.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let node: NodeUnderTest = place.start(&variables).await;
        let connected = async |count| {
            let server = &rig.servers()[0];
            let exact = async || server.connected_clients().await.is_ok_and(|clients| clients == count);
            wait_until(&format!("{count} connections"), LIMIT, exact).await.expect("in time");
        };
        connected(2).await;
        node.stop().await;
        connected(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workers_need_no_redis() {
    let fleet = node(vec![("UVICORN_WORKERS", "4".to_owned())]).await;
    let node = &fleet.nodes()[0];
    node.wait_ready(LIMIT).await.expect("ready");
    assert!(node.has_logged("topology: memory (one node, no Redis, 0 Redis connections)"));
    assert!(
        node.has_logged("worker threads: 4 (UVICORN_WORKERS; threads of one process, which need no Redis)")
    );
    let shown = shown(&Site::at(node.url())).await;
    assert_eq!(
        (&shown["topology"], &shown["ready"], &shown["servers"]),
        (&json!("memory"), &json!(true), &json!([]))
    );
}
