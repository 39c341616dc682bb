//! Sockets of accounts whose sessions end.

use crate::support::{PASSWORD, Place, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both!(
    sign_out_closes_the_sockets_of_its_token_alone,
    what_ends_all_sessions_closes_all_sockets,
    pending_accounts_and_strangers_are_nobody,
);

/// Longest time from the end of a session to the end of its sockets.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

async fn sign_out_closes_the_sockets_of_its_token_alone(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let other_device = node.sign_in("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let leaving = [node.socket(Some(&ada.token)).await, node.socket(Some(&ada.token)).await];
    let staying = [
        (&other_device, node.socket(Some(&other_device.token)).await),
        (&bob, node.socket(Some(&bob.token)).await),
    ];
    ada.send(Method::POST, "/api/v1/auths/signout", None).await.expect(200);
    let signed_out = Instant::now();
    for socket in &leaving {
        socket.closed().await;
    }
    assert!(signed_out.elapsed() < CLOSE_LIMIT, "{:?}", signed_out.elapsed());
    for (account, socket) in &staying {
        let join = json!({ "auth": { "token": account.token } });
        assert_eq!(socket.call("user-join", join).await["id"], account.id.as_str());
    }
    // The token is good for no other socket.
    let late = node.socket(Some(&ada.token)).await;
    assert_eq!(late.call("user-join", json!({ "auth": { "token": ada.token } })).await, Value::Null);
    node.stop().await;
}

async fn what_ends_all_sessions_closes_all_sockets(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let path = format!("/api/v1/users/{}", bob.id);
    let changes = [
        ("/update", json!({ "role": "pending" })),
        ("/update", json!({ "role": "user" })),
        ("/update", json!({ "password": PASSWORD })),
        ("/sessions/revoke", json!({})),
    ];
    for (part, change) in changes {
        let bob = node.sign_in("Bob").await;
        // A pending account has no socket with an identity to close.
        let socket = (bob.session["role"] != "pending").then_some(node.socket(Some(&bob.token)).await);
        ada.post(&format!("{path}{part}"), change).await.expect(200);
        if let Some(socket) = &socket {
            socket.closed().await;
        }
        bob.check(false).await;
    }
    let bob = node.sign_in("Bob").await;
    let first = node.socket(Some(&bob.token)).await;
    let change = json!({ "password": PASSWORD, "new_password": PASSWORD });
    bob.post("/api/v1/auths/update/password", change).await.expect(200);
    first.closed().await;
    let bob = node.sign_in("Bob").await;
    let last = node.socket(Some(&bob.token)).await;
    let active = ada.get(&format!("{path}/active")).await;
    assert_eq!(active.expect(200), &json!({ "active": true }));
    ada.delete(&path).await.expect(200);
    last.closed().await;
    node.stop().await;
}

async fn pending_accounts_and_strangers_are_nobody(place: Place) {
    let node = place.start(&[("ENABLE_API_KEYS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let pending = node.add(&ada, "Bob", "pending").await;
    let key = ada.send(Method::POST, "/api/v1/auths/api_key", None).await.expect(200)["api_key"].clone();
    for token in [pending.token.as_str(), key.as_str().unwrap(), "garbage", ""] {
        let socket = node.socket(Some(token)).await;
        assert_eq!(socket.call("user-join", json!({ "auth": { "token": token } })).await, Value::Null);
        // Whoever is nobody may say nothing but who they are.
        socket.emit("heartbeat", json!({})).await;
        socket.closed().await;
    }
    node.stop().await;
}
