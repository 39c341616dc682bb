//! A node under load while Redis breaks: who is connected stays connected and is served, and the node recovers by itself.
//!
//! The most telling failures run always; all of them with `ANTIPHON_TEST_FAILURES=1` (`make test-failures`), which also
//! writes what was measured to `target/failures.jsonl`.

use super::{LIMIT, connections, node};
use crate::support::{Account, Client, PASSWORD, Site, Socket, all_failures};
use antiphon_cluster::{Failure, Fleet, Kind, Node, Options, Rig, wait_until};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest time that one request may take while Redis is broken, on a busy machine.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);
/// Pause between two rounds of requests.
const ROUND: Duration = Duration::from_millis(100);
/// How long a failure that need not be noticed goes on.
const HOLD: Duration = Duration::from_secs(2);
/// Recovery after Sentinels have named another master.
const AFTER_SENTINELS: Duration = Duration::from_secs(1);
/// Recovery after everything else.
const RECOVERY: Duration = Duration::from_secs(2);

/// Failures that run always.
const QUICK: [Failure; 5] = [
    Failure::MasterKilled,
    Failure::MasterFrozen,
    Failure::SentinelsKilled,
    Failure::ClientsKilled,
    Failure::NetworkSilent,
];

/// Whether a node must say that it is not ready while this goes on.
fn is_noticed(failure: Failure, kind: Kind) -> bool {
    match failure {
        // Sentinels and clusters may have helped themselves before anybody asks the node.
        Failure::MasterKilled | Failure::MasterFrozen => kind == Kind::Standalone,
        Failure::ClientsRefused
        | Failure::NetworkCut
        | Failure::NetworkSilent
        | Failure::NetworkOneWay(_) => true,
        _ => false,
    }
}

/// Whether it is over as soon as it was done, or ends when the topology has helped itself. Recovery is measured from there, so
/// it must not be waited before.
fn ends_by_itself(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::MasterKilled
            | Failure::MasterFrozen
            | Failure::Promoted
            | Failure::SlotMoved
            | Failure::RestartedEmpty
            | Failure::SubscribersKilled
            | Failure::ClientsKilled
            | Failure::Paused
    )
}

/// What was seen while something was broken.
#[derive(Default)]
struct Seen {
    requests: usize,
    longest_request: Duration,
    longest_sign_in: Duration,
    longest_delivery: Duration,
    /// Connections beyond those that each server is to have.
    most_surplus: u64,
}

/// People who go on working.
struct People {
    site: Site,
    ada: Account,
    bob: Socket,
    channel: String,
    /// Connections of the node, over all servers.
    constant: u64,
}

impl People {
    async fn at(node: &Node) -> Self {
        let site = Site::at(node.url());
        let ada = site.sign_up("Ada").await;
        let bob = site.add(&ada, "Bob", "user").await;
        let form = json!({
            "name": "room", "type": "", "data": {}, "meta": {},
            "access_grants": [
                { "principal_type": "user", "principal_id": "*", "permission": "read" },
                { "principal_type": "user", "principal_id": "*", "permission": "write" },
            ],
        });
        let made = ada.post("/api/v1/channels/create", form).await.expect(200).clone();
        let channel = made["id"].as_str().expect("an id").to_owned();
        let bob = bob.connect(&site).await;
        let shown = ada.get("/api/v1/antiphon/redis").await.expect(200).clone();
        let (constant, open) = connections(&shown);
        assert_eq!(constant, open, "{shown:#}");
        Self { site, ada, bob, channel, constant }
    }

    /// Signs in, asks, posts and hears until told to stop.
    async fn work(&self, stop: &AtomicBool) -> Seen {
        let mut seen = Seen::default();
        let (nobody, ada): (Client, &Client) = (self.site.client(), &self.ada);
        while !stop.load(Ordering::Relaxed) {
            let round = Instant::now();
            let form = json!({ "email": self.ada.email, "password": PASSWORD });
            if seen.requests % 10 == 0 {
                let begin = Instant::now();
                // Too many attempts are refused, which is an answer too.
                let answer = nobody.post("/api/v1/auths/signin", form).await;
                assert!(answer.status == 200 || answer.status == 429, "{answer:?}");
                seen.longest_sign_in = seen.longest_sign_in.max(begin.elapsed());
            }
            for path in ["/health", "/api/v1/auths/", "/api/v1/antiphon/redis"] {
                let begin = Instant::now();
                let answer = ada.get(path).await;
                seen.longest_request = seen.longest_request.max(begin.elapsed());
                let body = answer.expect(200);
                if path.ends_with("redis") {
                    seen.most_surplus = seen.most_surplus.max(surplus(body));
                }
            }
            let text = format!("message {} {:?}", seen.requests, round);
            let begin = Instant::now();
            let form = json!({ "content": text, "data": { "files": [] } });
            ada.post(&format!("/api/v1/channels/{}/messages/post", self.channel), form).await.expect(200);
            self.bob
                .wait_for("the message is heard", |heard| {
                    heard.iter().any(|event| event.data["content"] == text.as_str()).then_some(())
                })
                .await;
            seen.longest_delivery = seen.longest_delivery.max(begin.elapsed());
            seen.requests += 1;
            tokio::time::sleep(ROUND).await;
        }
        assert!(!self.bob.is_closed(), "the socket stays connected");
        seen
    }

