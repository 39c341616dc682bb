//! Chats that the client keeps alone.

use crate::support::chat::{Question, kinds, said, start};
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(
    a_temporary_chat_answers_and_leaves_nothing,
    a_temporary_chat_is_stopped,
    a_temporary_chat_belongs_to_its_socket,
    a_conversation_of_nothing_is_refused,
);

fn form(question: Question, sid: &str, messages: &Value) -> Value {
    question
        .with("chat_id", json!(format!("temporary:{sid}")))
        .with("messages", messages.clone())
        .with(
            "background_tasks",
            json!({ "follow_up_generation": true, "title_generation": true, "tags_generation": true }),
        )
        .form(sid)
}

async fn a_temporary_chat_answers_and_leaves_nothing(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let question = Question::new("unused");
    let messages = json!([
        { "id": "a", "role": "user", "content": "one" },
        { "role": "assistant", "model": "mock", "output": [
            { "type": "message", "id": "msg_1", "content": [{ "type": "output_text", "text": "Echo: one" }] },
        ] },
        { "id": "b", "role": "user", "content": "two" },
    ]);
    let answer = ada.post("/api/chat/completions", form(question, &socket.sid, &messages)).await;
    let chat_id = answer.expect(200)["chat_id"].as_str().unwrap().to_owned();
    assert_eq!(chat_id, format!("temporary:{}", socket.sid));
    let heard = socket.end_of_turn(&chat_id, 1).await;
    assert_eq!(
        kinds(&heard),
        ["chat:active", "response:completion", "chat:completion", "chat:message:follow_ups", "chat:active"]
    );
    let message_id = &heard[0].message_id;
    assert_eq!(said(&heard, message_id), "Echo: two");
    let done = heard.iter().rev().find(|event| event.kind == "chat:completion").unwrap();
    assert_eq!(done.data["output"][0]["content"][0]["text"], "Echo: two");
    let asked = provider.request("two").conversation();
    let expected = [("user", "one"), ("assistant", "Echo: one"), ("user", "two")];
    assert_eq!(asked, expected.map(|(role, text)| (role.to_owned(), text.to_owned())));

    assert_eq!(ada.get("/api/v1/chats/?page=1").await.expect(200), &json!([]));
    assert_eq!(ada.get("/api/v1/chats/all/tags").await.expect(200), &json!([]));
    ada.get(&format!("/api/v1/chats/{chat_id}")).await.expect_plain(401);
    node.stop().await;
}

async fn a_temporary_chat_is_stopped(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let messages = json!([{ "role": "user", "content": "[[tokens=9 hang=2]]" }]);
    let question = Question::new("unused");
    let form = form(question, &socket.sid, &messages);
    let message_id = form["id"].as_str().unwrap().to_owned();
    let answer = ada.post("/api/chat/completions", form).await;
    let chat_id = answer.expect(200)["chat_id"].as_str().unwrap().to_owned();
    socket.said(&message_id, "tok1 tok2").await;
    let stopped = ada.post(&format!("/api/tasks/chat/{chat_id}/stop"), json!({})).await;
    assert_eq!(stopped.expect(200)["status"], true);
    let heard = socket.end_of_turn(&chat_id, 1).await;
    assert_eq!(kinds(&heard), ["chat:active", "response:completion", "chat:tasks:cancel", "chat:active"]);
    node.stop().await;
}

async fn a_temporary_chat_belongs_to_its_socket(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "admin").await;
    let (socket, bobs) = (ada.connect(&node).await, bob.connect(&node).await);
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let stolen = form(Question::new("unused"), &socket.sid, &messages);
    bob.post("/api/chat/completions", stolen).await.expect_plain(404);
    for socket in [&socket, &bobs] {
        socket.sync().await;
        assert_eq!(socket.heard(), []);
    }
    node.stop().await;
}

async fn a_conversation_of_nothing_is_refused(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    for messages in [
        json!(null),
        json!([]),
        json!({}),
        json!("hello"),
        json!([1]),
        json!([{ "role": "user" }]),
        json!([{ "content": "x" }]),
    ] {
        let form = form(Question::new("unused"), &socket.sid, &messages);
        ada.post("/api/chat/completions", form).await.expect_plain(400);
    }
    assert!(provider.requests().is_empty());
    node.stop().await;
}
