//! Pinned, archived, read and unread.

use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    a_pinned_chat_has_a_list_of_its_own,
    an_archived_chat_leaves_the_list_and_comes_back,
    the_archive_is_sorted_and_searched,
    everything_is_archived_at_once,
    a_chat_is_unread_until_it_is_read,
);

async fn a_pinned_chat_has_a_list_of_its_own(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (pinned, _other) = (ada.make_chat("pinned").await, ada.make_chat("other").await);
    let path = format!("/api/v1/chats/{pinned}");
    assert_eq!(ada.get(&format!("{path}/pinned")).await.expect(200), &json!(false));
    let answer = ada.post(&format!("{path}/pin"), json!({})).await;
    assert_eq!((&answer.expect(200)["id"], &answer.body["pinned"]), (&json!(pinned), &json!(true)));
    assert_eq!(ada.get(&format!("{path}/pinned")).await.expect(200), &json!(true));
    assert_eq!(ada.titles("/api/v1/chats/pinned").await, ["pinned"]);
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await, ["other"]);
    assert_eq!(ada.titles("/api/v1/chats/?page=1&include_pinned=true").await.len(), 2);
    assert_eq!(ada.post(&format!("{path}/pin"), json!({})).await.expect(200)["pinned"], false);
    assert!(ada.titles("/api/v1/chats/pinned").await.is_empty());
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await.len(), 2);
    node.stop().await;
}

async fn an_archived_chat_leaves_the_list_and_comes_back(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (archived, _other) = (ada.make_chat("archived").await, ada.make_chat("other").await);
    let path = format!("/api/v1/chats/{archived}/archive");
    let socket = ada.connect(&node).await;
    assert_eq!(ada.post(&path, json!({})).await.expect(200)["archived"], true);
    socket.event(&archived, "chat:list").await;
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await, ["other"]);
    assert_eq!(ada.titles("/api/v1/chats/archived").await, ["archived"]);
    assert_eq!(ada.get("/api/v1/chats/archived/count").await.expect(200), &json!(1));
    // It is still there to be read.
    assert_eq!(ada.document(&archived).await["archived"], true);
    assert_eq!(ada.post(&path, json!({})).await.expect(200)["archived"], false);
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await.len(), 2);
    assert_eq!(ada.get("/api/v1/chats/archived/count").await.expect(200), &json!(0));
    node.stop().await;
}

async fn the_archive_is_sorted_and_searched(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    for title in ["banana", "Apple", "cherry"] {
        let id = ada.make_chat(title).await;
        ada.post(&format!("/api/v1/chats/{id}/archive"), json!({})).await.expect(200);
    }
    let list = async |query: &str| ada.titles(&format!("/api/v1/chats/archived?page=1{query}")).await;
    assert_eq!(list("&order_by=title&direction=asc").await, ["Apple", "banana", "cherry"]);
    assert_eq!(list("&order_by=title&direction=desc").await, ["cherry", "banana", "Apple"]);
    assert_eq!(list("&query=AN").await, ["banana"]);
    assert_eq!(list("&query=").await.len(), 3);
    ada.get("/api/v1/chats/archived?direction=sideways").await.expect(422);
    node.stop().await;
}

async fn everything_is_archived_at_once(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    for title in ["one", "two"] {
        ada.make_chat(title).await;
    }
    assert_eq!(ada.post("/api/v1/chats/archive/all", json!({})).await.expect(200), &json!(true));
    assert!(ada.titles("/api/v1/chats/?page=1").await.is_empty());
    assert_eq!(ada.get("/api/v1/chats/archived/count").await.expect(200), &json!(2));
    assert_eq!(ada.post("/api/v1/chats/unarchive/all", json!({})).await.expect(200), &json!(true));
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await.len(), 2);
    node.stop().await;
}

async fn a_chat_is_unread_until_it_is_read(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let (socket, other) = (ada.connect(&node).await, ada.connect(&node).await);
    socket.emit("events:chat", json!({ "chat_id": id, "data": { "type": "last_read_at" } })).await;
    let told = other.event(&id, "chat:list").await;
    let at = told.data["last_read_at"].as_i64().unwrap();
    assert_eq!(told.data, json!({ "chat_id": id, "last_read_at": at, "folder_unread_counts": {} }));
    let item = ada.get("/api/v1/chats/?page=1").await.expect(200)[0].clone();
    assert_eq!(item["last_read_at"], at);
    assert!(item["updated_at"].as_i64().unwrap() <= at, "{item}");
    node.stop().await;
}