    /// Waits until the node is ready and every server has exactly the connections that it has to have.
    async fn wait_recovered(&self, node: &Node, rig: &Rig, after: Failure) -> Result<(), String> {
        let whole = async || {
            if !node.ready().await {
                return false;
            }
            let shown = self.ada.get("/api/v1/antiphon/redis").await.expect(200).clone();
            let (expected, open) = connections(&shown);
            // A Sentinel that stays broken has no connection, or one that is being tried.
            let silent = rig.sentinels().iter().filter(|sentinel| !sentinel.answers()).count() as u64;
            if expected != self.constant || !(self.constant - silent..=self.constant).contains(&open) {
                return false;
            }
            let expected_at = |address: &str| {
                let servers = shown["servers"].as_array().expect("servers");
                let found = servers.iter().find(|server| server["address"] == address);
                found.map_or(0, |server| server["expected"].as_u64().expect("a number"))
            };
            // A node that still holds to a lost master has not noticed yet.
            if rig.servers().iter().any(|server| !server.answers() && expected_at(&server.address()) > 0) {
                return false;
            }
            for server in rig.servers().iter().chain(rig.sentinels()).filter(|server| server.answers()) {
                let clients = server.connected_clients().await.map(|clients| clients as u64);
                if clients.ok() != Some(expected_at(&server.address())) {
                    return false;
                }
            }
            true
        };
        match wait_until(&format!("the node has recovered from '{after}'"), LIMIT, whole).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let shown = self.ada.get("/api/v1/antiphon/redis").await;
                let mut servers = String::new();
                for server in rig.servers() {
                    let role = if server.answers() { server.info("role").await.ok() } else { None };
                    let _ = writeln!(servers, "{} at {}: {role:?}", server.name(), server.address());
                }
                Err(format!("{error}: {:#}\n{servers}", shown.body))
            }
        }
    }
}

/// Connections that no server is to have: more than its constant, or more than one short question to a server that the node
/// has no link to. A cluster's replicas are asked who leads when no master answers.
fn surplus(shown: &Value) -> u64 {
    let servers = shown["servers"].as_array().expect("servers");
    let beyond = |server: &Value| {
        let number = |name: &str| server[name].as_u64().expect("a number");
        number("open").saturating_sub(number("expected").max(1))
    };
    servers.iter().map(beyond).sum()
}

/// The first warning of a log that speaks of Redis, without its time.
fn first_warning(log: &str) -> Option<&str> {
    let warning = log.lines().find(|line| line.contains("WARNING:") && line.contains("edis"))?;
    warning.split_once(' ').map(|(_, line)| line)
}

fn tell(line: &Value) {
    println!(
        "FAILURE {}{}, {}: recovered in {:.2} s; {line}",
        line["topology"].as_str().unwrap_or_default(),
        if line["tls"] == true { " with TLS" } else { "" },
        line["failure"].as_str().unwrap_or_default(),
        line["seconds"].as_f64().unwrap_or_default(),
    );
    if all_failures() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/failures.jsonl");
        let _ = std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"));
        let file = std::fs::File::options().create(true).append(true).open(path);
        // One write, so that lines of tests that run side by side stay whole.
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .expect("the line is written");
    }
}

/// A node with people on it, and the Redis that is broken under it.
pub(super) struct Patient {
    rig: Rig,
    fleet: Fleet,
    people: Arc<People>,
}

impl Patient {
    pub(super) async fn new(kind: Kind, tls: bool) -> Self {
        let options = Options { tls, proxied: true, ..Options::new(kind) };
        let rig = Rig::with(options).await.expect("a rig");
        let fleet = node(rig.variables()).await;
        let node = &fleet.nodes()[0];
        node.wait_ready(LIMIT).await.expect("ready");
        let people = Arc::new(People::at(node).await);
        Self { rig, fleet, people }
    }

    pub(super) fn node(&self) -> &Node {
        &self.fleet.nodes()[0]
    }

