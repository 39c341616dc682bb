//! The polling transport.

use std::sync::Arc;
use std::time::Duration;

use antiphon_realtime::{DisconnectReason, MemoryBus, NodeTag, PollForward, RealtimeConfig, TransportMode};
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::support::{Answer, Client, Server, eventually, http};

fn config() -> RealtimeConfig {
    RealtimeConfig { transport: TransportMode::Polling, ..RealtimeConfig::default() }
}

/// A polling client.
#[derive(Clone)]
struct Poller {
    address: std::net::SocketAddr,
    query: String,
    sid: String,
}

impl Poller {
    async fn open(server: &Server) -> Self {
        let answer = http(server.address, "GET", "EIO=4&transport=polling", "", b"").await;
        assert_eq!(answer.status, 200);
        let open: Value = serde_json::from_str(&answer.body[1..]).unwrap();
        let sid = open["sid"].as_str().unwrap();
        assert_eq!(open["upgrades"], serde_json::json!([]));
        Self {
            address: server.address,
            query: format!("EIO=4&transport=polling&sid={sid}"),
            sid: String::new(),
        }
    }

    async fn connect(server: &Server) -> Self {
        let mut poller = Self::open(server).await;
        poller.post("40").await;
        let answer = poller.get().await;
        let connected: Value = serde_json::from_str(answer.strip_prefix("40").expect(&answer)).unwrap();
        poller.sid = connected["sid"].as_str().unwrap().into();
        poller
    }

    async fn request(&self, method: &str, body: &[u8]) -> Answer {
        http(self.address, method, &self.query, "", body).await
    }

    async fn get(&self) -> String {
        let answer = self.request("GET", b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn post(&self, body: &str) {
        let answer = self.request("POST", body.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn the_open_packet_is_the_first_answer() {
    let server = Server::start(config()).await;
    let answer = http(server.address, "GET", "EIO=4&transport=polling", "", b"").await;
    let open: Value = serde_json::from_str(&answer.body[1..]).unwrap();
    let expected = format!(
        r#"0{{"sid":{},"upgrades":[],"pingTimeout":20000,"pingInterval":25000,"maxPayload":16777216}}"#,
        open["sid"]
    );
    assert_eq!(answer.body, expected);
    assert!(answer.head.contains("content-type: text/plain; charset=utf-8"), "{}", answer.head);
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let server = Server::start(config()).await;
    for (method, query) in [
        ("GET", "transport=polling"),
        ("GET", "EIO=abc&transport=polling"),
        ("GET", "EIO=3&transport=polling"),
        ("GET", "EIO=4"),
        ("GET", "EIO=4&transport=abc"),
        ("GET", "EIO=4&transport=websocket"),
        ("POST", "EIO=4&transport=polling"),
        ("PUT", "EIO=4&transport=polling"),
        ("GET", "EIO=4&transport=polling&sid=unknown"),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
        ("POST", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
    ] {
        let answer = http(server.address, method, query, "", b"").await;
        assert_eq!(answer.status, 400, "{method} {query}");
        assert!(serde_json::from_str::<String>(&answer.body).is_ok(), "{}", answer.body);
    }
    let upgrade = Client::dial(server.address, "EIO=4&transport=websocket", &[]).await;
    assert!(upgrade.err().unwrap().to_string().contains("403"), "no upgrade is offered");
}

#[tokio::test]
async fn packets_travel_in_payloads_both_ways() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    poller.post("42[\"echo\",1]\u{1e}427[\"echo\",2]\u{1e}3").await;
    let mut packets = Vec::new();
    while packets.len() < 3 {
        packets.extend(poller.get().await.split('\u{1e}').map(str::to_owned));
    }
    assert_eq!(packets, [r#"42["echo",[1]]"#, r#"42["echo",[2]]"#, r#"437[{"did":"echo"}]"#]);
}

#[tokio::test]
async fn binary_comes_in_base64() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    poller.post("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQL/").await;
    assert_eq!(poller.get().await, r#"42["echo",[[1,2,255]]]"#);
}

#[tokio::test]
async fn a_poll_waits_for_an_event_and_many_events_come_in_bounded_payloads() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    let waiting = tokio::spawn({
        let poller = poller.clone();
        async move { poller.get().await }
    });
    // Reaches the poll whether it has begun to wait or not.
    server.realtime.emit_to_sid(&poller.sid, "e", &0).await.unwrap();
    assert_eq!(waiting.await.unwrap(), r#"42["e",0]"#);
    for number in 1..=40 {
        server.realtime.emit_to_sid(&poller.sid, "e", &number).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 40 {
        let body = poller.get().await;
        let packets: Vec<_> = body.split('\u{1e}').map(str::to_owned).collect();
        assert!(packets.len() <= 16, "python-socketio's client takes no more");
        seen.extend(packets);
    }
    let expected: Vec<_> = (1..=40).map(|number| format!(r#"42["e",{number}]"#)).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn pings_come_through_polls_and_pongs_through_posts() {
    let server =
        Server::start(RealtimeConfig { ping_interval: Duration::from_millis(100), ..config() }).await;
    let poller = Poller::connect(&server).await;
    for _ in 0..3 {
        assert_eq!(poller.get().await, "2");
        poller.post("3").await;
    }
}

#[tokio::test]
async fn silence_ends_the_session() {
    let server = Server::start(RealtimeConfig {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(50),
        ..config()
    })
    .await;
    let poller = Poller::connect(&server).await;
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::PingTimeout);
    assert_eq!(poller.request("GET", b"").await.status, 400);
}

#[tokio::test]
async fn malformed_payloads_end_the_session() {
    let server = Server::start(config()).await;
    for body in [&b"abc"[..], b"", b"4a\x1e", b"b*", b"\xFF"] {
        let poller = Poller::open(&server).await;
        assert_eq!(poller.request("POST", body).await.status, 400, "{body:?}");
        assert_eq!(poller.request("GET", b"").await.status, 400);
    }
    // Malformed one layer above: the post is taken, then the session ends.
    let poller = Poller::connect(&server).await;
    poller.post("42{}").await;
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::ParseError);
    assert_eq!(poller.request("GET", b"").await.status, 400);
}

#[tokio::test]
async fn large_payloads_are_refused() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    let body = format!("42[\"x\",\"{}\"]", "x".repeat(70_000));
    assert_eq!(poller.request("POST", body.as_bytes()).await.status, 413);
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::TooLarge);
}

#[tokio::test]
async fn two_polls_at_once_end_the_session() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    let polls = futures_util::future::join(poller.request("GET", b""), poller.request("GET", b"")).await;
    let mut answers = [polls.0, polls.1].map(|answer| (answer.status, answer.body));
    answers.sort();
    assert_eq!(answers[0], (200, "1".into()));
    assert_eq!(answers[1].0, 400);
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::OverlappingPoll);
    assert_eq!(poller.request("GET", b"").await.status, 400);
}

#[tokio::test]
async fn the_client_may_close() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    let waiting = tokio::spawn({
        let poller = poller.clone();
        async move { poller.request("GET", b"").await }
    });
    // Only a poll that waits already is answered; one that comes later finds no session.
    poller.post("1").await;
    let answer = waiting.await.unwrap();
    assert!((answer.status, answer.body.as_str()) == (200, "6") || answer.status == 400, "{answer:?}");
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::TransportClose);
    assert_eq!(poller.request("GET", b"").await.status, 400);
}

#[tokio::test]
async fn a_poll_that_is_given_up_ends_the_session() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /ws/socket.io/?{} HTTP/1.1\r\nHost: x\r\n\r\n", poller.query);
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    // Whether or not the poll waits already when the connection goes: what it would be given is lost.
    drop(stream);
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::TransportClose);
    assert_eq!(poller.request("GET", b"").await.status, 400);
}

