//! All that a fleet promises, through a round-robin balancer without stickiness, in each topology with and without TLS.
//!
//! `make test-fleet` (`ANTIPHON_TEST_FAILURES=1`) repeats it while Redis is broken in every way and after each of them.

use super::{LIMIT, at, fleet_with};
use crate::support::chat::{Question, deltas};
use crate::support::provider::{Fate, Provider};
use crate::support::script::tokens;
use crate::support::{Account, Heard, PASSWORD, Site, Socket, all_failures};
use antiphon_cluster::{Balancer, Failure, Fleet, Kind, Options, Rig, wait_until};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Nodes of a fleet.
const NODES: usize = 3;
/// Attempts to sign in that a person has in three minutes.
const ATTEMPTS: usize = 15;
/// Rounds of failures that Redis may not take as it was told to, in one run.
const NOT_TAKEN: usize = 1;

/// Somebody with a socket at each node; with one node two of them are there.
struct Person {
    account: Account,
    sockets: Vec<Socket>,
}

/// A fleet, who is there all the time, and what is asked.
struct Stage {
    rig: Option<Rig>,
    fleet: Fleet,
    provider: Provider,
    balancer: Balancer,
    /// The administrator, by way of the balancer as everybody.
    ada: Account,
    /// Stays connected through everything.
    witness: Person,
    /// A channel that the witness follows.
    channel: String,
    people: AtomicUsize,
    /// Whether sockets have a database of their own, as in the guide.
    two_databases: bool,
}

impl Stage {
    async fn new(kind: Option<Kind>, tls: bool) -> Self {
        let rig = match kind {
            Some(kind) => {
                let options = Options { tls, proxied: all_failures(), ..Options::new(kind) };
                Some(Rig::with(options).await.expect("a rig"))
            }
            None => None,
        };
        let provider = Provider::start().await;
        let service = [
            ("ENABLE_OPENAI_API", "true"),
            ("OPENAI_API_BASE_URLS", provider.base()),
            ("OPENAI_API_KEYS", "sk-test"),
        ];
        let mut variables = rig.as_ref().map(Rig::variables).unwrap_or_default();
        let two_databases = kind == Some(Kind::Standalone) && !tls;
        for (_, value) in
            variables.iter_mut().filter(|(name, _)| two_databases && *name == "WEBSOCKET_REDIS_URL")
        {
            *value = value.replace("/0", "/1");
        }
        let fleet = fleet_with(variables, if rig.is_some() { NODES } else { 1 }, &service).await;
        let balancer = Balancer::start(&fleet.ports()).await.expect("a balancer");
        let site = Site::at(balancer.url());
        let ada = site.sign_up("Ada").await;
        let witness = site.add(&ada, "Witness", "user").await;
        let form = json!({ "type": "group", "name": "all", "user_ids": [witness.id] });
        let channel = ada.post("/api/v1/channels/create", form).await.expect(200)["id"].clone();
        let channel = channel.as_str().expect("an id").to_owned();
        let sockets = sockets(&fleet, &witness).await;
        let witness = Person { account: witness, sockets };
        Self {
            rig,
            fleet,
            provider,
            balancer,
            ada,
            witness,
            channel,
            people: AtomicUsize::new(0),
            two_databases,
        }
    }

    fn site(&self) -> Site {
        Site::at(self.balancer.url())
    }

    /// The same session at each node.
    fn everywhere(&self, account: &Account) -> Vec<Account> {
        self.fleet.nodes().iter().map(|node| at(node, account)).collect()
    }

    /// A name that nobody had.
    fn name(&self) -> String {
        format!("person-{}", self.people.fetch_add(1, Ordering::Relaxed))
    }

    async fn person(&self) -> Person {
        let account = self.site().add(&self.ada, &self.name(), "user").await;
        let sockets = sockets(&self.fleet, &account).await;
        Person { account, sockets }
    }

