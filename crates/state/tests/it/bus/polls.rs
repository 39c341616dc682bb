//! Clients that poll whichever node a balancer picks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig, wait_until};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::Node;
use crate::redis::support::LIMIT;

/// Begins one request on a connection of its own.
async fn begin(address: SocketAddr, method: &str, query: &str, headers: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "{method} /ws/socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The server may answer, and close, before it has taken all.
    let _ = stream.write_all(body).await;
    stream
}

/// One request; gives status and body.
async fn http(address: SocketAddr, method: &str, query: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = begin(address, method, query, headers, body).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    read.expect("an answer").expect("read");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    (head.split(' ').nth(1).expect("a status").parse().expect("a number"), body.to_owned())
}

/// A client that asks another node each time.
struct Poller<'a> {
    nodes: [&'a Node; 2],
    next: usize,
    query: String,
}

impl<'a> Poller<'a> {
    async fn connect(owner: &'a Node, other: &'a Node) -> Self {
        let (status, body) = http(owner.address, "GET", "EIO=4&transport=polling", "", b"").await;
        assert_eq!(status, 200);
        let open: Value = serde_json::from_str(&body[1..]).expect("JSON");
        let query = format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().expect("a sid"));
        let mut poller = Self { nodes: [other, owner], next: 0, query };
        poller.post("40").await;
        assert!(poller.get().await.starts_with("40{"));
        poller
    }

    fn address(&mut self) -> SocketAddr {
        self.next += 1;
        self.nodes[self.next % 2].address
    }

    async fn post(&mut self, body: &str) {
        let address = self.address();
        let (status, answer) = http(address, "POST", &self.query, "", body.as_bytes()).await;
        assert_eq!((status, answer.as_str()), (200, "ok"));
    }

    async fn get(&mut self) -> String {
        let address = self.address();
        let (status, body) = http(address, "GET", &self.query, "", b"").await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

async fn polls_reach_their_session(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    let (owner, other) = (Node::polling(&rig).await, Node::polling(&rig).await);
    let mut poller = Poller::connect(&owner, &other).await;
    let mut answers = String::new();
    for number in 0..20 {
        poller.post(&format!(r#"42{number}["join","red"]"#)).await;
        answers = poller.get().await;
    }
    assert_eq!(answers, r#"4319["join"]"#);
    assert_eq!(owner.realtime.members("red").len(), 1);
    assert!(other.realtime.members("red").is_empty());
    // An answer of several parts.
    let large = "x".repeat(3_000_000);
    other.realtime.to("red").emit("large", &large).await.expect("sent");
    for _ in 0..2 {
        // At one of the two it comes from the other node.
        let begin = Instant::now();
        let body = poller.get().await;
        assert_eq!(body.len(), format!(r#"42["large","{large}"]"#).len());
        assert!(begin.elapsed() < LIMIT);
        other.realtime.to("red").emit("large", &large).await.expect("sent");
    }
    // What the owner refuses is refused here: another origin, a request of another kind.
    let query = poller.query.clone();
    let foreign = http(other.address, "GET", &query, "Origin: http://bad\r\n", b"").await;
    assert_eq!(foreign, (400, r#""This origin is not allowed""#.to_owned()));
    assert_eq!(http(other.address, "PUT", &query, "", b"").await.0, 400);
    // Sessions that nobody has, of a node that lives and of none.
    let tag = &query[query.len() - 20..query.len() - 14];
    for sid in [format!("{tag}AAAAAAAAAAAAAA"), "AAAAAAAAAAAAAAAAAAAA".to_owned()] {
        let begin = Instant::now();
        let unknown =
            http(other.address, "GET", &format!("EIO=4&transport=polling&sid={sid}"), "", b"").await;
        assert_eq!(unknown, (400, r#""Invalid session""#.to_owned()));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_reach_their_session_by_way_of_another_node() {
    polls_reach_their_session(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_reach_their_session_by_way_of_another_node_and_a_cluster() {
    polls_reach_their_session(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_at_another_node_ends_its_session() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (owner, other) = (Node::polling(&rig).await, Node::polling(&rig).await);
    let poller = Poller::connect(&owner, &other).await;
    assert_eq!(owner.realtime.sockets().len(), 1);
    let poll = begin(other.address, "GET", &poller.query, "", b"").await;
    let waits = async || owner.relay.serving() == 1;
    wait_until("the poll waits at its owner", LIMIT, waits).await.expect("in time");
    drop(poll);
    let ended = async || owner.realtime.sockets().is_empty();
    wait_until("the session is ended", LIMIT, ended).await.expect("long before the ping would");
    assert_eq!(owner.relay.serving(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_to_another_node_are_refused_while_redis_is_away() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (owner, other) = (Node::polling(&rig).await, Node::polling(&rig).await);
    let mut poller = Poller::connect(&owner, &other).await;
    rig.servers()[0].kill().expect("killed");
    let begin = Instant::now();
    let refused = http(other.address, "GET", &poller.query, "", b"").await;
    assert_eq!(refused, (400, r#""Invalid session""#.to_owned()));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    // The owner serves it all the same.
    poller.nodes = [&owner, &owner];
    poller.post(r#"421["x"]"#).await;
    assert_eq!(poller.get().await, r#"431["x"]"#);
}
