//! Providers that fail: the message ends in a clear error state with the text so far.

use crate::support::chat::{Question, kinds, said, start};
use crate::support::provider::{Fate, Provider};
use crate::support::script::tokens;
use crate::support::{Account, NodeUnderTest, Place, Socket, on_both};
use serde_json::{Value, json};

on_both!(
    an_error_status_is_told_with_its_words,
    trouble_in_the_middle_keeps_the_text_so_far,
    a_silent_provider_is_given_up,
    an_unreachable_provider_is_told,
    a_web_page_is_no_answer,
    the_chat_goes_on_after_a_failure,
    an_endless_answer_is_cut_off,
);

/// Asks, waits for the failure, and gives what the person reads; checks that it is told, stored, and ends the message.
async fn fails(node: &NodeUnderTest, ada: &Account, question: &str, text: &str) -> String {
    let socket = ada.connect(node).await;
    let asked = Question::new(question).ask(ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let told = kinds(&heard);
    let told: Vec<_> =
        told.into_iter().filter(|kind| !matches!(*kind, "chat:list" | "response:completion")).collect();
    assert_eq!(told, ["chat:active", "chat:message:error", "chat:active"], "{question}");
    assert_eq!(said(&heard, asked.answer()), text, "{question}");
    let error = &heard.iter().find(|event| event.kind == "chat:message:error").unwrap().data;
    assert_eq!(error["done"], true);
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!(message["content"], text, "{question}");
    assert_eq!(message["done"], true, "{question}");
    assert_eq!(message["error"], error["error"], "{question}");
    if !text.is_empty() {
        assert_eq!(message["output"][0]["status"], "incomplete", "{question}");
    }
    let running = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(running.expect(200), &json!({ "task_ids": [] }));
    let content = error["error"]["content"].as_str().expect("words for the person").to_owned();
    assert!(!content.contains("sk-test") && !content.contains("127.0.0.1"), "{content}");
    content
}

#[track_caller]
fn says(content: &str, words: &str) {
    assert!(content.contains(words), "{content:?} lacks {words:?}");
}

async fn an_error_status_is_told_with_its_words(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    for status in [400, 404, 429, 500, 503] {
        let content = fails(&node, &ada, &format!("[[fail={status}]]"), "").await;
        says(&content, &format!("mock failure {status}"));
    }
    // Whose key it is and that it is wrong is nothing for the person to repair.
    says(&fails(&node, &ada, "[[fail=401]]", "").await, "administrator");
    node.stop().await;
}

async fn trouble_in_the_middle_keeps_the_text_so_far(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let text = tokens(3);
    says(&fails(&node, &ada, "[[tokens=9 die=3]]", &text).await, "kept");
    says(&fails(&node, &ada, "[[tokens=9 end=3]]", &text).await, "broke off");
    says(&fails(&node, &ada, "[[tokens=9 garbage=3]]", &text).await, "not a valid answer");
    says(&fails(&node, &ada, "[[tokens=9 error=3]]", &text).await, "mock trouble inside");
    fails(&node, &ada, "[[tokens=9 die=0]]", "").await;
    node.stop().await;
}

async fn a_silent_provider_is_given_up(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT", "1")]).await;
    let ada = node.sign_up("Ada").await;
    says(&fails(&node, &ada, "[[tokens=9 hang=4]]", &tokens(4)).await, "1 s");
    assert_eq!(provider.fate("[[tokens=9 hang=4]]").await, Fate::Cut);
    node.stop().await;

    let node = start(&place, &provider, &[("AIOHTTP_CLIENT_TIMEOUT", "1")]).await;
    let ada = node.sign_in("Ada").await;
    says(&fails(&node, &ada, "[[silent]]", "").await, "1 s");
    assert_eq!(provider.fate("[[silent]]").await, Fate::Cut);
    node.stop().await;
}

async fn an_unreachable_provider_is_told(place: Place) {
    // Bound, so that nobody else gets the port, but not listening.
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}/v1", dead.local_addr().unwrap());
    let configs = json!({ "0": { "model_ids": ["mock"] } }).to_string();
    let variables = [
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", base.as_str()),
        ("OPENAI_API_CONFIGS", &configs),
    ];
    let node = place.start(&variables).await;
    let ada = node.sign_up("Ada").await;
    says(&fails(&node, &ada, "hello", "").await, "cannot be reached");
    node.stop().await;
}

async fn a_web_page_is_no_answer(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let content = fails(&node, &ada, "[[html]]", "").await;
    says(&content, "not a valid answer");
    assert!(!content.contains("<html>"));
    node.stop().await;
}

async fn the_chat_goes_on_after_a_failure(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let question = Question::new("[[tokens=5 die=2]]").with_background();
    let failed = question.ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&failed.chat_id, 1).await;
    // A title is found all the same; tags and follow-ups of half an answer are not asked for.
    assert!(heard.iter().any(|event| event.kind == "chat:title"));
    assert!(
        !heard.iter().any(|event| matches!(event.kind.as_str(), "chat:tags" | "chat:message:follow_ups"))
    );
    let next = Question::after(&failed, "are you back").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&failed.chat_id, 2).await;
    assert_eq!(said(&heard, next.answer()), "Echo: are you back");
    // Half an answer is part of the conversation.
    assert_eq!(provider.request("are you back").conversation()[1].1, tokens(2));
    node.stop().await;
}

async fn an_endless_answer_is_cut_off(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket: Socket = ada.connect(&node).await;
    // Ten times a mebibyte, less what fits into a line.
    let question = "[[tokens=10 bytes=1000000]]";
    let asked = Question::new(question).ask(&ada, &socket).await;
    let error = socket.event(&asked.chat_id, "chat:message:error").await.data;
    says(error["error"]["content"].as_str().unwrap(), "cut off");
    assert_ne!(provider.fate(question).await, Fate::Running);
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!(message["done"], Value::Bool(true));
    let text = message["content"].as_str().unwrap();
    assert!(text.starts_with("tok1x") && text.len() >= 7_000_000, "{} bytes", text.len());
    node.stop().await;
}