    /// Everything, one after the other.
    async fn is_one_server(&self) {
        let begin = Instant::now();
        self.replies_are_heard_and_read_everywhere().await;
        self.messages_reach_everybody_once().await;
        self.presence_is_known_everywhere().await;
        self.settings_are_served_everywhere().await;
        self.a_sign_out_holds_everywhere().await;
        self.a_reply_is_stopped_from_elsewhere().await;
        self.attempts_are_counted_together().await;
        self.redis_holds_what_operators_look_for().await;
        println!("SUITE {}: all of it in {:.1} s", self.place(), begin.elapsed().as_secs_f64());
    }

    fn place(&self) -> String {
        self.rig.as_ref().map_or_else(
            || "memory".to_owned(),
            |rig| format!("{:?}, tls={}", rig.options().kind, rig.options().tls),
        )
    }

    async fn replies_are_heard_and_read_everywhere(&self) {
        let Person { account, sockets } = self.person().await;
        let (first, last) = (&sockets[0], &sockets[sockets.len() - 1]);
        let text = format!("[[tokens=120 hold=40 delay=1]] {}", account.email);
        let asked = Question::new(text).ask(&account, first).await;
        let answer = asked.answer();
        for socket in &sockets {
            socket.said(answer, &tokens(40)).await;
        }
        for account in self.everywhere(&account) {
            let so_far = account.message(&asked.chat_id, answer).await;
            assert_eq!((&so_far["content"], &so_far["done"]), (&json!(tokens(40)), &json!(false)));
        }
        self.provider.release();
        let mut pieces = Vec::new();
        for socket in &sockets {
            let heard = socket.end_of_turn(&asked.chat_id, 1).await;
            pieces.push(deltas(&heard, answer).cloned().collect::<Vec<Value>>());
        }
        assert!(
            pieces.iter().all(|of_socket| *of_socket == pieces[0]),
            "the same pieces in one order, each once"
        );
        for account in self.everywhere(&account) {
            let whole = account.message(&asked.chat_id, answer).await;
            assert_eq!((&whole["content"], &whole["done"]), (&json!(tokens(120)), &json!(true)));
        }
        assert!(!last.is_closed());
    }

    /// Posts to the channel; the witness hears it once on each of its sockets.
    async fn messages_reach_everybody_once(&self) {
        let content = format!("said by {}", self.name());
        let form = json!({ "content": content, "data": { "files": [] }, "reply_to_id": null });
        let path = format!("/api/v1/channels/{}/messages/post", self.channel);
        self.ada.post(&path, form).await.expect(200);
        let times = |heard: &[Heard]| {
            let of_content = |event: &&Heard| event.envelope["data"]["data"]["content"] == content.as_str();
            heard.iter().filter(of_content).count()
        };
        for socket in &self.witness.sockets {
            socket.wait_for("the message", |heard| (times(heard) > 0).then_some(())).await;
            // What comes after it on the same socket would come after a second copy too.
            socket.sync().await;
            assert_eq!(times(&socket.heard()), 1);
        }
    }

    async fn presence_is_known_everywhere(&self) {
        let Person { account, mut sockets } = self.person().await;
        let path = format!("/api/v1/users/{}/active", account.id);
        let admins = self.everywhere(&self.ada);
        let is_active = async |expected: bool| {
            for admin in &admins {
                if admin.get(&path).await.expect(200)["active"] != expected {
                    return false;
                }
            }
            true
        };
        let model = account.id.as_str();
        let is_used = async |expected: bool| {
            for admin in &admins {
                let used = admin.get("/api/usage").await.expect(200)["model_ids"].clone();
                if used.as_array().expect("models").contains(&json!(model)) != expected {
                    return false;
                }
            }
            true
        };
        wait_until("every node says that they are there", LIMIT, async || is_active(true).await)
            .await
            .expect("in time");
        let last = sockets.pop().expect("a socket");
        drop(sockets);
        let in_use = async || {
            // Pages repeat it while the model is in use.
            last.emit("usage", json!({ "model": model })).await;
            is_used(true).await
        };
        wait_until("every node says that the model is in use", LIMIT, in_use).await.expect("in time");
        assert!(is_active(true).await, "one socket is left");
        drop(last);
        let gone = async || is_active(false).await && is_used(false).await;
        wait_until("every node says that they are gone", LIMIT, gone).await.expect("in time");
    }

