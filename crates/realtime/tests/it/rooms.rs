//! Rooms and delivery on one node.

use antiphon_realtime::{EmitError, RealtimeConfig};
use serde_json::{Value, json};

use crate::support::{Client, Server, Told};

#[tokio::test]
async fn events_reach_the_members_of_the_room_and_nobody_else() {
    let server = Server::start(RealtimeConfig::default()).await;
    let (mut a, mut b, mut c) =
        (server.member("red").await, server.member("red").await, server.member("blue").await);
    assert_eq!(server.realtime.to("red").emit("e", &json!({"n": 1})).await.unwrap(), 2);
    assert_eq!(server.realtime.to("red").except(&a.sid).emit("e", &2).await.unwrap(), 1);
    assert_eq!(server.realtime.emit_to_sid(&c.sid, "e", &3).await.unwrap(), 1);
    assert_eq!(server.realtime.to("nowhere").emit("e", &4).await.unwrap(), 0);
    assert_eq!(server.realtime.broadcast("e", &5).await.unwrap(), 3);
    assert_eq!(a.sync().await, [r#"42["e",{"n":1}]"#, r#"42["e",5]"#]);
    assert_eq!(b.sync().await, [r#"42["e",{"n":1}]"#, r#"42["e",2]"#, r#"42["e",5]"#]);
    assert_eq!(c.sync().await, [r#"42["e",3]"#, r#"42["e",5]"#]);
}

#[tokio::test]
async fn several_rooms_deliver_once() {
    let server = Server::start(RealtimeConfig::default()).await;
    let (mut a, mut b) = (server.member("red").await, server.member("blue").await);
    a.send(r#"42["join","blue"]"#).await;
    a.sync().await;
    let sent = server.realtime.to("red").to("blue").to(&a.sid).emit("e", &1).await.unwrap();
    assert_eq!(sent, 2);
    assert_eq!(a.sync().await, [r#"42["e",1]"#]);
    assert_eq!(b.sync().await, [r#"42["e",1]"#]);
}

#[tokio::test]
async fn membership_can_be_asked_and_changed() {
    let server = Server::start(RealtimeConfig::default()).await;
    let (mut a, mut b) = (server.member("red").await, server.connect().await);
    let realtime = &server.realtime;
    assert_eq!(realtime.members("red"), [a.sid.clone()]);
    assert_eq!(realtime.members(&b.sid), [b.sid.clone()], "each sid is a room");
    realtime.join(&b.sid, "red").await.unwrap();
    realtime.join(&b.sid, "red").await.unwrap();
    assert_eq!(realtime.rooms_of(&b.sid).len(), 1, "joining twice is joining once");
    assert_eq!(realtime.to("red").emit("e", &1).await.unwrap(), 2);
    realtime.leave(&a.sid, "red").await.unwrap();
    assert!(realtime.rooms_of(&a.sid).is_empty());
    assert_eq!(realtime.to("red").emit("e", &2).await.unwrap(), 1);
    realtime.close_room("red").await.unwrap();
    assert_eq!(realtime.to("red").emit("e", &3).await.unwrap(), 0);
    assert_eq!(realtime.stats().rooms, 0, "empty rooms leave nothing behind");
    assert_eq!(a.sync().await.len(), 1);
    assert_eq!(b.sync().await.len(), 2);
    assert!(realtime.socket(&b.sid).unwrap().join_all(["x", "y", "z"]).await);
    assert_eq!(realtime.stats().rooms, 3);
}

#[tokio::test]
async fn a_socket_that_is_gone_is_in_no_room_and_its_callback_knows_where_it_was() {
    let server = Server::start(RealtimeConfig::default()).await;
    let client = server.member("red").await;
    let socket = server.realtime.socket(&client.sid).unwrap();
    let sid = client.sid.clone();
    drop(client);
    let rooms = server
        .told(|told| match told {
            Told::Disconnected { sid: gone, rooms, .. } if *gone == sid => Some(rooms.clone()),
            _ => None,
        })
        .await;
    assert_eq!(rooms, ["red"]);
    assert!(!socket.join("blue").await);
    assert_eq!(server.realtime.stats().rooms, 0);
    assert_eq!(server.realtime.emit_to_sid(&sid, "e", &1).await.unwrap(), 0);
}

#[tokio::test]
async fn sessions_hold_the_applications_data_and_the_headers_it_asked_for() {
    let kept: axum::http::HeaderName = "x-forwarded-for".parse().unwrap();
    let config = RealtimeConfig { kept_headers: vec![kept.clone()], ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let headers = [("x-forwarded-for", "192.0.2.1"), ("x-other", "y")];
    let mut client = Client::dial(server.address, "EIO=4&transport=websocket", &headers).await.unwrap();
    client.packet().await;
    client.join_namespace("40").await;
    let socket = server.realtime.socket(&client.sid).unwrap();
    assert!(socket.session::<String>().is_none());
    socket.set_session(std::sync::Arc::new("user".to_owned()));
    assert_eq!(*server.realtime.socket(&client.sid).unwrap().session::<String>().unwrap(), "user");
    assert!(socket.session::<u8>().is_none(), "another type");
    socket.clear_session();
    assert!(socket.session::<String>().is_none());
    assert_eq!(socket.remote(), Some("127.0.0.1".parse().unwrap()));
    assert_eq!(socket.header(&kept), Some("192.0.2.1"));
    assert_eq!(socket.header(&"x-other".parse().unwrap()), None);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_not_sent() {
    let config = RealtimeConfig { max_payload: 1000, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut client = server.member("red").await;
    let sent = server.realtime.to("red").emit("e", &"x".repeat(1000)).await;
    assert!(matches!(sent, Err(EmitError::TooLarge { .. })), "{sent:?}");
    assert!(client.sync().await.is_empty());
}

/// Two senders on two threads, twenty receivers: each receiver sees each sender's events in order, none lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_each_sender_is_kept() {
    const EVENTS: u64 = 1500;
    let server = Server::start(RealtimeConfig::default()).await;
    let mut receivers = Vec::new();
    for _ in 0..20 {
        let mut client = server.member("red").await;
        receivers.push(tokio::spawn(async move {
            let mut next = [0_u64; 2];
            while next != [EVENTS; 2] {
                let packet = client.packet().await;
                let event: Value = serde_json::from_str(&packet[2..]).unwrap();
                let sender = usize::try_from(event[1]["sender"].as_u64().unwrap()).unwrap();
                assert_eq!(event[1]["number"], next[sender]);
                next[sender] += 1;
            }
        }));
    }
    for sender in 0..2 {
        let realtime = server.realtime.clone();
        tokio::spawn(async move {
            for number in 0..EVENTS {
                let event = json!({"sender": sender, "number": number});
                assert_eq!(realtime.to("red").emit("e", &event).await.unwrap(), 20);
            }
        });
    }
    for receiver in receivers {
        receiver.await.unwrap();
    }
    assert_eq!(server.realtime.stats().deliveries, 2 * EVENTS * 20);
}
