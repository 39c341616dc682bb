//! Two pages of one person, and a page that is loaded again in the middle of an answer.

use super::{Browser, Walk, browser};
use crate::support::chat::Question;
use crate::support::provider::Provider;
use crate::support::{Place, on_both};

on_both!(resume, live);

async fn resume(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("resume");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let asked = ada.ask(&Question::new("[[tokens=9 hold=4]]").with_background()).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.socket.event(chat, "chat:title").await;
    ada.socket.said(asked.answer(), "tok1 tok2 tok3 tok4").await;

    let again = ada.reload(&node).await;
    let stored = again.call("GET /api/v1/chats/{id}", &[chat], None).await;
    let message = &stored["chat"]["history"]["messages"][asked.answer()];
    assert_eq!((&message["content"], &message["done"]), (&"tok1 tok2 tok3 tok4".into(), &false.into()));
    let tasks = again.call("GET /api/tasks/chat/{chat_id}", &[chat], None).await;
    assert_eq!(tasks["task_ids"].as_array().map(Vec::len), Some(1));
    again.tell(chat, "join").await;
    provider.release();
    again.socket.end_of_turn(chat, 1).await;
    ada.end_of_turn(&asked, 1).await;
    again.tell(chat, "last_read_at").await;
    again.tell(chat, "leave").await;

    // Nobody has the page open while this one is answered.
    let asked = again.ask(&Question::new("[[tokens=9 hold=4]]").with_background()).await;
    let chat = asked.chat_id.as_str();
    again.socket.said(asked.answer(), "tok1 tok2 tok3 tok4").await;
    again.leave(Some(chat)).await;
    provider.release();
    ada.end_of_turn(&asked, 1).await;
    ada.leave(Some(chat)).await;
    walk.finish();
    node.stop().await;
}

async fn live(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("live");
    let (a, b) = (Browser::sign_in(&walk, &node, "Ada").await, Browser::sign_in(&walk, &node, "Ada").await);
    let asked = a.ask(&Question::new("one").with_background()).await;
    let chat = asked.chat_id.as_str();
    a.tell(chat, "join").await;
    let heard = a.socket.end_of_turn(chat, 1).await;
    assert!(heard.iter().all(|event| event.envelope["shared"] != true || event.kind == "chat:presence"));
    b.socket.end_of_turn(chat, 1).await;
    a.tell(chat, "last_read_at").await;

    // The other page opens the chat, sees who writes, and gets the next question.
    b.tell(chat, "join").await;
    a.write(chat).await;
    b.socket.event(chat, "typing").await;
    let asked = a.ask(&Question::after(&asked, "two")).await;
    b.socket.event(chat, "chat:messages").await;
    a.socket.end_of_turn(chat, 2).await;
    b.socket.end_of_turn(chat, 2).await;

    // Either page stops an answer, and asks the next.
    let asked = a.ask(&Question::after(&asked, "[[tokens=9 hang=4]]")).await;
    b.socket.said(asked.answer(), "tok1 tok2 tok3 tok4").await;
    b.call("POST /api/tasks/chat/{chat_id}/stop", &[chat], None).await;
    a.socket.end_of_turn(chat, 3).await;
    b.socket.end_of_turn(chat, 3).await;
    b.write(chat).await;
    a.socket.event(chat, "typing").await;
    let asked = b.ask(&Question::after(&asked, "four")).await;
    a.socket.event(chat, "chat:messages").await;
    a.socket.end_of_turn(chat, 4).await;
    b.tell(chat, "last_read_at").await;
    b.tell(chat, "leave").await;
    b.reload(&node).await.leave(Some(&asked.chat_id)).await;
    a.leave(None).await;
    b.leave(None).await;
    walk.finish();
    node.stop().await;
}