    /// Tasks of the node, when everything is as it has to be.
    pub(super) async fn tasks(&self, after: Failure) -> u64 {
        self.people.wait_recovered(self.node(), &self.rig, after).await.expect("whole");
        let shown = self.people.ada.get("/api/v1/antiphon/redis").await;
        shown.expect(200)["tasks"].as_u64().expect("a number")
    }

    /// The failures that its topology can have.
    pub(super) fn failures(&self) -> Vec<Failure> {
        Failure::of(self.rig.options()).collect()
    }

    /// Breaks something and ends it again while people work, checks what they met, and tells what was measured.
    ///
    /// An error says that Redis did not break or heal as it was told to, as when Sentinels find no successor; then nothing is
    /// known of the node, and the rig is whole again.
    pub(super) async fn survives(&self, failure: Failure) -> antiphon_cluster::Result<()> {
        let Self { rig, people, .. } = self;
        let (node, kind, tls) = (self.node(), rig.options().kind, rig.options().tls);
        people.wait_recovered(node, rig, failure).await.expect("whole before");
        let logged = node.log().expect("a log").len();
        let stop = Arc::new(AtomicBool::new(false));
        let work = {
            let (people, stop) = (people.clone(), stop.clone());
            tokio::spawn(async move { people.work(&stop).await })
        };
        let broken = match rig.inflict(failure).await {
            Ok(broken) => broken,
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                work.await.unwrap_or_else(|error| panic!("{failure}: {error}"));
                rig.heal().await?;
                return Err(error);
            }
        };
        let begin = Instant::now();
        let mut noticed = None;
        if is_noticed(failure, kind) {
            let unready = async || !node.ready().await;
            noticed = Some(wait_until("the node is not ready", LIMIT, unready).await.expect("noticed"));
        } else if !ends_by_itself(failure) {
            tokio::time::sleep(HOLD).await;
        }
        let ended = broken.end().await.unwrap_or_else(|error| panic!("{failure}: {error}"));
        let ready = node.wait_ready(LIMIT).await.map(|_| ended.elapsed());
        // The bound is for all of it: ready, and every connection where it has to be.
        let recovered = people.wait_recovered(node, rig, failure).await;
        let recovery = ended.elapsed();
        stop.store(true, Ordering::Relaxed);
        let seen = work.await.unwrap_or_else(|error| panic!("{failure}: {error}"));
        let log = node.log().expect("a log");
        recovered.unwrap_or_else(|error| panic!("{error}\n{}", &log[logged..]));
        tell(&json!({
            "topology": format!("{kind:?}").to_lowercase(),
            "tls": tls,
            "failure": failure.to_string(),
            "seconds": recovery.as_secs_f64(),
            "ready": ready.ok().map(|ready| ready.as_secs_f64()),
            "noticed": noticed.map(|noticed| noticed.as_secs_f64()),
            "whole": begin.elapsed().as_secs_f64(),
            "rounds": seen.requests,
            "longest_request": seen.longest_request.as_secs_f64(),
            "longest_sign_in": seen.longest_sign_in.as_secs_f64(),
            "longest_delivery": seen.longest_delivery.as_secs_f64(),
            "most_surplus": seen.most_surplus,
            "log": first_warning(&log[logged..]),
        }));
        let of_sentinels =
            kind == Kind::Sentinel && matches!(failure, Failure::MasterKilled | Failure::MasterFrozen);
        let bound = if of_sentinels { AFTER_SENTINELS } else { RECOVERY };
        assert!(recovery <= bound, "{failure}: {recovery:?}\n{}", &log[logged..]);
        let longest = seen.longest_request.max(seen.longest_sign_in).max(seen.longest_delivery);
        assert!(longest < LONGEST_REQUEST, "{failure}: {longest:?}");
        assert_eq!(seen.most_surplus, 0, "{failure}: connections beyond what is to be");
        rig.heal().await
    }
}

async fn survives(kind: Kind, tls: bool) {
    let patient = Patient::new(kind, tls).await;
    for failure in patient.failures() {
        if all_failures() || QUICK.contains(&failure) {
            patient.survives(failure).await.unwrap_or_else(|error| panic!("{failure}: {error}"));
        }
    }
}

macro_rules! survive {
    ($($name:ident: $kind:ident, $tls:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            survives(Kind::$kind, $tls).await;
        }
    )*};
}

survive! {
    a_node_survives_the_failures_of_a_standalone_server: Standalone, false;
    a_node_survives_the_failures_of_a_master_with_sentinels: Sentinel, false;
    a_node_survives_the_failures_of_a_cluster: Cluster, false;
    a_node_survives_the_failures_of_a_standalone_server_with_tls: Standalone, true;
    a_node_survives_the_failures_of_a_master_with_sentinels_with_tls: Sentinel, true;
    a_node_survives_the_failures_of_a_cluster_with_tls: Cluster, true;
}
