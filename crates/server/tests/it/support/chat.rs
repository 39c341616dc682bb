//! Asking questions as the page does, and what the answers add up to.

use super::provider::Provider;
use super::socket::{Heard, Socket};
use super::{Account, NodeUnderTest, Place};
use serde_json::{Map, Value, json};

/// Starts a node whose only service is this provider.
pub(crate) async fn start(place: &Place, provider: &Provider, variables: &[(&str, &str)]) -> NodeUnderTest {
    let mut all = vec![
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", provider.base()),
        ("OPENAI_API_KEYS", "sk-test"),
    ];
    all.extend_from_slice(variables);
    place.start(&all).await
}

/// A fresh id, as clients make them.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A question to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    text: String,
    pub(crate) id: String,
    parent: Option<String>,
    chat_id: Option<String>,
    models: Vec<String>,
    answers: Vec<String>,
    background: Value,
    further: Map<String, Value>,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) chat_id: String,
    pub(crate) question_id: String,
    pub(crate) answers: Vec<String>,
    pub(crate) task_ids: Vec<String>,
}

impl Asked {
    /// Id of the only answer.
    #[track_caller]
    pub(crate) fn answer(&self) -> &str {
        assert_eq!(self.answers.len(), 1);
        &self.answers[0]
    }
}

impl Question {
    /// A first question of a new chat, to the model `mock`, with nothing to do besides.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            id: new_id(),
            parent: None,
            chat_id: None,
            models: vec!["mock".into()],
            answers: vec![new_id()],
            background: json!({}),
            further: Map::new(),
        }
    }

    /// The next question after an answer.
    pub(crate) fn after(asked: &Asked, text: impl Into<String>) -> Self {
        let parent = asked.answers.last().cloned();
        Self { parent, chat_id: Some(asked.chat_id.clone()), ..Self::new(text) }
    }

    /// The first question of a chat that is there already.
    pub(crate) fn first_of(chat_id: &str, text: impl Into<String>) -> Self {
        Self { chat_id: Some(chat_id.into()), ..Self::new(text) }
    }

    /// The same question once more, for another answer.
    pub(crate) fn again(&self, chat_id: &str) -> Self {
        let answers = self.answers.iter().map(|_| new_id()).collect();
        Self { chat_id: Some(chat_id.into()), answers, ..self.clone() }
    }

    /// Another text in the place of this question.
    pub(crate) fn edited(&self, chat_id: &str, text: impl Into<String>) -> Self {
        Self { text: text.into(), id: new_id(), ..self.again(chat_id) }
    }

    /// To these models, side by side.
    pub(crate) fn to(mut self, models: &[&str]) -> Self {
        self.models = models.iter().map(ToString::to_string).collect();
        self.answers = models.iter().map(|_| new_id()).collect();
        self
    }

    /// With a title, tags and follow-ups.
    pub(crate) fn with_background(mut self) -> Self {
        self.background =
            json!({ "title_generation": true, "tags_generation": true, "follow_up_generation": true });
        self
    }

    /// With one more field of the form.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.further.insert(name.into(), value);
        self
    }

    /// The form that the page posts.
    pub(crate) fn form(&self, session_id: &str) -> Value {
        let ids: Vec<Value> = self
            .models
            .iter()
            .zip(&self.answers)
            .enumerate()
            .map(|(index, (model, id))| json!({ "model_id": model, "message_id": id, "modelIdx": index }))
            .collect();
        let mut form = json!({
            "stream": true, "model": self.models[0], "params": { "model_controls": {} }, "tool_ids": [],
            "tool_servers": [], "features": { "voice": false, "web_search": false, "memory": true },
            "variables": { "{{USER_NAME}}": "Ada" }, "chat_variables": {},
            "model_item": { "id": self.models[0], "object": "model" },
            "session_id": session_id, "id": self.answers[0], "message_ids": ids, "parent_id": self.parent,
            "user_message": {
                "id": self.id, "parentId": self.parent, "childrenIds": self.answers, "role": "user",
                "content": self.text, "timestamp": 1_795_488_910, "models": self.models,
            },
            "background_tasks": self.background,
        });
        if let Some(chat_id) = &self.chat_id {
            form["chat_id"] = json!(chat_id);
        }
        for (name, value) in &self.further {
            form[name] = value.clone();
        }
        form
    }

    /// Asks, as `account` through `socket`.
    pub(crate) async fn ask(&self, account: &Account, socket: &Socket) -> Asked {
        let answer = account.post("/api/chat/completions", self.form(&socket.sid)).await;
        let started = answer.expect(200);
        assert_eq!(started["status"], true, "{started}");
        let ids = started["task_ids"].as_array().expect("task_ids").iter();
        Asked {
            chat_id: started["chat_id"].as_str().expect("a chat_id").to_owned(),
            question_id: self.id.clone(),
            answers: self.answers.clone(),
            task_ids: ids.map(|id| id.as_str().expect("a task id").to_owned()).collect(),
        }
    }
}

