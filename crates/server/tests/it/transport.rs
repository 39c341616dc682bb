//! How sockets connect: transports, origins, namespaces.

use crate::support::{Place, dial, on_both, text};
use futures_util::SinkExt as _;
use reqwest::header;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

on_both!(
    a_websocket_is_the_only_transport,
    polling_is_the_only_transport_where_it_is_configured,
    other_origins_are_refused_where_a_list_is_configured,
    a_token_in_the_address_is_no_identity,
);

/// Where sockets are.
const PATH: &str = "/ws/socket.io/?EIO=4&transport=";

async fn a_websocket_is_the_only_transport(place: Place) {
    let node = place.start(&[]).await;
    let polling = node.client().get(&format!("{PATH}polling")).await;
    assert_eq!((polling.status, &polling.body), (400, &json!("Invalid transport")));
    node.client().get(&format!("{PATH}websocket")).await.expect_plain(400);
    let mut wire = dial(node.base()).await.unwrap();
    let open = text(&mut wire).await.unwrap();
    let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(
        open,
        json!({ "sid": open["sid"], "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 16_777_216 })
    );
    wire.send(Message::text("40/other,{}")).await.unwrap();
    let refused = text(&mut wire).await.unwrap();
    assert!(refused.starts_with("44/other,"), "{refused}");
    let features = node.client().get("/api/config").await.expect(200)["features"].clone();
    assert_eq!(features["enable_websocket"], true);
    node.stop().await;
}

async fn polling_is_the_only_transport_where_it_is_configured(place: Place) {
    let node = place.start(&[("ENABLE_WEBSOCKET_SUPPORT", "false")]).await;
    let ada = node.sign_up("Ada").await;
    assert!(dial(node.base()).await.is_err());
    let opened = node.client().get(&format!("{PATH}polling")).await;
    let open: serde_json::Value = serde_json::from_slice(&opened.bytes[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let path = format!("{PATH}polling&sid={sid}");
    let post = async |text: String| {
        let answer = node.client().send(reqwest::Method::POST, &path, Some(text.into_bytes())).await;
        assert_eq!((answer.status, answer.bytes.as_slice()), (200, b"ok".as_slice()));
    };
    post(format!("40{}", json!({ "token": ada.token }))).await;
    post(format!("421{}", json!(["user-join", { "auth": { "token": ada.token } }]))).await;
    let mut heard = String::new();
    while !heard.contains("431[") {
        let polled = node.client().get(&path).await;
        assert_eq!(polled.status, 200);
        heard.push_str(std::str::from_utf8(&polled.bytes).unwrap());
    }
    assert!(heard.contains(&format!("\"id\":\"{}\"", ada.id)), "{heard}");
    assert_eq!(node.client().get("/api/config").await.expect(200)["features"]["enable_websocket"], false);
    node.stop().await;
}

async fn other_origins_are_refused_where_a_list_is_configured(place: Place) {
    let node = place.start(&[("CORS_ALLOW_ORIGIN", "https://chat.example;http://localhost:5173")]).await;
    for (origin, allowed) in [
        ("https://chat.example", true),
        ("http://localhost:5173", true),
        ("https://evil.example", false),
        ("https://chat.example.evil.example", false),
        ("null", false),
    ] {
        let client = node.client().with_header(header::ORIGIN, origin);
        let upgrade = client
            .with_header(header::CONNECTION, "upgrade")
            .with_header(header::UPGRADE, "websocket")
            .with_header(header::SEC_WEBSOCKET_VERSION, "13")
            .with_header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        let status = upgrade.status(&format!("{PATH}websocket")).await;
        assert_eq!(status, if allowed { 101 } else { 403 }, "{origin}");
        let answer = node.client().with_header(header::ORIGIN, origin).get("/api/version").await;
        let shared =
            answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).and_then(|value| value.to_str().ok());
        assert_eq!(shared, allowed.then_some(origin), "{origin}");
    }
    node.stop().await;
}

async fn a_token_in_the_address_is_no_identity(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    node.client().get(&format!("/api/v1/auths/?token={}", ada.token)).await.expect_plain(401);
    // Addresses end up in logs of proxies, so tokens are not taken from there.
    node.client().get(&format!("/api/models?authorization=Bearer%20{}", ada.token)).await.expect_plain(401);
    node.stop().await;
}
