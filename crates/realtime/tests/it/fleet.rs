//! Several nodes in one process, joined by a bus that carries the wire form.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use antiphon_realtime::{
    Bus, BusError, BusMessage, CallError, DisconnectReason, MemoryBus, NodeInbox, Reach, RealtimeConfig,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{Client, LIMIT, Server, eventually};

/// One node's end of a bus: everything crosses it as JSON, and it notes which rooms are open.
struct WireBus {
    shared: Arc<MemoryBus>,
    inbox: Mutex<Option<NodeInbox>>,
    open: Mutex<BTreeSet<String>>,
    /// `room_opened` takes one permit each time, when there is a gate.
    gate: Option<Semaphore>,
}

impl WireBus {
    fn new(shared: &Arc<MemoryBus>, gated: bool) -> Arc<Self> {
        Arc::new(Self {
            shared: shared.clone(),
            inbox: Mutex::default(),
            open: Mutex::default(),
            gate: gated.then(|| Semaphore::new(0)),
        })
    }

    fn is_open(&self, room: &str) -> bool {
        self.open.lock().contains(room)
    }
}

impl Bus for WireBus {
    fn attach(&self, inbox: NodeInbox) {
        *self.inbox.lock() = Some(inbox.clone());
        self.shared.attach(inbox);
    }

    fn tracks_rooms(&self) -> bool {
        true
    }

    fn publish(&self, message: BusMessage) -> BoxFuture<'_, Result<Reach, BusError>> {
        Box::pin(async move {
            let text = message.to_json()?;
            let message = BusMessage::from_json(text.as_bytes())?.expect("it is one of ours");
            self.shared.publish(message).await
        })
    }

    fn room_opened<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            assert!(self.open.lock().insert(room.to_owned()), "{room} was open");
        })
    }

    fn room_closed<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        assert!(self.open.lock().remove(room), "{room} was not open");
        Box::pin(std::future::ready(()))
    }
}

struct Fleet {
    a: Server,
    b: Server,
    bus_a: Arc<WireBus>,
    bus_b: Arc<WireBus>,
}

async fn fleet() -> Fleet {
    let shared = Arc::new(MemoryBus::new());
    let (bus_a, bus_b) = (WireBus::new(&shared, false), WireBus::new(&shared, false));
    Fleet {
        a: Server::with(RealtimeConfig::default(), bus_a.clone(), false).await,
        b: Server::with(RealtimeConfig::default(), bus_b.clone(), false).await,
        bus_a,
        bus_b,
    }
}