impl Socket {
    /// Waits until nothing runs any more in the chat of a question asked; gives what was heard about it since it began.
    ///
    /// `turns` counts the questions of the chat so far.
    pub(crate) async fn end_of_turn(&self, chat_id: &str, turns: usize) -> Vec<Heard> {
        let of_chat = chat_id.to_owned();
        self.wait_for("the turn is over", move |heard| {
            let of_chat = || heard.iter().filter(|event| event.chat_id == of_chat);
            if of_chat().filter(|event| is_end(event)).count() < turns {
                return None;
            }
            let mut earlier = turns - 1;
            let rest = of_chat().skip_while(|event| {
                let skipped = earlier > 0;
                earlier -= usize::from(skipped && is_end(event));
                skipped
            });
            Some(rest.cloned().collect())
        })
        .await
    }

    /// Waits until the answer has this text so far.
    pub(crate) async fn said(&self, message_id: &str, expected: &str) {
        let what = format!("the text {expected:?}");
        self.wait_for(what, |heard| (said(heard, message_id) == expected).then_some(())).await;
    }
}

fn is_end(event: &Heard) -> bool {
    event.kind == "chat:active" && event.data["active"] == false
}

/// Names of the events, equal ones that follow each other taken together.
pub(crate) fn kinds(heard: &[Heard]) -> Vec<&str> {
    let mut kinds: Vec<&str> = heard.iter().map(|event| event.kind.as_str()).collect();
    kinds.dedup();
    kinds
}

/// The deltas of one answer, of all its items.
pub(crate) fn deltas<'a>(heard: &'a [Heard], message_id: &'a str) -> impl Iterator<Item = &'a Value> {
    heard
        .iter()
        .filter(move |event| event.kind == "response:completion" && event.message_id == message_id)
        .map(|event| &event.data)
        .filter(|data| data["type"].is_string())
}

/// The text that the deltas of one answer add up to; each must begin where the one before ended.
#[track_caller]
pub(crate) fn said(heard: &[Heard], message_id: &str) -> String {
    let mut text = String::new();
    for delta in deltas(heard, message_id).filter(|delta| delta["type"] == "response.output_text.delta") {
        assert_eq!(delta["offset"], text.len(), "of {delta} after {text:?}");
        let piece = delta["delta"].as_str().expect("a delta");
        assert!(!piece.is_empty());
        text.push_str(piece);
    }
    text
}

impl Account {
    /// The document of a chat.
    pub(crate) async fn document(&self, chat_id: &str) -> Value {
        self.get(&format!("/api/v1/chats/{chat_id}")).await.expect(200).clone()
    }

    /// One message of a chat.
    pub(crate) async fn message(&self, chat_id: &str, message_id: &str) -> Value {
        let document = self.document(chat_id).await;
        let message = document["chat"]["history"]["messages"][message_id].clone();
        assert!(message.is_object(), "no message {message_id} in {document}");
        message
    }
}
