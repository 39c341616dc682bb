//! Sizes, rates and numbers.

use antiphon_realtime::{AttachmentLimits, DisconnectReason, RealtimeConfig};
use std::time::Duration;

use crate::support::{Client, Closed, Server, eventually};

#[tokio::test]
async fn messages_are_small_before_authentication_and_large_after() {
    let server = Server::start(RealtimeConfig::default()).await;
    let event = |size: usize| format!(r#"42["echo","{}"]"#, "x".repeat(size));
    let mut client = server.connect().await;
    client.send(&event(60_000)).await;
    assert_eq!(client.packet().await.len(), 60_000 + 15);
    client.send(r#"42["login"]"#).await;
    client.sync().await;
    client.send(&event(5_000_000)).await;
    assert_eq!(client.packet().await.len(), 5_000_000 + 15);

    let mut anonymous = server.connect().await;
    anonymous.send(&event(70_000)).await;
    assert_eq!(anonymous.closed().await, Closed { code: 1009, reason: "message too large".into() });
    assert_eq!(server.end_of(&anonymous.sid.clone()).await, DisconnectReason::TooLarge);
    assert_eq!(server.realtime.stats().closed_limits, 1);
}

#[tokio::test]
async fn an_oversized_frame_is_refused_by_its_header() {
    let server = Server::start(RealtimeConfig::default()).await;
    let mut client = server.connect().await;
    client.send(r#"42["login"]"#).await;
    client.sync().await;
    let mut header = vec![0x81, 0xFF];
    header.extend((16_u64 * 1024 * 1024 + 1).to_be_bytes());
    header.extend([0; 4]);
    client.send_raw(&header).await;
    assert_eq!(client.closed().await.reason, "message too large");
}

#[tokio::test]
async fn too_many_events_end_the_socket_that_sends_them() {
    let config = RealtimeConfig { events_per_second: 10, event_burst: 50, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let mut calm = server.connect().await;
    let mut client = server.connect().await;
    client.send(r#"42["login"]"#).await;
    client.sync().await;
    // Some tokens are spent, and some flow back while this runs.
    for _ in 0..100 {
        let _ =
            futures_util::SinkExt::send(&mut client.ws, tokio_tungstenite::tungstenite::Message::text("3"))
                .await;
    }
    assert_eq!(client.closed().await, Closed { code: 1008, reason: "too many events".into() });
    assert!(calm.sync().await.is_empty());
    eventually("only the calm one is left", || server.realtime.stats().connections == 1).await;
}

#[tokio::test]
async fn attachments_are_bounded_in_bytes() {
    let config = RealtimeConfig {
        attachments: AttachmentLimits { count: 3, bytes: 100 },
        ..RealtimeConfig::default()
    };
    let server = Server::start(config).await;
    let mut client = server.connect().await;
    client.send(r#"452-["echo",{"_placeholder":true,"num":0}]"#).await;
    client.send_binary(&[0; 60]).await;
    client.send_binary(&[0; 60]).await;
    assert_eq!(client.closed().await.reason, "too much pending");
}

#[tokio::test]
async fn connections_are_bounded() {
    let config = RealtimeConfig { max_sockets: 2, ..RealtimeConfig::default() };
    let server = Server::start(config).await;
    let first = server.connect().await;
    let _second = server.connect().await;
    let refused = Client::dial(server.address, "EIO=4&transport=websocket", &[]).await;
    assert!(refused.err().unwrap().to_string().contains("503"));
    assert_eq!(server.realtime.stats().refused_full, 1);
    drop(first);
    eventually("there is room again", || server.realtime.stats().connections == 1).await;
    server.connect().await;
}

#[tokio::test]
async fn anonymous_connections_are_bounded_and_old_ones_make_room() {
    let config = RealtimeConfig {
        max_anonymous: 3,
        anonymous_grace: Duration::from_millis(50),
        write_time_limit: Duration::from_millis(200),
        ..RealtimeConfig::default()
    };
    let server = Server::start(config).await;
    let mut known = server.connect().await;
    known.send(r#"42["login"]"#).await;
    known.sync().await;
    assert_eq!(server.realtime.stats().anonymous, 0);
    let mut oldest = server.connect().await;
    let _others = (server.connect().await, server.connect().await);
    assert_eq!(server.realtime.stats().anonymous, 3);
    assert_eq!(oldest.closed().await, Closed { code: 1013, reason: "too many anonymous sockets".into() });
    eventually("there is room again", || server.realtime.stats().anonymous < 3).await;
    server.connect().await;
    assert!(known.sync().await.is_empty(), "who is known stays");
}
