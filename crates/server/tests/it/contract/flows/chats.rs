//! Chats of one page: the turns, their order, and what is stored.

use super::{Browser, Walk, browser};
use crate::support::chat::{Question, new_id};
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(chat, history, stop, errors, temporary);

async fn chat(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("chat");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let asked = ada.ask(&Question::new("[[tokens=30]]").with_background()).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.end_of_turn(&asked, 1).await;
    ada.tell(chat, "last_read_at").await;
    ada.leave(Some(chat)).await;
    walk.finish();
    node.stop().await;
}

async fn history(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("history");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let first = ada.ask(&Question::new("one").with_background()).await;
    let chat = first.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.end_of_turn(&first, 1).await;
    ada.write(chat).await;
    let second = Question::after(&first, "two");
    let asked = ada.ask(&second).await;
    ada.end_of_turn(&asked, 2).await;
    let asked = ada.ask(&second.again(chat)).await;
    ada.end_of_turn(&asked, 3).await;
    let asked = ada.ask(&second.edited(chat, "three")).await;
    ada.end_of_turn(&asked, 4).await;
    ada.tell(chat, "last_read_at").await;

    // A rating is kept with the message, and the chat is written back.
    let stored = ada.call("GET /api/v1/chats/{id}", &[chat], None).await;
    rate(&walk, &ada, &stored).await;
    let mut written = json!({ "history": stored["chat"]["history"], "messages": stored["chat"]["messages"] });
    written["history"]["messages"][asked.answer()]["annotation"] =
        json!({ "rating": 1, "reason": null, "details": null });
    let form = walk.as_sent("POST /api/v1/chats/{id}", json!({ "chat": written }));
    let merged = ada.call("POST /api/v1/chats/{id}", &[chat], Some(form)).await;
    assert_eq!(merged["chat"]["history"]["messages"][asked.answer()]["annotation"]["rating"], 1);
    ada.reload(&node).await.leave(Some(chat)).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

/// Rates the last answer of a chat, as far as this server keeps ratings.
async fn rate(walk: &Walk, ada: &Browser<'_>, stored: &Value) {
    let answer = stored["chat"]["history"]["currentId"].clone();
    let meta = json!({
        "model_id": "mock", "message_id": answer, "message_index": 1, "chat_id": stored["id"],
        "base_models": { "mock-two": null },
    });
    let data =
        json!({ "rating": 1, "reason": null, "details": null, "model_id": "mock", "sibling_model_ids": [] });
    let mut snapshot = stored.clone();
    // The list beside the tree has the questions only, there.
    snapshot["chat"]["messages"].as_array_mut().expect("a list").retain(|message| message["role"] == "user");
    let feedback = json!({ "type": "rating", "data": data, "meta": meta, "snapshot": { "chat": snapshot } });
    let mut id = new_id();
    let create = "POST /api/v1/evaluations/feedback";
    if walk.is_served(create) {
        let form = walk.as_sent(create, feedback.clone());
        let created = ada.call(create, &[], Some(form)).await;
        created["id"].as_str().expect("an id").clone_into(&mut id);
    }
    let tags = "POST /api/v1/tasks/tags/completions";
    if walk.is_served(tags) {
        let form =
            json!({ "model": "mock", "messages": stored["chat"]["messages"], "chat_id": stored["id"] });
        ada.call(tags, &[], Some(walk.as_sent(tags, form))).await;
    }
    let update = "POST /api/v1/evaluations/feedback/{id}";
    if walk.is_served(update) {
        let mut form = feedback;
        form["data"]["tags"] = json!(["general"]);
        ada.call(update, &[&id], Some(walk.as_sent(update, form))).await;
    }
}

async fn stop(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("stop");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let asked = ada.ask(&Question::new("[[tokens=9 hang=4]]").with_background()).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.socket.event(chat, "chat:title").await;
    ada.socket.said(asked.answer(), "tok1 tok2 tok3 tok4").await;
    ada.call("POST /api/tasks/chat/{chat_id}/stop", &[chat], None).await;
    ada.end_of_turn(&asked, 1).await;
    ada.write(chat).await;
    let asked = ada.ask(&Question::after(&asked, "next")).await;
    ada.end_of_turn(&asked, 2).await;
    ada.tell(chat, "last_read_at").await;
    ada.reload(&node).await.leave(Some(chat)).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

async fn errors(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("errors");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let asked = ada.ask(&Question::new("[[fail=500]]").with("background_tasks", titles_only())).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.end_of_turn(&asked, 1).await;
    ada.write(chat).await;
    let asked = ada.ask(&Question::after(&asked, "next")).await;
    ada.end_of_turn(&asked, 2).await;
    ada.tell(chat, "last_read_at").await;
    ada.reload(&node).await.leave(Some(chat)).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

fn titles_only() -> Value {
    json!({ "title_generation": true, "tags_generation": true, "follow_up_generation": true })
}

async fn temporary(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("temporary");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let chat = format!("temporary:{}", ada.socket.sid);
    let messages = json!([{ "id": new_id(), "role": "user", "content": "hello" }]);
    let asked = ada.ask(&Question::first_of(&chat, "hello").with("messages", messages)).await;
    ada.end_of_turn(&asked, 1).await;
    let output = json!([{
        "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{ "type": "output_text", "text": "Echo: hello" }],
    }]);
    let messages = json!([
        { "id": asked.question_id, "role": "user", "content": "hello" },
        { "role": "assistant", "model": "mock", "output": output },
        { "id": new_id(), "role": "user", "content": "next" },
    ]);
    let asked = ada.ask(&Question::after(&asked, "next").with("messages", messages)).await;
    ada.end_of_turn(&asked, 2).await;
    let listed = ada.call("GET /api/v1/chats/?page=1", &[], None).await;
    assert_eq!(listed, json!([]));
    ada.reload(&node).await.leave(None).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}
