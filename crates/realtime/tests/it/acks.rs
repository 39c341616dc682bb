//! Calls to clients.

use antiphon_realtime::{CallError, RealtimeConfig};
use serde_json::json;
use std::time::Duration;

use crate::support::{LIMIT, Server, eventually};

#[tokio::test]
async fn a_call_gives_the_arguments_of_the_acknowledgement() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    for (acknowledgement, expected) in [
        (r#"[{"ok":1},"second"]"#, vec![json!({"ok": 1}), json!("second")]),
        ("[]", vec![]),
        ("[null]", vec![json!(null)]),
    ] {
        let (realtime, sid) = (server.realtime.clone(), client.sid.clone());
        let call =
            tokio::spawn(
                async move { realtime.call(&sid, "events", &json!({"type": "input"}), LIMIT).await },
            );
        let packet = client.packet().await;
        let (id, rest) = packet[2..].split_once('[').unwrap();
        assert_eq!(rest, r#""events",{"type":"input"}]"#);
        client.send(&format!("43{id}{acknowledgement}")).await;
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn calls_end_when_nobody_answers() {
    let config = RealtimeConfig { max_pending_acks: 2, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let client = server.connect().await;
    let socket = server.realtime.socket(&client.sid).unwrap();
    let late = socket.call("x", &1, Duration::from_millis(30)).await;
    assert!(matches!(late, Err(CallError::Timeout)), "{late:?}");
    assert_eq!(server.realtime.stats().pending_acks, 0, "nothing is left of it");
    let gone = server.realtime.call("AAAAAAAAAAAAAAAAAAAA", "x", &1, LIMIT).await;
    assert!(matches!(gone, Err(CallError::Gone)), "{gone:?}");

    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let socket = socket.clone();
            tokio::spawn(async move { socket.call("x", &1, LIMIT).await })
        })
        .collect();
    eventually("both calls wait", || server.realtime.stats().pending_acks == 2).await;
    let many = socket.call("x", &1, LIMIT).await;
    assert!(matches!(many, Err(CallError::TooMany)), "{many:?}");
    drop(client);
    for call in waiting {
        let ended = call.await.unwrap();
        assert!(matches!(ended, Err(CallError::Disconnected)), "{ended:?}");
    }
}

#[tokio::test]
async fn unknown_acknowledgements_are_ignored() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    for packet in ["431[]", r#"43999999["x"]"#, "430[1]"] {
        client.send(packet).await;
    }
    assert!(client.sync().await.is_empty());
}

#[tokio::test]
async fn a_call_from_a_handler_does_not_wait_for_the_handler() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    let socket = server.realtime.socket(&client.sid).unwrap();
    let call = tokio::spawn(async move { socket.call("x", &1, LIMIT).await });
    assert_eq!(client.packet().await, r#"421["x",1]"#);
    client.send(r#"431["while the handler runs"]"#).await;
    assert_eq!(call.await.unwrap().unwrap(), [json!("while the handler runs")]);
    server.app.gate.add_permits(1);
    client.sync().await;
}
