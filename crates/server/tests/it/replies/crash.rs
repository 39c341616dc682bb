//! A server that is killed in the middle of a reply.

use crate::support::chat::{Asked, Question};
use crate::support::process::Process;
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Place, eventually, on_both};
use serde_json::json;

on_both!(a_killed_server_marks_its_replies_interrupted, a_signal_lets_replies_end_and_the_process_too);

async fn a_killed_server_marks_its_replies_interrupted(place: Place) {
    let provider = Provider::start().await;
    let variables = [
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", provider.base()),
        ("OPENAI_API_KEYS", "sk-test"),
    ];
    let process = Process::start(&place, &variables).await;
    let ada = process.sign_up("Ada").await;
    let socket = ada.connect(&process).await;
    let running = Question::new("[[tokens=9 hang=5]]").ask(&ada, &socket).await;
    let silent = Question::new("[[silent]]").ask(&ada, &socket).await;
    let done = Question::new("hello").ask(&ada, &socket).await;
    socket.end_of_turn(&done.chat_id, 1).await;
    socket.said(running.answer(), &tokens(5)).await;
    // The text so far reaches the database within seconds, while the reply goes on.
    stored_text(&place, &running, &tokens(5)).await;
    process.kill().await;
    socket.closed().await;

    let process = Process::start(&place, &variables).await;
    let ada = process.sign_in("Ada").await;
    for (asked, text) in [(&running, tokens(5)), (&silent, String::new())] {
        let message = ada.message(&asked.chat_id, asked.answer()).await;
        assert_eq!((&message["content"], &message["done"]), (&json!(text), &json!(true)));
        assert!(message["error"]["content"].as_str().unwrap().contains("stopped"), "{message}");
        let tasks = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
        assert_eq!(tasks.expect(200), &json!({ "task_ids": [] }));
    }
    let message = ada.message(&done.chat_id, done.answer()).await;
    assert_eq!((&message["content"], &message["error"]), (&json!("Echo: hello"), &json!(null)));

    // The chat goes on where it broke off.
    let socket = ada.connect(&process).await;
    let next = Question::after(&running, "go on").ask(&ada, &socket).await;
    socket.end_of_turn(&running.chat_id, 1).await;
    assert_eq!(provider.request("go on").conversation()[1].1, tokens(5));
    assert_eq!(ada.message(&running.chat_id, next.answer()).await["content"], "Echo: go on");
    process.stop().await;
}

async fn a_signal_lets_replies_end_and_the_process_too(place: Place) {
    let provider = Provider::start().await;
    let variables = [("ENABLE_OPENAI_API", "true"), ("OPENAI_API_BASE_URLS", provider.base())];
    let process = Process::start(&place, &variables).await;
    let ada = process.sign_up("Ada").await;
    let socket = ada.connect(&process).await;
    let asked = Question::new("[[tokens=6 hold=3]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(3)).await;
    provider.release();
    // Stopped politely, the process ends by itself and with success.
    process.stop().await;
    let process = Process::start(&place, &variables).await;
    let ada = process.sign_in("Ada").await;
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["error"]), (&json!(tokens(6)), &json!(null)));
    process.stop().await;
}

/// Waits until the database has this text of an answer.
async fn stored_text(place: &Place, asked: &Asked, text: &str) {
    let database = place.database().await;
    eventually("the text so far is stored", async || {
        let message = database.messages().get(&asked.chat_id, asked.answer()).await.expect("a read");
        (message.expect("the message").content.as_deref() == Some(text)).then_some(())
    })
    .await;
    database.close().await;
}
