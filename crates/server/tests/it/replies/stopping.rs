//! Replies that are stopped: by a person, with their chat, with the server.

use crate::support::chat::{Question, kinds, said, start};
use crate::support::provider::{Fate, Provider};
use crate::support::script::tokens;
use crate::support::{Place, eventually, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both!(
    another_session_stops_a_reply,
    a_reply_is_stopped_before_its_first_word,
    all_models_of_a_question_are_stopped_at_once,
    only_the_owner_stops_a_chat,
    an_administrator_stops_a_task,
    a_reply_survives_its_tab,
    a_deleted_chat_takes_its_reply_along,
    a_deleted_account_takes_its_replies_along,
    a_stopping_server_keeps_the_text,
);

/// Longest time from a stop to the closed connection at the provider.
const STOP_LIMIT: Duration = Duration::from_secs(1);

async fn another_session_stops_a_reply(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let phone = node.sign_in("Ada").await;
    let (socket, other) = (ada.connect(&node).await, phone.connect(&node).await);
    let asked = Question::new("[[tokens=9 hang=5]]").ask(&ada, &socket).await;
    other.said(asked.answer(), &tokens(5)).await;

    let began = Instant::now();
    let path = format!("/api/tasks/chat/{}/stop", asked.chat_id);
    let stopped = phone.send(Method::POST, &path, None).await;
    assert_eq!(
        stopped.expect(200),
        &json!({ "status": true, "message": format!("Task {} stopped.", asked.task_ids[0]) })
    );
    assert_eq!(provider.fate("[[tokens=9 hang=5]]").await, Fate::Cut);
    assert!(began.elapsed() < STOP_LIMIT, "{:?}", began.elapsed());

    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(
        kinds(&heard),
        ["chat:list", "chat:active", "response:completion", "chat:tasks:cancel", "chat:active"]
    );
    let cancels: Vec<_> =
        heard.iter().filter(|event| event.kind == "chat:tasks:cancel").map(|event| &event.data).collect();
    let output = &cancels[0]["output"][0];
    assert_eq!((&output["status"], &output["content"][0]["text"]), (&json!("incomplete"), &json!(tokens(5))));
    assert_eq!(cancels[1..], [&Value::Null]);
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(tokens(5)), &json!(true)));
    assert!(message["error"].is_null());

    // Stopping what does not run is no fault.
    let again = ada.send(Method::POST, &path, None).await;
    assert_eq!(again.expect(200)["status"], false);
    let next = Question::after(&asked, "go on").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 2).await;
    assert_eq!(said(&heard, next.answer()), "Echo: go on");
    node.stop().await;
}

async fn a_reply_is_stopped_before_its_first_word(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[silent]]").ask(&ada, &socket).await;
    provider.asked("[[silent]]").await;
    let began = Instant::now();
    let path = format!("/api/tasks/chat/{}/stop", asked.chat_id);
    ada.send(Method::POST, &path, None).await.expect(200);
    assert_eq!(provider.fate("[[silent]]").await, Fate::Cut);
    assert!(began.elapsed() < STOP_LIMIT, "{:?}", began.elapsed());
    socket.end_of_turn(&asked.chat_id, 1).await;
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(""), &json!(true)));
    node.stop().await;
}

async fn all_models_of_a_question_are_stopped_at_once(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=9 hang=2]]").to(&["mock", "mock-two"]).ask(&ada, &socket).await;
    for answer in &asked.answers {
        socket.said(answer, &tokens(2)).await;
    }
    let stopped = ada.send(Method::POST, &format!("/api/tasks/chat/{}/stop", asked.chat_id), None).await;
    assert_eq!(stopped.expect(200), &json!({ "status": true, "message": "2 tasks stopped." }));
    provider
        .wait_for("both are cut", |requests| {
            requests.iter().all(|request| request.fate == Fate::Cut).then_some(())
        })
        .await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    for answer in &asked.answers {
        assert_eq!(ada.message(&asked.chat_id, answer).await["content"], tokens(2));
    }
    node.stop().await;
}

async fn only_the_owner_stops_a_chat(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=4 hold=2]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(2)).await;
    let seen = bob.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(seen.expect(200), &json!({ "task_ids": [] }));
    let stopped = bob.send(Method::POST, &format!("/api/tasks/chat/{}/stop", asked.chat_id), None).await;
    assert_eq!(stopped.expect(200)["status"], false);
    bob.send(Method::POST, &format!("/api/tasks/stop/{}", asked.task_ids[0]), None).await.expect_plain(401);
    bob.delete(&format!("/api/v1/chats/{}", asked.chat_id)).await.expect_plain(404);
    bob.delete("/api/v1/chats/").await.expect(200);
    provider.release();
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(4));
    node.stop().await;
}

