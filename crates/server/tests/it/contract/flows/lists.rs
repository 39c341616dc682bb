//! Putting chats in order.

use super::{Browser, Walk, browser};
use crate::support::chat::Question;
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(organize);

async fn organize(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let admin = browser::arrive(&node, "Ada").await;
    let bob = node.add(&admin, "Bob", "user").await;
    browser::set_picture(&bob, "Bob").await;
    let walk = Walk::begin("organize");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let bob = Browser::sign_in(&walk, &node, "Bob").await;
    let asked = ada.ask(&Question::new("hello").with_background()).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.end_of_turn(&asked, 1).await;
    ada.tell(chat, "last_read_at").await;

    let rename = json!({ "chat": { "title": "Another title" } });
    let renamed = ada.call("POST /api/v1/chats/{id}", &[chat], Some(rename)).await;
    assert_eq!(renamed["title"], "Another title");
    for expected in [true, false] {
        ada.call("POST /api/v1/chats/{id}/pin", &[chat], None).await;
        let pinned = ada.call("GET /api/v1/chats/{id}/pinned", &[chat], None).await;
        assert_eq!(pinned, expected);
    }
    let folder = put_into_folder(&walk, &ada, chat).await;
    let tags = ada.call("POST /api/v1/chats/{id}/tags", &[chat], Some(json!({ "name": "notes" }))).await;
    let tags = json!({ "chat": { "tags": tags } });
    ada.call("POST /api/v1/chats/{id}", &[chat], Some(walk.as_sent("POST /api/v1/chats/{id}", tags))).await;
    ada.call("GET /api/v1/search?q=title&kind=&sharing=&scope=&page=1", &[], None).await;
    share(&walk, &ada, &bob, chat).await;

    ada.call("POST /api/v1/chats/{id}/archive", &[chat], None).await;
    let archived =
        ada.call("GET /api/v1/chats/archived?page=1&order_by=updated_at&direction=desc", &[], None).await;
    assert_eq!(archived.as_array().map(Vec::len), Some(1));
    assert_eq!(ada.call("GET /api/v1/chats/archived/count", &[], None).await, 1);
    ada.tell(chat, "leave").await;
    ada.call("POST /api/v1/chats/{id}/archive", &[chat], None).await;
    let copy = ada.call("POST /api/v1/chats/{id}/clone", &[chat], Some(json!({ "title": "A copy" }))).await;
    let copy = copy["id"].as_str().expect("an id");
    let again = ada.reload(&node).await;
    let captures = [
        ("/api/v1/chats/{", copy),
        ("/api/v1/chats/share", copy),
        ("/api/v1/folders/{", folder.as_str()),
        ("/api/tasks/chat/{", chat),
        ("/api/v1/users/{", ada.id.as_str()),
    ];
    walk.rest(&again.account, &captures).await;
    ada.call("DELETE /api/v1/chats/{id}", &[chat], None).await;
    again.leave(Some(copy)).await;
    ada.leave(None).await;
    bob.leave(None).await;
    walk.finish();
    node.stop().await;
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// Makes a folder and puts the chat into it, as far as this server has folders.
async fn put_into_folder(walk: &Walk, ada: &Browser<'_>, chat: &str) -> String {
    let create = "POST /api/v1/folders/";
    if !walk.is_served(create) {
        return String::new();
    }
    let form = json!({
        "name": "Papers", "parent_id": null, "meta": { "background_image_url": null },
        "data": { "description": "", "model_ids": [], "system_prompt": "", "files": [] },
    });
    let folder = id_of(&ada.call(create, &[], Some(form)).await);
    ada.call("POST /api/v1/chats/{id}/folder", &[chat], Some(json!({ "folder_id": folder }))).await;
    let expanded = json!({ "is_expanded": true });
    ada.call("POST /api/v1/folders/{id}/update/expanded", &[&folder], Some(expanded)).await;
    folder
}

/// Shows the chat to everybody, as far as this server can.
async fn share(walk: &Walk, ada: &Browser<'_>, bob: &Browser<'_>, chat: &str) {
    let share = "POST /api/v1/chats/{id}/share";
    if !walk.is_served(share) {
        return;
    }
    ada.call(share, &[chat], Some(json!({ "share_mode": null }))).await;
    ada.call("GET /api/v1/chats/shared/{id}/access", &[chat], None).await;
    let everybody = json!({ "principal_type": "user", "principal_id": "*", "permission": "read" });
    let form = json!({ "access_grants": [everybody], "share_mode": null });
    let shared = ada.call("POST /api/v1/chats/shared/{id}/access/update", &[chat], Some(form)).await;
    let share_id = shared["share_id"].as_str().expect("a share");
    bob.call("GET /api/v1/chats/share/{share_id}", &[share_id], None).await;
    bob.call("GET /api/v1/users/{user_id}/info", &[&ada.id], None).await;
}
