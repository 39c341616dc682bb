//! Events of clients: in order, one at a time, none lost.

use antiphon_realtime::{DisconnectReason, MemoryBus, RealtimeConfig};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Server, Told};

#[tokio::test]
async fn events_are_acknowledged_with_their_number() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42456["anything",1,"2",{"3":[true]}]"#).await;
    assert_eq!(client.packet().await, r#"43456[{"did":"anything"}]"#);
    let arguments = server
        .told(|told| match told {
            Told::Event { name, arguments, .. } if name == "anything" => Some(arguments.to_string()),
            _ => None,
        })
        .await;
    assert_eq!(arguments, r#"[1,"2",{"3":[true]}]"#);
    client.send(r#"42["anything"]"#).await;
    assert!(client.sync().await.is_empty(), "no number, no acknowledgement");
}

#[tokio::test]
async fn events_sent_with_connect_wait_for_the_callback_and_are_not_lost() {
    let server = Server::with(RealtimeConfig::default(), Arc::new(MemoryBus::new()), true).await;
    let mut client = server.open().await;
    client.send("40").await;
    client.send(r#"421["user-join"]"#).await;
    client.send(r#"422["next"]"#).await;
    let answer = client.packet().await;
    assert!(answer.starts_with("40{"), "CONNECT is answered before the callback is done: {answer}");
    assert!(server.app.told.lock().is_empty());
    server.app.gate.add_permits(1);
    assert_eq!(client.packet().await, r#"431[{"did":"user-join"}]"#);
    assert_eq!(client.packet().await, r#"432[{"did":"next"}]"#);
    assert!(matches!(server.app.told.lock()[0], Told::Connected { .. }));
}

#[tokio::test]
async fn the_next_event_starts_after_the_previous_one_and_reading_pauses_when_many_wait() {
    let config = RealtimeConfig { max_inbound_events: 4, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    for number in 0..300 {
        client.send(&format!(r#"42["event-{number}"]"#)).await;
    }
    let mut other = server.connect().await;
    other.sync().await;
    assert!(server.events_of(&client.sid).is_empty(), "the first handler has not returned");
    server.app.gate.add_permits(1);
    client.sync().await;
    let mut expected = vec!["hold".to_owned()];
    expected.extend((0..300).map(|number| format!("event-{number}")));
    expected.push("sync".into());
    assert_eq!(server.events_of(&client.sid), expected);
}

#[tokio::test]
async fn a_handler_that_panics_gets_no_acknowledgement_and_harms_nothing() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"421["panic"]"#).await;
    assert!(client.sync().await.is_empty());
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_stopped() {
    let config =
        RealtimeConfig { handler_time_limit: Duration::from_millis(100), ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut client = server.connect().await;
    client.send(r#"421["hold"]"#).await;
    assert!(client.sync().await.is_empty());
}

#[tokio::test]
async fn events_sent_before_the_client_left_are_still_handled() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    client.send(r#"42["save"]"#).await;
    let sid = client.sid.clone();
    client.ws.close(None).await.unwrap();
    server.app.gate.add_permits(1);
    assert_eq!(server.end_of(&sid).await, DisconnectReason::TransportClose);
    assert_eq!(server.events_of(&sid), ["hold", "save"]);
}

#[tokio::test]
async fn events_that_wait_when_the_server_disconnects_are_not_handled() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42["hold"]"#).await;
    client.send(r#"42["must-not-run"]"#).await;
    client.send("2").await;
    assert_eq!(client.packet().await, "3", "all is read");
    server.realtime.socket(&client.sid).unwrap().disconnect("revoked");
    assert_eq!(client.packet().await, "41");
    assert_eq!(client.closed().await.code, 1000);
    server.app.gate.add_permits(1);
    assert_eq!(server.end_of(&client.sid.clone()).await, DisconnectReason::ServerDisconnect("revoked"));
    assert_eq!(server.events_of(&client.sid), ["hold"]);
}
