//! A channel with two members.

use super::{Browser, Walk, browser};
use crate::support::chat::new_id;
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(channels);

async fn channels(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let admin = browser::arrive(&node, "Ada").await;
    let bob = node.add(&admin, "Bob", "user").await;
    browser::set_picture(&bob, "Bob").await;
    let walk = Walk::begin("channels");
    let (ada, bob) =
        (Browser::sign_in(&walk, &node, "Ada").await, Browser::sign_in(&walk, &node, "Bob").await);
    let grant =
        |permission: &str| json!({ "principal_type": "user", "principal_id": "*", "permission": permission });
    let form = json!({
        "type": "", "name": "room", "is_private": null, "access_grants": [grant("read"), grant("write")],
        "group_ids": [], "user_ids": [],
    });
    let made = ada.call("POST /api/v1/channels/create", &[], Some(form)).await;
    let channel = made["id"].as_str().expect("an id");
    for page in [&ada, &bob] {
        walk.emit(&page.socket, "join-channels", json!({ "auth": { "token": page.token } })).await;
        page.call("GET /api/v1/channels/{id}", &[channel], None).await;
        page.call("GET /api/v1/channels/{id}/messages?skip=0&limit=50", &[channel], None).await;
        let read = json!({ "channel_id": channel, "message_id": null, "data": { "type": "last_read_at" } });
        walk.emit(&page.socket, "events:channel last_read_at", read).await;
        let typing = json!({
            "channel_id": channel, "message_id": null, "data": { "type": "typing", "data": { "typing": true } },
        });
        walk.emit(&page.socket, "events:channel typing", typing).await;
    }

    let post = "POST /api/v1/channels/{id}/messages/post";
    let message = |content: &str| json!({ "temp_id": new_id(), "content": content, "data": { "files": [] }, "reply_to_id": null });
    let first = id(&ada.call(post, &[channel], Some(message("hello"))).await);
    let second = id(&bob.call(post, &[channel], Some(message("hi"))).await);
    let reaction = "POST /api/v1/channels/{id}/messages/{message_id}/reactions/add";
    ada.call(reaction, &[channel, &second], Some(json!({ "name": "+1" }))).await;
    let emojis = json!({ "ui": { "recentEmojis": ["1F44D"] } });
    ada.call("POST /api/v1/users/user/settings/update", &[], Some(emojis)).await;
    let reply = json!({ "parent_id": second, "content": "so", "data": { "files": [] }, "reply_to_id": null });
    ada.call(post, &[channel], Some(reply)).await;
    let thread = "GET /api/v1/channels/{id}/messages/{message_id}/thread?skip=0&limit=50";
    let told = bob.call(thread, &[channel, &second], None).await;
    assert_eq!(told.as_array().map(Vec::len), Some(2));
    let update = "POST /api/v1/channels/{id}/messages/{message_id}/update";
    ada.call(update, &[channel, &first], Some(json!({ "content": "hello again" }))).await;
    ada.call("DELETE /api/v1/channels/{id}/messages/{message_id}/delete", &[channel, &first], None).await;
    let messages = ada.call("GET /api/v1/channels/{id}/messages?skip=0&limit=50", &[channel], None).await;
    assert_eq!(messages.as_array().map(Vec::len), Some(1));
    ada.call("GET /api/v1/channels/", &[], None).await;
    bob.reload(&node).await.leave(None).await;
    ada.leave(None).await;
    bob.leave(None).await;
    walk.finish();
    node.stop().await;
}

fn id(message: &Value) -> String {
    message["id"].as_str().expect("an id").to_owned()
}