#[tokio::test]
async fn events_reach_rooms_on_all_nodes_once() {
    let Fleet { a, b, .. } = fleet().await;
    let (mut at_a, mut at_b, mut other) = (a.member("red").await, b.member("red").await, b.connect().await);
    assert_eq!(a.realtime.to("red").emit("e", &json!({"é": 1})).await.unwrap(), 1, "one of them is here");
    b.realtime.to("red").except(&at_a.sid).emit("e", &2).await.unwrap();
    a.realtime.emit_to_sid(&other.sid, "e", &3).await.unwrap();
    b.realtime.broadcast("e", &4).await.unwrap();
    a.realtime.to("red").to(&other.sid).emit("e", &5).await.unwrap();
    assert_eq!(at_a.sync().await, [r#"42["e",{"é":1}]"#, r#"42["e",4]"#, r#"42["e",5]"#]);
    assert_eq!(at_b.sync().await, [r#"42["e",{"é":1}]"#, r#"42["e",2]"#, r#"42["e",4]"#, r#"42["e",5]"#]);
    assert_eq!(other.sync().await, [r#"42["e",3]"#, r#"42["e",4]"#, r#"42["e",5]"#]);
}

#[tokio::test]
async fn calls_cross_nodes() {
    let Fleet { a, b, .. } = fleet().await;
    let mut client = b.connect().await;
    for expected in [vec![json!({"ok": 1}), json!("second")], vec![]] {
        let (realtime, sid) = (a.realtime.clone(), client.sid.clone());
        let call = tokio::spawn(async move { realtime.call(&sid, "events", &json!({"q": 1}), LIMIT).await });
        let packet = client.packet().await;
        let (id, rest) = packet[2..].split_once('[').unwrap();
        assert_eq!(rest, r#""events",{"q":1}]"#);
        client.send(&format!("43{id}{}", json!(expected))).await;
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
    let unanswered = a.realtime.call(&client.sid, "x", &1, Duration::from_millis(50)).await;
    assert!(matches!(unanswered, Err(CallError::Timeout)), "{unanswered:?}");
}

#[tokio::test]
async fn rooms_and_disconnects_cross_nodes() {
    let Fleet { a, b, bus_b, .. } = fleet().await;
    let mut client = b.connect().await;
    a.realtime.join(&client.sid, "red").await.unwrap();
    assert_eq!(b.realtime.members("red"), [client.sid.clone()], "it takes effect at once");
    eventually("the bus knows", || bus_b.is_open("red")).await;
    a.realtime.to("red").emit("e", &1).await.unwrap();
    assert_eq!(client.packet().await, r#"42["e",1]"#);
    a.realtime.leave(&client.sid, "red").await.unwrap();
    eventually("the bus knows", || !bus_b.is_open("red")).await;
    a.realtime.join(&client.sid, "blue").await.unwrap();
    a.realtime.close_room("blue").await.unwrap();
    assert!(b.realtime.members("blue").is_empty());
    a.realtime.disconnect(&client.sid, "revoked").await.unwrap();
    assert_eq!(client.packet().await, "41");
    let reason = b.end_of(&client.sid.clone()).await;
    assert!(matches!(reason, DisconnectReason::ServerDisconnect(_)), "{reason:?}");
}

#[tokio::test]
async fn the_bus_knows_which_rooms_have_members_here() {
    let Fleet { a, bus_a, bus_b, .. } = fleet().await;
    let (mut first, mut second) = (a.member("red").await, a.member("red").await);
    assert!(bus_a.is_open("red") && bus_a.is_open(&first.sid) && bus_a.is_open(&second.sid));
    assert!(!bus_b.is_open("red"));
    first.send(r#"421["leave","red"]"#).await;
    first.packet().await;
    assert!(bus_a.is_open("red"), "one is left");
    second.send(r#"421["leave","red"]"#).await;
    second.packet().await;
    assert!(!bus_a.is_open("red"));
    second.send(r#"421["join","red"]"#).await;
    second.packet().await;
    assert!(bus_a.is_open("red"), "it opens again");
    let sid = second.sid.clone();
    drop(second);
    a.end_of(&sid).await;
    assert_eq!(*bus_a.open.lock(), BTreeSet::from([first.sid.clone()]));
    first.send("41").await;
    a.end_of(&first.sid.clone()).await;
    assert!(bus_a.open.lock().is_empty());
}

/// The answer to CONNECT and to a join comes after the bus has confirmed, also for who joins second.
#[tokio::test]
async fn a_join_waits_for_the_bus() {
    let shared = Arc::new(MemoryBus::new());
    let bus = WireBus::new(&shared, true);
    let gate = bus.gate.as_ref().unwrap();
    let server = Server::with(RealtimeConfig::default(), bus.clone(), false).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = server.open().await;
        client.send("40").await;
        client.send("2").await;
        assert_eq!(client.packet().await, "3", "CONNECT is not answered yet");
        gate.add_permits(1);
        assert!(client.packet().await.starts_with("40{"));
        clients.push(client);
    }
    for client in &mut clients {
        client.send(r#"421["join","red"]"#).await;
        client.send("2").await;
        assert_eq!(client.packet().await, "3", "the join is not acknowledged yet");
    }
    gate.add_permits(1);
    for client in &mut clients {
        assert_eq!(client.packet().await, r#"431[{"did":"join"}]"#);
    }
    assert_eq!(gate.available_permits(), 0, "the room was opened once");
}

/// Joins and leaves of one room by many sockets at once never confuse what the bus is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_open_and_close_in_turn_under_contention() {
    let Fleet { a, bus_a, .. } = fleet().await;
    let clients: Vec<Client> = futures_util::future::join_all((0..8).map(|_| a.connect())).await;
    let mut busy = Vec::new();
    for client in &clients {
        let socket = a.realtime.socket(&client.sid).unwrap();
        let bus = bus_a.clone();
        busy.push(tokio::spawn(async move {
            for _ in 0..300 {
                assert!(socket.join("red").await);
                assert!(bus.is_open("red"), "a member is here and the bus does not know");
                socket.leave("red").await;
            }
        }));
    }
    for task in busy {
        task.await.unwrap();
    }
    assert!(!bus_a.is_open("red"));
    assert_eq!(a.realtime.stats().rooms, 0);
}

#[tokio::test]
async fn a_message_of_an_external_emitter_is_delivered_with_its_attachments() {
    let Fleet { a, bus_a, .. } = fleet().await;
    let mut client = a.member("red").await;
    let text = r#"{"method": "emit", "event": "bin", "data": [[{"a": {"_placeholder": true, "num": 0}}], "AQI="], "binary": true, "namespace": "/", "room": "red", "skip_sid": null, "callback": null, "host_id": "external"}"#;
    let inbox = bus_a.inbox.lock().clone().unwrap();
    inbox.deliver(BusMessage::from_json(text.as_bytes()).unwrap().unwrap());
    assert_eq!(client.packet().await, r#"451-["bin",{"a": {"_placeholder": true, "num": 0}}]"#);
    assert_eq!(client.packet().await, "[1, 2]");
}

#[tokio::test]
async fn what_a_node_published_itself_is_not_delivered_again() {
    let Fleet { a, bus_a, .. } = fleet().await;
    let mut client = a.member("red").await;
    let inbox = bus_a.inbox.lock().clone().unwrap();
    let text = format!(
        r#"{{"method":"emit","event":"e","data":[1],"namespace":"/","room":"red","host_id":"{}"}}"#,
        a.realtime.host_id()
    );
    inbox.deliver(BusMessage::from_json(text.as_bytes()).unwrap().unwrap());
    let text =
        r#"{"method":"callback","host_id":"somebody else","sid":"x","namespace":"/","id":1,"args":[]}"#;
    inbox.deliver(BusMessage::from_json(text.as_bytes()).unwrap().unwrap());
    assert!(client.sync().await.is_empty());
}
