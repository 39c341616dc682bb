//! Events, calls, rooms and disconnects between two nodes.

use std::time::Duration;

use antiphon_cluster::{Kind, Rig, wait_until};
use antiphon_realtime::CallError;
use antiphon_state::BusOptions;
use serde_json::json;

use super::support::{Client, Node, USUAL, pair};
use crate::redis::support::LIMIT;

/// Events of one emitter, sent as fast as it can.
const BURST: usize = 3000;

async fn rig(kind: Kind) -> Rig {
    Rig::steady(kind, false).await.expect("a rig")
}

/// The numbers of the events `n` in order of arrival.
async fn numbers(client: &mut Client, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let packet = client.packet().await;
        let number = packet.strip_prefix(r#"42["n","#).and_then(|rest| rest.strip_suffix(']'));
        numbers.push(number.and_then(|number| number.parse().ok()).expect(&packet));
    }
    numbers
}

async fn everything_crosses(kind: Kind, tls: bool, bus: &BusOptions) {
    let rig = Rig::steady(kind, tls).await.expect("a rig");
    let (a, b) = pair(&rig, bus).await;
    let (mut at_a, mut at_b, mut other) = (a.member("red").await, b.member("red").await, b.connect().await);

    // One room, a sid, everybody, several rooms; each receiver once and in the order of the emitter.
    assert_eq!(
        a.realtime.to("red").emit("e", &json!({"é": 1})).await.expect("sent"),
        1,
        "one of them is here"
    );
    a.realtime.to("red").except(&at_b.sid).emit("e", &2).await.expect("sent");
    a.realtime.emit_to_sid(&other.sid, "e", &3).await.expect("sent");
    a.realtime.broadcast("e", &4).await.expect("sent");
    a.realtime.to("red").to(&other.sid).to(&at_b.sid).emit("e", &5).await.expect("sent");
    let last = r#"42["e",5]"#;
    assert_eq!(at_a.until(last).await, [r#"42["e",{"é":1}]"#, r#"42["e",2]"#, r#"42["e",4]"#]);
    assert_eq!(at_b.until(last).await, [r#"42["e",{"é":1}]"#, r#"42["e",4]"#]);
    assert_eq!(other.until(last).await, [r#"42["e",3]"#, r#"42["e",4]"#]);

    // The order of one emitter holds across its rooms, under load from both sides.
    let emit = async |node: &Node| {
        for number in 0..BURST {
            match number % 3 {
                0 => node.realtime.broadcast("n", &number).await,
                1 => node.realtime.to("red").emit("n", &number).await,
                _ => node.realtime.to("red").to("blue").emit("n", &number).await,
            }
            .expect("sent");
        }
    };
    let read = async |client: &mut Client| {
        let numbers = numbers(client, 2 * BURST).await;
        // Two ascending runs are merged here: each number twice, and the runs stay in order.
        let mut seen = vec![0; BURST];
        let mut next = [0, 0];
        for number in numbers {
            seen[number] += 1;
            let run = next.iter().position(|next| *next == number);
            let run = run.unwrap_or_else(|| panic!("{number} is out of order, expected one of {next:?}"));
            next[run] += 1;
        }
        assert!(seen.iter().all(|times| *times == 2));
    };
    tokio::join!(emit(&a), emit(&b), read(&mut at_a), read(&mut at_b));

    // Calls with acknowledgements.
    for expected in [vec![json!({"ok": 1}), json!("second")], vec![]] {
        let (realtime, sid) = (a.realtime.clone(), other.sid.clone());
        let call = tokio::spawn(async move { realtime.call(&sid, "events", &json!({"q": 1}), LIMIT).await });
        let packet = loop {
            let packet = other.packet().await;
            if packet.contains("events") {
                break packet;
            }
        };
        let (id, rest) = packet[2..].split_once('[').expect("a number");
        assert_eq!(rest, r#""events",{"q":1}]"#);
        other.send(&format!("43{id}{}", json!(expected))).await;
        assert_eq!(call.await.expect("ended").expect("answered"), expected);
    }

    // Rooms and the end of sockets.
    a.realtime.join(&other.sid, "green").await.expect("sent");
    let joined = async || b.realtime.members("green") == [other.sid.clone()];
    wait_until("the socket is in the room", LIMIT, joined).await.expect("in time");
    b.realtime.to("green").emit("g", &1).await.expect("sent");
    other.until(r#"42["g",1]"#).await;
    a.realtime.leave(&other.sid, "green").await.expect("sent");
    let left = async || b.realtime.members("green").is_empty();
    wait_until("the socket left the room", LIMIT, left).await.expect("in time");
    a.realtime.close_room("red").await.expect("sent");
    let empty = async || b.realtime.members("red").is_empty();
    wait_until("the room is closed", LIMIT, empty).await.expect("in time");
    a.realtime.disconnect(&other.sid, "revoked").await.expect("sent");
    other.until("41").await;
    let gone = async || b.gone.lock().contains(&other.sid);
    wait_until("the socket is gone", LIMIT, gone).await.expect("in time");

    // Nothing of this opened a connection.
    assert_eq!(a.connections.open_connections(), a.connections.expected_connections());
    assert_eq!((a.bus.totals().lost, a.bus.totals().malformed), (0, 0), "{:?}", a.bus.totals());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_crosses_a_standalone_server() {
    everything_crosses(Kind::Standalone, false, &USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_crosses_the_master_of_sentinels() {
    everything_crosses(Kind::Sentinel, false, &USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_crosses_a_cluster_in_order() {
    everything_crosses(Kind::Cluster, false, &USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_crosses_with_tls() {
    everything_crosses(Kind::Standalone, true, &USUAL).await;
    everything_crosses(Kind::Cluster, true, &USUAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_crosses_without_channels_of_rooms() {
    let bus = BusOptions { channel: Some("socketio".to_owned()), room_channels: false };
    everything_crosses(Kind::Standalone, false, &bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_nobody_ends_at_once_where_redis_can_tell() {
    let rig = rig(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let client = b.connect().await;
    let unanswered = a.realtime.call(&client.sid, "x", &1, Duration::from_millis(50)).await;
    assert!(matches!(unanswered, Err(CallError::Timeout)), "{unanswered:?}");
    let nobody = a.realtime.call("nosuchsid-nosuchsid-", "x", &1, LIMIT).await;
    assert!(matches!(nobody, Err(CallError::Gone)), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_prefixes_never_meet() {
    let rig = rig(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let stranger = Node::start(&rig, &[("REDIS_KEY_PREFIX", "other")], &USUAL).await;
    let (mut at_b, mut at_stranger) = (b.member("red").await, stranger.member("red").await);
    stranger.realtime.broadcast("e", &"of the stranger").await.expect("sent");
    stranger.realtime.to("red").emit("e", &"of the stranger").await.expect("sent");
    stranger.realtime.disconnect(&at_b.sid, "never").await.expect("sent");
    a.realtime.broadcast("e", &1).await.expect("sent");
    a.realtime.to("red").emit("e", &2).await.expect("sent");
    assert_eq!(at_b.until(r#"42["e",2]"#).await, [r#"42["e",1]"#]);
    // The own events of the stranger came to its own socket, and no others.
    let own = r#"42["e","of the stranger"]"#;
    assert_eq!(at_stranger.ask("sync", "").await, [own, own]);
    assert_eq!(stranger.bus.totals().received, 1, "the message of its own start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_only_the_rooms_it_has_and_keeps_no_channel_of_others() {
    let rig = rig(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let mut at_a = a.member("red").await;
    let before = b.bus.totals().received;
    for number in 0..10 {
        a.realtime.to("red").emit("e", &number).await.expect("sent");
    }
    a.realtime.broadcast("last", &1).await.expect("sent");
    at_a.until(r#"42["last",1]"#).await;
    let heard = async || b.bus.totals().received == before + 1;
    wait_until("only the event for everybody is heard", LIMIT, heard).await.expect("in time");
    let server = &rig.servers()[0];
    let channels = async || {
        let channels = server.admin(&["PUBSUB", "CHANNELS", "*#/#*"]).await.expect("channels");
        channels.lines().filter(|line| !line.is_empty()).count()
    };
    assert_eq!(channels().await, 2, "the sid and the room");
    at_a.ask("leave", "red").await;
    wait_until("the room is left", LIMIT, async || channels().await == 1).await.expect("in time");
    drop(at_a);
    wait_until("nothing is left behind", LIMIT, async || channels().await == 0).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sockets_open_no_connection_and_leave_nothing() {
    const SOCKETS: usize = 200;
    let rig = rig(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let server = &rig.servers()[0];
    let before = server.connected_clients().await.expect("a count");
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        clients.push(b.member("crowd").await);
    }
    assert_eq!(server.connected_clients().await.expect("a count"), before);
    a.realtime.to("crowd").emit("e", &1).await.expect("sent");
    for client in &mut clients {
        client.until(r#"42["e",1]"#).await;
    }
    drop(clients);
    let none = async || server.admin(&["PUBSUB", "CHANNELS", "*#/#*"]).await.is_ok_and(|all| all.is_empty());
    wait_until("no channel of a room is left", LIMIT, none).await.expect("in time");
    assert_eq!(server.connected_clients().await.expect("a count"), before);
}
