//! Many replies at once.

use crate::support::chat::{Question, said, start};
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Place, on_both};
use serde_json::json;
use std::sync::Arc;

on_both!(a_hundred_chats_at_once_are_all_answered);

/// Chats at once.
const CHATS: usize = 100;

async fn a_hundred_chats_at_once_are_all_answered(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = Arc::new(ada.connect(&node).await);
    let asking = (0..CHATS).map(|_| {
        let (ada, socket) = (ada.clone(), socket.clone());
        tokio::spawn(async move { Question::new("[[tokens=20 hold=10]]").ask(&ada, &socket).await })
    });
    let mut all = Vec::new();
    for asking in asking.collect::<Vec<_>>() {
        all.push(asking.await.expect("nobody is refused"));
    }
    // All run at the same time: none has ended, and each has said half.
    provider.wait_for("all are asked", |requests| (requests.len() == CHATS).then_some(())).await;
    for asked in &all {
        socket.said(asked.answer(), &tokens(10)).await;
    }
    assert_eq!(ada.get("/api/tasks").await.expect(200)["tasks"].as_array().unwrap().len(), CHATS);
    provider.release_all();
    for asked in &all {
        let heard = socket.end_of_turn(&asked.chat_id, 1).await;
        assert_eq!(said(&heard, asked.answer()), tokens(20));
    }
    for asked in &all {
        let message = ada.message(&asked.chat_id, asked.answer()).await;
        assert_eq!((&message["content"], &message["done"]), (&json!(tokens(20)), &json!(true)));
    }
    node.stop().await;
}
