//! Channels over HTTP and sockets, in the shapes and the order that the reference's web client knows.

mod access;
mod members;
mod talk;

use crate::support::{Account, Heard, NodeUnderTest, Place, Socket};
use serde_json::{Value, json};

const ON: &[(&str, &str)] = &[("ENABLE_CHANNELS", "true")];

/// Grants to everybody.
fn everybody(permissions: &[&str]) -> Value {
    let grant = |permission: &&str| json!({ "principal_type": "user", "principal_id": "*", "permission": permission });
    permissions.iter().map(grant).collect()
}

/// Has an administrator make an open channel.
async fn open(admin: &Account, name: &str, permissions: &[&str]) -> String {
    let form = json!({
        "type": "", "name": name, "is_private": null, "access_grants": everybody(permissions),
        "group_ids": [], "user_ids": [],
    });
    id_of(admin.post("/api/v1/channels/create", form).await.expect(200))
}

/// Makes a channel for its maker and others.
async fn make(maker: &Account, kind: &str, others: &[&Account]) -> String {
    let others: Vec<&str> = others.iter().map(|account| account.id.as_str()).collect();
    let form = json!({ "type": kind, "name": kind, "user_ids": others });
    id_of(maker.post("/api/v1/channels/create", form).await.expect(200))
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// The address of something in a channel.
fn path(channel: &str, rest: &str) -> String {
    format!("/api/v1/channels/{channel}{rest}")
}

async fn post(writer: &Account, channel: &str, content: &str) -> String {
    let form = json!({ "content": content, "data": { "files": [] }, "reply_to_id": null });
    id_of(writer.post(&path(channel, "/messages/post"), form).await.expect(200))
}

async fn listed(account: &Account) -> Vec<Value> {
    account.get("/api/v1/channels/").await.expect(200).as_array().expect("a list").clone()
}

/// Sends an event of a channel and waits until the server has handled it.
async fn say(socket: &Socket, channel: &str, data: Value) {
    let event = json!({ "channel_id": channel, "message_id": null, "data": data });
    socket.call("events:channel", event).await;
}

fn typing(number: u64) -> Value {
    json!({ "type": "typing", "data": { "typing": true, "number": number } })
}

/// Waits until the socket has heard this many events of a channel, and gives them.
async fn heard(socket: &Socket, channel: &str, count: usize) -> Vec<Heard> {
    let channel = channel.to_owned();
    socket
        .wait_for(format!("{count} events of a channel"), move |heard| {
            let of_channel: Vec<Heard> = heard
                .iter()
                .filter(|event| event.envelope["channel_id"] == channel.as_str())
                .cloned()
                .collect();
            (of_channel.len() >= count).then_some(of_channel)
        })
        .await
}

fn kinds(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|event| event.kind.as_str()).collect()
}

/// How often a socket was told of a new channel.
fn created(socket: &Socket) -> usize {
    socket
        .heard()
        .iter()
        .filter(|event| event.envelope == json!({ "data": { "type": "channel:created" } }))
        .count()
}

async fn three(place: &Place) -> (NodeUnderTest, Account, Account, Account) {
    let node = place.start(ON).await;
    let ada = node.sign_up("Ada").await;
    let (bob, cid) = (node.add(&ada, "Bob", "user").await, node.add(&ada, "Cid", "user").await);
    (node, ada, bob, cid)
}
