//! The published test cases of Engine.IO 4 and Socket.IO 5, and the rules around them.

use antiphon_realtime::{DisconnectReason, RealtimeConfig};
use serde_json::json;
use std::time::Duration;

use crate::support::{Closed, Server, Told};

fn parse_error() -> Closed {
    Closed { code: 1002, reason: "parse error".into() }
}

#[tokio::test]
async fn connect_with_and_without_credentials() {
    let server = Server::start(RealtimeConfig::default()).await;
    for (connect, auth) in
        [("40", None), ("40{}", Some(json!({}))), (r#"40{"token":"123"}"#, Some(json!({"token": "123"})))]
    {
        let mut client = server.open().await;
        client.join_namespace(connect).await;
        let sid = client.sid.clone();
        let told = server
            .told(|told| match told {
                Told::Connected { sid: of, auth } if *of == sid => Some(auth.clone()),
                _ => None,
            })
            .await;
        assert_eq!(told, auth, "{connect}");
    }
}

#[tokio::test]
async fn other_namespaces_are_refused_and_the_connection_lives_on() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.open().await;
    for (connect, answer) in [
        ("40/random", r#"44/random,"Unable to connect""#),
        (r#"40/random,{"token":"x"}"#, r#"44/random,"Unable to connect""#),
    ] {
        client.send(connect).await;
        assert_eq!(client.packet().await, answer);
    }
    client.send(r#"42/random,["echo"]"#).await;
    client.send("41/random,").await;
    client.join_namespace("40").await;
    assert!(client.sync().await.is_empty());
}

#[tokio::test]
async fn a_second_connect_is_refused_and_changes_nothing() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send("40").await;
    assert_eq!(client.packet().await, r#"44"Unable to connect""#);
    assert!(client.sync().await.is_empty());
    assert_eq!(server.realtime.stats().sockets, 1);
}

#[tokio::test]
async fn disconnect_leaves_the_connection_open_for_another_connect() {
    let config = RealtimeConfig { ping_interval: Duration::from_millis(200), ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut client = server.connect().await;
    let first = client.sid.clone();
    client.send("41").await;
    assert_eq!(server.end_of(&first).await, DisconnectReason::ClientDisconnect);
    assert!(server.realtime.socket(&first).is_none());
    client.answers = false;
    assert_eq!(client.packet().await, "2", "the heartbeat goes on");
    client.answers = true;
    client.send("3").await;
    client.send(r#"42["echo"]"#).await;
    client.join_namespace("40").await;
    assert_ne!(client.sid, first);
    assert!(client.sync().await.is_empty(), "what came between was not for anybody");
}

#[tokio::test]
async fn malformed_packets_close_the_connection() {
    let server = Server::start(RealtimeConfig::default()).await;
    for text in [
        "4abc",
        "abc",
        "",
        "0",
        "7",
        "42{}",
        "42[]",
        r#"42abc["x"]"#,
        "43",
        "43abc[]",
        r#"4"x""#,
        "451-[]",
        "40\"x\"",
    ] {
        let mut client = server.connect().await;
        client.send(text).await;
        assert_eq!(client.closed().await, parse_error(), "{text:?}");
        assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::ParseError);
    }
    let malformed = server.realtime.stats().closed_malformed;
    assert_eq!(malformed, 13);
}

#[tokio::test]
async fn broken_websocket_frames_close_the_connection() {
    let server = Server::start(RealtimeConfig::default()).await;
    let unmasked = [0x81, 0x02, b'4', b'1'];
    let reserved = [0xC1, 0x80, 0, 0, 0, 0];
    let not_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xFF];
    for bytes in [&unmasked[..], &reserved, &not_utf8] {
        let mut client = server.connect().await;
        client.send_raw(bytes).await;
        assert_eq!(client.closed().await, parse_error(), "{bytes:?}");
    }
}

#[tokio::test]
async fn the_client_may_close_on_either_layer() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send("1").await;
    assert_eq!(client.closed().await.code, 1000);
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::TransportClose);

    let mut client = server.connect().await;
    client.ws.close(None).await.unwrap();
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::TransportClose);

    let client = server.connect().await;
    let sid = client.sid.clone();
    drop(client);
    assert_eq!(server.end_of(&sid).await, DisconnectReason::TransportClose);
}

#[tokio::test]
async fn pings_of_the_client_are_answered_on_either_layer() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.open().await;
    client.send("2probe").await;
    assert_eq!(client.packet().await, "3probe");
    // A websocket ping with payload "hi", no mask bits set in the key.
    client.send_raw(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await;
    let pong = futures_util::StreamExt::next(&mut client.ws).await.unwrap().unwrap();
    assert_eq!(pong, tokio_tungstenite::tungstenite::Message::Pong("hi".into()));
}

#[tokio::test]
async fn fragmented_messages_are_joined() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    let masked = |first: u8, text: &str| {
        let mut bytes = vec![first, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        bytes.extend(text.as_bytes());
        bytes
    };
    client.send_raw(&masked(0x01, r#"42["ec"#)).await;
    client.send_raw(&masked(0x89, "")).await;
    client.send_raw(&masked(0x00, r#"ho","é"#)).await;
    client.send_raw(&masked(0x80, r#"",1]"#)).await;
    assert_eq!(client.packet().await, r#"42["echo",["é",1]]"#);
}

#[tokio::test]
async fn binary_of_clients_becomes_numbers() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"452-["echo",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]"#).await;
    client.send_binary(&[1, 2, 3]).await;
    client.send_binary(&[4, 255]).await;
    assert_eq!(client.packet().await, r#"42["echo",[[1,2,3],{"a":[[4,255]]}]]"#);

    client.send(r#"451-7["anything",{"_placeholder":true,"num":0}]"#).await;
    client.send_binary(&[]).await;
    assert_eq!(client.packet().await, r#"437[{"did":"anything"}]"#);
}

#[tokio::test]
async fn binary_out_of_turn_closes_the_connection() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut unexpected = server.connect().await;
    unexpected.send_binary(&[1]).await;
    assert_eq!(unexpected.closed().await, parse_error());

    let mut interrupted = server.connect().await;
    interrupted.send(r#"451-["echo",{"_placeholder":true,"num":0}]"#).await;
    interrupted.send(r#"42["echo"]"#).await;
    assert_eq!(interrupted.closed().await, parse_error());

    let mut missing = server.connect().await;
    missing.send(r#"451-["echo",{"_placeholder":true,"num":3}]"#).await;
    missing.send_binary(&[1]).await;
    assert_eq!(missing.closed().await, parse_error());

    let mut many = server.connect().await;
    many.send(r#"459999-["echo"]"#).await;
    assert_eq!(many.closed().await, Closed { code: 1008, reason: "too much pending".into() });
}
