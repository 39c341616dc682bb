//! Sockets that poll by way of a balancer: each request may reach another node than the one that has the socket.

use super::{LIMIT, fleet_with, rig};
use crate::support::chat::Question;
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Client, Site};
use antiphon_cluster::{Balancer, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Instant;

/// What separates packets in one body. Source: the Engine.IO protocol, revision 4, "HTTP long-polling".
const SEPARATOR: char = '\u{1e}';

/// A client that knows long-polling alone.
struct Poller {
    client: Client,
    path: String,
    arrived: VecDeque<String>,
}

impl Poller {
    async fn open(site: &Site, token: &str) -> Self {
        let client = site.client();
        let path = "/ws/socket.io/?EIO=4&transport=polling";
        let answer = client.get(path).await;
        let open = text(&answer.bytes);
        let handshake: Value = serde_json::from_str(open.strip_prefix('0').expect(&open)).expect("JSON");
        assert_eq!(handshake["upgrades"], json!([]));
        let path = format!("{path}&sid={}", handshake["sid"].as_str().expect("a sid"));
        let mut poller = Self { client, path, arrived: VecDeque::new() };
        poller.send(&format!("40{}", json!({ "token": token }))).await;
        poller
    }

    async fn send(&mut self, packet: &str) {
        let answer = self.client.send(Method::POST, &self.path, Some(packet.as_bytes().to_vec())).await;
        assert_eq!((answer.status, text(&answer.bytes).as_str()), (200, "ok"));
    }

    /// The next packet; pings are answered.
    async fn packet(&mut self) -> String {
        let begin = Instant::now();
        loop {
            if let Some(packet) = self.arrived.pop_front() {
                if packet == "2" {
                    self.send("3").await;
                    continue;
                }
                return packet;
            }
            assert!(begin.elapsed() < LIMIT, "nothing comes");
            let answer = self.client.get(&self.path).await;
            assert_eq!(answer.status, 200, "{}", text(&answer.bytes));
            self.arrived.extend(text(&answer.bytes).split(SEPARATOR).map(str::to_owned));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("a text")
}

/// A reply is heard word for word by a client whose requests go to all nodes in turn.
async fn finds_its_socket(kind: Kind) {
    let rig = rig(kind).await;
    let provider = Provider::start().await;
    let further = [
        ("ENABLE_WEBSOCKET_SUPPORT", "false"),
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", provider.base()),
        ("OPENAI_API_KEYS", "sk-test"),
    ];
    let fleet = fleet_with(rig.variables(), 3, &further).await;
    let balancer = Balancer::start(&fleet.ports()).await.expect("a balancer");
    let site = Site::at(balancer.url());
    let ada = site.sign_up("Ada").await;
    let mut poller = Poller::open(&site, &ada.token).await;
    let connected = poller.packet().await;
    let connected: Value =
        serde_json::from_str(connected.strip_prefix("40").expect(&connected)).expect("JSON");
    let sid = connected["sid"].as_str().expect("a sid");
    poller.send(&format!("420{}", json!(["user-join", { "auth": { "token": ada.token } }]))).await;
    let joined = poller.packet().await;
    assert!(joined.starts_with("430[") && joined.contains(&ada.id), "{joined}");

    let question = Question::new("[[tokens=60 delay=20]]");
    let asked = ada.post("/api/chat/completions", question.form(sid)).await;
    let chat = asked.expect(200)["chat_id"].clone();
    let mut heard = String::new();
    loop {
        let packet = poller.packet().await;
        let event: Value = serde_json::from_str(packet.strip_prefix("42").expect(&packet)).expect("JSON");
        let event = &event[1];
        if event["chat_id"] != chat {
            continue;
        }
        let data = &event["data"]["data"];
        if let Some(delta) = data["delta"].as_str() {
            assert_eq!(data["offset"], json!(heard.len()), "nothing twice and no gap: {packet}");
            heard.push_str(delta);
        }
        if event["data"]["type"] == "chat:active" && data["active"] == false {
            break;
        }
    }
    assert_eq!(heard, tokens(60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_to_any_node_finds_its_socket() {
    finds_its_socket(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_to_any_node_of_a_cluster_finds_its_socket() {
    finds_its_socket(Kind::Cluster).await;
}