    async fn settings_are_served_everywhere(&self) {
        let path = "/api/v1/auths/admin/config";
        let mut form = self.ada.get(path).await.expect(200).clone();
        for value in ["4w", "2d"] {
            form["JWT_EXPIRES_IN"] = json!(value);
            self.site().configure(&self.ada, form.clone()).await;
            for admin in self.everywhere(&self.ada) {
                let served = async || admin.get(path).await.expect(200)["JWT_EXPIRES_IN"] == value;
                wait_until("a node serves the setting", LIMIT, served).await.expect("in time");
            }
        }
    }

    async fn a_sign_out_holds_everywhere(&self) {
        let name = self.name();
        let account = self.site().add(&self.ada, &name, "user").await;
        let other = self.site().sign_in(&name).await;
        let ended = sockets(&self.fleet, &account).await;
        let kept = sockets(&self.fleet, &other).await;
        account.post("/api/v1/auths/signout", json!({})).await.expect(200);
        for account in self.everywhere(&account) {
            let refused = async || account.get("/api/v1/auths/").await.status == 401;
            wait_until("a node refuses the token", LIMIT, refused).await.expect("in time");
        }
        for socket in &ended {
            wait_until("its socket is closed", LIMIT, async || socket.is_closed()).await.expect("in time");
        }
        for other in self.everywhere(&other) {
            other.get("/api/v1/auths/").await.expect(200);
        }
        assert!(kept.iter().all(|socket| !socket.is_closed()), "the other session goes on");
    }

    async fn a_reply_is_stopped_from_elsewhere(&self) {
        let Person { account, sockets } = self.person().await;
        let text = format!("[[tokens=9 hang=5]] {}", account.email);
        let asked = Question::new(text.as_str()).ask(&account, &sockets[0]).await;
        self.provider.asked(&text).await;
        let path = format!("/api/tasks/chat/{}", asked.chat_id);
        let listed = async |tasks: &[String]| {
            for account in self.everywhere(&account) {
                if *account.get(&path).await.expect(200) != json!({ "task_ids": tasks }) {
                    return false;
                }
            }
            true
        };
        let all = async || listed(&asked.task_ids).await;
        wait_until("every node lists the task", LIMIT, all).await.expect("in time");
        let stopped = account.post(&format!("{path}/stop"), json!({})).await;
        assert_eq!(stopped.expect(200)["status"], true);
        assert_eq!(self.provider.fate(&text).await, Fate::Cut);
        let done = async || account.message(&asked.chat_id, asked.answer()).await["done"] == true;
        wait_until("the reply has ended", LIMIT, done).await.expect("in time");
        wait_until("no node lists the task", LIMIT, async || listed(&[]).await).await.expect("in time");
    }

    async fn attempts_are_counted_together(&self) {
        let account = self.site().add(&self.ada, &self.name(), "user").await;
        // Signing in once was an attempt too.
        for attempt in 1..ATTEMPTS {
            assert_eq!(self.site().try_sign_in(&account.email, "wrong").await.status, 400, "{attempt}");
        }
        for node in self.fleet.nodes() {
            let refused = Site::at(node.url()).try_sign_in(&account.email, PASSWORD).await;
            assert_eq!(refused.status, 429);
        }
    }

    /// The names that the guide shows; of those who are gone nothing is left.
    async fn redis_holds_what_operators_look_for(&self) {
        let Some(rig) = &self.rig else { return };
        let prefix = rig.prefix();
        let says = async |command: &[&str], expected: &str| {
            let reply = rig.keeper().await.expect("a master").admin(command).await;
            reply.is_ok_and(|reply| reply == expected)
        };
        let setting = format!("{prefix}:config:auth.jwt_expiry");
        let shown = async || says(&["GET", &setting], "\"2d\"").await;
        wait_until("operators see the setting", LIMIT, shown).await.expect("in time");
        if !self.two_databases {
            let (pool, count) = (format!("{prefix}:session_pool"), self.witness.sockets.len().to_string());
            let left = async || says(&["HLEN", &pool], &count).await;
            wait_until("only the sessions of the witness are left", LIMIT, left).await.expect("in time");
        }
    }