async fn an_administrator_stops_a_task(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("BYPASS_MODEL_ACCESS_CONTROL", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let socket = bob.connect(&node).await;
    let asked = Question::new("[[tokens=9 hang=2]]").ask(&bob, &socket).await;
    socket.said(asked.answer(), &tokens(2)).await;
    assert_eq!(ada.get("/api/tasks").await.expect(200), &json!({ "tasks": asked.task_ids }));
    let path = format!("/api/tasks/stop/{}", asked.task_ids[0]);
    assert_eq!(ada.send(Method::POST, &path, None).await.expect(200)["status"], true);
    socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(bob.message(&asked.chat_id, asked.answer()).await["content"], tokens(2));
    ada.send(Method::POST, &path, None).await.expect_plain(404);
    node.stop().await;
}

async fn a_reply_survives_its_tab(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=6 hold=2]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(2)).await;
    drop(socket);
    // Nobody listens while the rest is said.
    provider.release();
    assert_eq!(provider.fate("[[tokens=6 hold=2]]").await, Fate::Sent);
    let message = eventually("the answer is complete", async || {
        let message = ada.message(&asked.chat_id, asked.answer()).await;
        (message["done"] == true).then_some(message)
    })
    .await;
    assert_eq!(message["content"], tokens(6));
    // It counts as unread: nobody has seen the end.
    let listed = ada.get("/api/v1/chats/?page=1").await.expect(200)[0].clone();
    assert_eq!((&listed["id"], &listed["active"]), (&json!(asked.chat_id), &json!(false)));
    assert!(listed["updated_at"].as_i64() > listed["last_read_at"].as_i64(), "{listed}");
    node.stop().await;
}

async fn a_deleted_chat_takes_its_reply_along(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=9 hang=3]]").with_background().ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(3)).await;
    let deleted = ada.delete(&format!("/api/v1/chats/{}", asked.chat_id)).await;
    assert_eq!(deleted.expect(200), &json!(true));
    assert_eq!(provider.fate("[[tokens=9 hang=3]]").await, Fate::Cut);
    socket.end_of_turn(&asked.chat_id, 1).await;
    ada.get(&format!("/api/v1/chats/{}", asked.chat_id)).await.expect_plain(401);
    assert_eq!(ada.get("/api/v1/chats/?page=1").await.expect(200), &json!([]));
    assert_eq!(ada.get("/api/tasks").await.expect(200), &json!({ "tasks": [] }));

    // All chats at once.
    let asked = Question::new("[[tokens=9 hang=2]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(2)).await;
    assert_eq!(ada.delete("/api/v1/chats/").await.expect(200), &json!(true));
    assert_eq!(provider.fate("[[tokens=9 hang=2]]").await, Fate::Cut);
    node.stop().await;
}

async fn a_deleted_account_takes_its_replies_along(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("BYPASS_MODEL_ACCESS_CONTROL", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let socket = bob.connect(&node).await;
    let asked = Question::new("[[tokens=9 hang=3]]").ask(&bob, &socket).await;
    socket.said(asked.answer(), &tokens(3)).await;
    ada.delete(&format!("/api/v1/users/{}", bob.id)).await.expect(200);
    socket.closed().await;
    assert_eq!(provider.fate("[[tokens=9 hang=3]]").await, Fate::Cut);
    node.stop().await;
}

async fn a_stopping_server_keeps_the_text(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let hanging = Question::new("[[tokens=9 hang=3]]").ask(&ada, &socket).await;
    let ending = Question::new("[[tokens=6 hold=3]]").ask(&ada, &socket).await;
    for asked in [&hanging, &ending] {
        socket.said(asked.answer(), &tokens(3)).await;
    }
    let stopping = tokio::spawn(node.stop());
    // What can end while the node stops may end; what cannot is stopped.
    provider.release();
    stopping.await.unwrap();
    assert_eq!(provider.fate("[[tokens=9 hang=3]]").await, Fate::Cut);
    socket.closed().await;

    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_in("Ada").await;
    for (asked, count) in [(&hanging, 3), (&ending, 6)] {
        let message = ada.message(&asked.chat_id, asked.answer()).await;
        assert_eq!((&message["content"], &message["done"]), (&json!(tokens(count)), &json!(true)));
    }
    node.stop().await;
}
