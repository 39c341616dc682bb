//! Judgements of answers, and tags for them.

use crate::support::chat::start;
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(a_judgement_belongs_to_who_made_it, tags_are_suggested_for_a_conversation);

fn rating(rating: i64) -> Value {
    json!({
        "type": "rating", "data": { "rating": rating, "model_id": "mock", "reason": null },
        "meta": { "chat_id": "c", "message_id": "m", "message_index": 1 },
        "snapshot": { "chat": { "title": "T", "chat": { "history": {} } } },
    })
}

async fn a_judgement_belongs_to_who_made_it(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let made = bob.post("/api/v1/evaluations/feedback", rating(1)).await.expect(200).clone();
    assert_eq!((&made["user_id"], &made["version"]), (&json!(bob.id), &json!(0)));
    for part in ["type", "data", "meta", "snapshot"] {
        assert_eq!(made[part], rating(1)[part], "{part}");
    }
    let path = format!("/api/v1/evaluations/feedback/{}", made["id"].as_str().unwrap());
    assert_eq!(bob.get(&path).await.expect(200), &made);
    let changed = bob.post(&path, json!({ "type": "rating", "data": { "rating": -1 } })).await;
    assert_eq!(
        (&changed.expect(200)["data"], &changed.body["meta"]),
        (&json!({ "rating": -1 }), &made["meta"])
    );

    // Not even an administrator's.
    ada.get(&path).await.expect_plain(404);
    ada.post(&path, rating(1)).await.expect_plain(404);
    ada.delete(&path).await.expect_plain(404);
    for malformed in [
        json!({}),
        json!({ "type": 7 }),
        json!({ "type": "rating", "data": [] }),
        json!({ "type": "rating", "snapshot": [1] }),
    ] {
        bob.post("/api/v1/evaluations/feedback", malformed).await.expect(422);
    }
    assert_eq!(bob.delete(&path).await.expect(200), true);
    bob.get(&path).await.expect_plain(404);
    node.stop().await;
}

async fn tags_are_suggested_for_a_conversation(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let form = |question: &str| {
        json!({ "model": "mock", "chat_id": "c", "messages": [
            { "id": "q", "role": "user", "content": question },
            { "id": "a", "role": "assistant", "content": "", "output": [
                { "type": "message", "content": [{ "type": "output_text", "text": "the answer" }] },
            ] },
        ] })
    };
    let path = "/api/v1/tasks/tags/completions";
    let answer = ada.post(path, form("about rivers")).await;
    assert_eq!(
        (&answer.expect(200)["object"], &answer.body["model"]),
        (&json!("chat.completion"), &json!("mock"))
    );
    let message = &answer.body["choices"][0]["message"];
    let tags: Value = serde_json::from_str(message["content"].as_str().unwrap()).unwrap();
    assert_eq!(tags, json!({ "tags": ["Mocktag", "General"] }));
    let asked = provider.requests().last().unwrap().question();
    assert!(asked.ends_with("USER: about rivers\nASSISTANT: the answer"), "{asked}");

    ada.post(path, json!({ "model": "unknown", "messages": [] })).await.expect_plain(400);
    ada.post(path, json!({ "messages": [] })).await.expect_plain(400);
    ada.post(path, json!({ "model": "mock", "messages": [] })).await.expect_plain(400);

    // Switched off, there are none, and nobody is asked.
    ada.post("/api/v1/tasks/config/update", json!({ "ENABLE_TAGS_GENERATION": false })).await.expect(200);
    let before = provider.requests().len();
    let answer = ada.post(path, form("about rivers")).await;
    assert_eq!(answer.expect(200)["choices"][0]["message"]["content"], "{\"tags\":[]}");
    assert_eq!(provider.requests().len(), before);
    node.stop().await;
}