#[tokio::test]
async fn a_server_disconnect_is_told_before_the_end() {
    let server = Server::start(config()).await;
    let poller = Poller::connect(&server).await;
    server.realtime.disconnect(&poller.sid, "revoked").await.unwrap();
    assert_eq!(server.end_of(&poller.sid).await, DisconnectReason::ServerDisconnect("revoked"));
    assert_eq!(poller.get().await, "41");
    assert_eq!(poller.get().await, "1");
    assert_eq!(poller.request("GET", b"").await.status, 400);
    eventually("nothing is left", || server.realtime.stats().connections == 0).await;
}

/// Knows the other node's router, as a bus knows its address.
struct Forward(NodeTag, axum::Router);

impl PollForward for Forward {
    fn forward(&self, owner: NodeTag, request: Request) -> BoxFuture<'_, Option<Response>> {
        let router = self.1.clone();
        Box::pin(async move {
            if owner != self.0 {
                return None;
            }
            tower::ServiceExt::oneshot(router, request).await.ok()
        })
    }
}

#[tokio::test]
async fn a_poll_at_the_wrong_node_is_forwarded_to_the_owner() {
    let owner = Server::start(config()).await;
    let forward = Forward(owner.realtime.node_tag(), owner.realtime.router());
    let wrong_config = RealtimeConfig { poll_forward: Some(Arc::new(forward)), ..config() };
    let wrong = Server::with(wrong_config, Arc::new(MemoryBus::new()), false).await;
    let mut poller = Poller::connect(&owner).await;
    poller.address = wrong.address;
    poller.post(r#"42["echo",1]"#).await;
    assert_eq!(poller.get().await, r#"42["echo",[1]]"#);
    poller.query = "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA".into();
    assert_eq!(poller.request("GET", b"").await.status, 400, "no node has this mark");
}
