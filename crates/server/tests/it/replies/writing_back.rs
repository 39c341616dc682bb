//! What pages write back while a reply runs, or just after it: no text is lost.

use crate::support::chat::{Question, said, start};
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    a_chat_is_renamed_while_it_is_answered,
    a_branch_is_switched_while_it_is_answered,
    a_stale_document_does_not_undo_a_reply,
    a_running_answer_is_not_edited,
    a_finished_message_is_edited_in_every_tab,
    others_who_have_the_chat_open_see_the_new_turn,
);

async fn a_chat_is_renamed_while_it_is_answered(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=8 hold=4]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(4)).await;
    let path = format!("/api/v1/chats/{}", asked.chat_id);
    let renamed = ada.post(&path, json!({ "chat": { "title": "My title" } })).await;
    let document = renamed.expect(200);
    assert_eq!(document["title"], "My title");
    let running = &document["chat"]["history"]["messages"][asked.answer()];
    assert_eq!((&running["content"], &running["done"]), (&json!(tokens(4)), &json!(false)));
    provider.release();
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(8));
    let document = ada.document(&asked.chat_id).await;
    assert_eq!(document["title"], "My title");
    assert_eq!(document["chat"]["history"]["messages"][asked.answer()]["content"], tokens(8));
    // The end tells the title that the chat has by then.
    let done = heard.iter().find(|event| event.data["done"] == true).unwrap();
    assert_eq!(done.data["title"], "My title");
    node.stop().await;
}

async fn a_branch_is_switched_while_it_is_answered(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let first = Question::new("one");
    let before = first.ask(&ada, &socket).await;
    socket.end_of_turn(&before.chat_id, 1).await;
    // The page of this moment, before the next question.
    let stale = ada.document(&before.chat_id).await;
    let asked = Question::after(&before, "[[tokens=8 hold=4]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(4)).await;

    let path = format!("/api/v1/chats/{}", before.chat_id);
    let mut history = stale["chat"]["history"].clone();
    history["currentId"] = json!(before.answer());
    let switched = ada.post(&path, json!({ "chat": { "history": history, "messages": [] } })).await;
    let document = switched.expect(200);
    assert_eq!(document["chat"]["history"]["currentId"], before.answer());
    let running = &document["chat"]["history"]["messages"][asked.answer()];
    assert_eq!(running["content"], tokens(4));

    provider.release();
    let heard = socket.end_of_turn(&before.chat_id, 2).await;
    assert_eq!(said(&heard, asked.answer()), tokens(8));
    let message = ada.message(&before.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(tokens(8)), &json!(true)));
    assert_eq!(ada.message(&before.chat_id, &asked.question_id).await["parentId"], before.answer());
    node.stop().await;
}

async fn a_stale_document_does_not_undo_a_reply(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=8 hold=4]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(4)).await;
    // A page that was loaded in the middle of the reply and missed its end.
    let stale = ada.document(&asked.chat_id).await;
    provider.release();
    socket.end_of_turn(&asked.chat_id, 1).await;
    let form =
        json!({ "chat": { "history": stale["chat"]["history"], "messages": stale["chat"]["messages"] } });
    ada.post(&format!("/api/v1/chats/{}", asked.chat_id), form).await.expect(200);
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(tokens(8)), &json!(true)));
    assert_eq!(message["output"][0]["status"], "completed");
    node.stop().await;
}

async fn a_running_answer_is_not_edited(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=8 hold=4]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(4)).await;
    let path = format!("/api/v1/chats/{}/messages/{}", asked.chat_id, asked.answer());
    ada.post(&path, json!({ "content": "edited" })).await.expect_plain(409);
    // The same answer cannot be begun a second time while it runs.
    let twice = Question::first_of(&asked.chat_id, "again");
    let mut form = twice.form(&socket.sid);
    form["id"] = json!(asked.answer());
    form["message_ids"][0]["message_id"] = json!(asked.answer());
    ada.post("/api/chat/completions", form).await.expect_plain(409);
    provider.release();
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(8));
    assert_eq!(ada.message(&asked.chat_id, asked.answer()).await["content"], tokens(8));
    node.stop().await;
}

async fn a_finished_message_is_edited_in_every_tab(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let path = format!("/api/v1/chats/{}/messages/{}", asked.chat_id, asked.answer());
    let edited = ada.post(&path, json!({ "content": "edited" })).await;
    assert_eq!(edited.expect(200)["chat"]["history"]["messages"][asked.answer()]["content"], "edited");
    let told = socket.event(&asked.chat_id, "chat:message").await;
    assert_eq!(told.data["content"], "edited");
    let unknown = format!("/api/v1/chats/{}/messages/unknown", asked.chat_id);
    ada.post(&unknown, json!({ "content": "x" })).await.expect_plain(404);
    node.stop().await;
}

async fn others_who_have_the_chat_open_see_the_new_turn(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let (socket, tab) = (ada.connect(&node).await, ada.connect(&node).await);
    let first = Question::new("one").ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 1).await;
    for socket in [&socket, &tab] {
        assert_eq!(socket.chat(&first.chat_id, "join").await, true);
    }
    let next = Question::after(&first, "two");
    let asked = next.ask(&ada, &socket).await;
    let told = tab.event(&first.chat_id, "chat:messages").await;
    assert_eq!((&told.envelope["shared"], &told.envelope["user_id"]), (&json!(true), &json!(ada.id)));
    assert_eq!(told.data["currentId"], asked.answer());
    let messages = told.data["messages"].as_object().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[&asked.question_id]["content"], "two");
    let answer = &messages[asked.answer()];
    assert_eq!(
        (&answer["role"], &answer["done"], &answer["content"]),
        (&json!("assistant"), &json!(false), &json!(""))
    );
    assert_eq!((&answer["parentId"], &answer["model"]), (&json!(asked.question_id), &json!("mock")));
    socket.end_of_turn(&first.chat_id, 2).await;
    assert!(!socket.heard().iter().any(|event| event.kind == "chat:messages"), "who asked knows");
    node.stop().await;
}
