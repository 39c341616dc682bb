//! Stored chats: made, listed, read, changed, put in order, deleted.

mod documents;
mod foreign;
mod lists;
mod places;
mod tags;

use crate::support::Account;
use serde_json::{Value, json};

/// A document with one question and its answer.
fn document(title: &str, question: &str, answer: &str) -> Value {
    json!({
        "title": title, "models": ["mock"], "params": { "temperature": 0.5 }, "timestamp": 1_795_488_910_123_i64,
        "history": { "currentId": "a", "messages": {
            "q": { "id": "q", "parentId": null, "childrenIds": ["a"], "role": "user", "content": question, "timestamp": 1_795_488_910 },
            "a": { "id": "a", "parentId": "q", "childrenIds": [], "role": "assistant", "content": answer, "model": "mock", "done": true, "annotation": { "rating": 1 } },
        } },
    })
}

impl Account {
    /// Makes a chat and gives its id.
    async fn make_chat(&self, title: &str) -> String {
        let form = json!({ "chat": document(title, "question", "answer") });
        self.post("/api/v1/chats/new", form).await.expect(200)["id"].as_str().unwrap().to_owned()
    }

    /// Titles in a list of chats.
    async fn titles(&self, path: &str) -> Vec<String> {
        let items = self.get(path).await.expect(200).clone();
        let items = items.as_array().unwrap().iter();
        items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
    }
}