    /// What holds whether Redis is there or not.
    async fn serves_while_broken(&self) {
        self.settings_are_served_everywhere().await;
        self.a_sign_out_holds_everywhere().await;
        // A reply runs where it was asked for, and is heard there.
        let account = self.site().add(&self.ada, &self.name(), "user").await;
        for (node, account) in self.fleet.nodes().iter().zip(self.everywhere(&account)) {
            let socket = account.connect(&Site::at(node.url())).await;
            let asked = Question::new("[[tokens=30]]").ask(&account, &socket).await;
            socket.said(asked.answer(), &tokens(30)).await;
            socket.end_of_turn(&asked.chat_id, 1).await;
            let whole = account.message(&asked.chat_id, asked.answer()).await;
            assert_eq!((&whole["content"], &whole["done"]), (&json!(tokens(30)), &json!(true)));
        }
        assert!(self.witness.sockets.iter().all(|socket| !socket.is_closed()), "who is connected stays so");
    }

    /// Breaks Redis, looks what still holds, ends it, and looks whether all is as before.
    async fn survives(&self, failure: Failure) -> antiphon_cluster::Result<()> {
        let Some(rig) = &self.rig else { return Ok(()) };
        let broken = match rig.inflict(failure).await {
            Ok(broken) => broken,
            Err(error) => {
                rig.heal().await?;
                return Err(error);
            }
        };
        let begin = Instant::now();
        self.serves_while_broken().await;
        let served = begin.elapsed();
        let ended = broken.end().await?;
        self.fleet.wait_ready(LIMIT).await.unwrap_or_else(|error| panic!("{failure}: {error}"));
        let ready = ended.elapsed();
        self.is_one_server().await;
        println!(
            "SUITE {}, {failure}: served in {:.1} s while broken, ready after {:.2} s, whole after {:.1} s",
            self.place(),
            served.as_secs_f64(),
            ready.as_secs_f64(),
            ended.elapsed().as_secs_f64()
        );
        rig.heal().await?;
        self.fleet.wait_ready(LIMIT).await
    }
}

/// A socket at each node, two at a single one.
async fn sockets(fleet: &Fleet, account: &Account) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for node in fleet.nodes() {
        sockets.push(at(node, account).connect(&Site::at(node.url())).await);
    }
    if let [node] = fleet.nodes() {
        sockets.push(at(node, account).connect(&Site::at(node.url())).await);
    }
    sockets
}

async fn is_one_server(kind: Option<Kind>, tls: bool) {
    let stage = Stage::new(kind, tls).await;
    stage.is_one_server().await;
    let (Some(rig), true) = (&stage.rig, all_failures()) else { return };
    let mut not_taken = 0;
    for failure in Failure::of(rig.options()) {
        if let Err(error) = stage.survives(failure).await {
            not_taken += 1;
            println!("NOT TAKEN {failure}: {error}");
            assert!(not_taken <= NOT_TAKEN, "the rig fails, not the fleet");
        }
    }
}

macro_rules! one_server {
    ($($name:ident: $kind:expr, $tls:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            is_one_server($kind, $tls).await;
        }
    )*};
}

one_server! {
    a_node_without_redis_keeps_all_promises: None, false;
    nodes_at_a_standalone_server_are_one: Some(Kind::Standalone), false;
    nodes_with_sentinels_are_one: Some(Kind::Sentinel), false;
    nodes_at_a_cluster_are_one: Some(Kind::Cluster), false;
    nodes_at_a_standalone_server_with_tls_are_one: Some(Kind::Standalone), true;
    nodes_with_sentinels_with_tls_are_one: Some(Kind::Sentinel), true;
    nodes_at_a_cluster_with_tls_are_one: Some(Kind::Cluster), true;
}
