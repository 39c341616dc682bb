//! What a reply has produced so far: a list of output items, and the deltas that are yet to be told.
//!
//! Items have the form of the Responses API (`message`, `reasoning`, `function_call`), which is how the web client
//! and stored messages know them. Deltas of one item that follow each other are joined until they are taken.

use serde::Serialize;
use serde_json::{Value, json};

/// Largest text of one reply, in bytes over all items; a provider that sends more is cut off.
pub const MAX_REPLY_BYTES: usize = 8 * 1024 * 1024;

/// Most items in one reply.
pub const MAX_ITEMS: usize = 256;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
    FunctionCall,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::Reasoning => "rs",
            Self::FunctionCall => "fc",
        }
    }

    fn delta_type(self) -> &'static str {
        match self {
            Self::Message => "response.output_text.delta",
            Self::Reasoning => "response.reasoning_text.delta",
            Self::FunctionCall => "response.function_call_arguments.delta",
        }
    }
}

/// One item of the output. `text` holds the answer, the reasoning, or the arguments of a call.
#[derive(Debug)]
struct Item {
    kind: Kind,
    id: String,
    text: String,
    call_id: String,
    name: String,
}

/// Text added to one item, as the event `response:completion` carries it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Delta {
    /// `response.output_text.delta` and its siblings.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Item that grew.
    pub item_id: String,
    /// Place of the item in the output.
    pub output_index: usize,
    /// Place of the part in the item: always the first.
    pub content_index: usize,
    /// The added text.
    pub delta: String,
    /// Bytes (UTF-8) of the item's text before this delta, so that a receiver can tell what it already has.
    pub offset: usize,
}

impl Delta {
    /// Whether the answer itself grew, not the reasoning or a call.
    pub fn is_answer(&self) -> bool {
        self.kind == Kind::Message.delta_type()
    }
}

/// Something to tell the client: a new item that is not plain text, or a delta.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Update {
    /// A tool call began: `response.output_item.added`.
    Added(Value),
    /// Text was added to an item.
    Delta(Delta),
}

/// The reply grew over one of its bounds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the reply is longer than the {MAX_REPLY_BYTES} bytes or {MAX_ITEMS} parts a message may have")]
pub struct TooLong;

/// How a reply ended, as its items say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Still growing.
    InProgress,
    /// Ended by the provider.
    Completed,
    /// Stopped or failed.
    Incomplete,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The output of one reply and its untold deltas.
#[derive(Debug, Default)]
pub struct Output {
    items: Vec<Item>,
    pending: Vec<Update>,
    bytes: usize,
    pending_bytes: usize,
}

impl Output {
    /// Adds text of the answer.
    pub fn push_text(&mut self, text: &str) -> Result<(), TooLong> {
        let index = self.last_of(Kind::Message)?;
        self.append(index, text)
    }

    /// Adds text of the reasoning.
    pub fn push_reasoning(&mut self, text: &str) -> Result<(), TooLong> {
        let index = self.last_of(Kind::Reasoning)?;
        self.append(index, text)
    }

    /// Adds a piece of a tool call. The first piece of a call brings its `call_id` and `name`.
    pub fn push_call(
        &mut self,
        call: usize,
        call_id: &str,
        name: &str,
        arguments: &str,
    ) -> Result<(), TooLong> {
        let calls = self.items.iter().enumerate().filter(|(_, item)| item.kind == Kind::FunctionCall);
        let known = calls.map(|(index, _)| index).nth(call);
        let index = if let Some(index) = known {
            index
        } else {
            let index = self.open(Kind::FunctionCall)?;
            let item = &mut self.items[index];
            call_id.clone_into(&mut item.call_id);
            name.clone_into(&mut item.name);
            let added = json!({
                "type": "response.output_item.added",
                "output_index": index,
                "item": item.json(Status::InProgress),
            });
            self.pending.push(Update::Added(added));
            index
        };
        self.append(index, arguments)
    }

    /// The deltas since the last call, joined where they follow each other.
    pub fn take_updates(&mut self) -> Vec<Update> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    /// Bytes of text that have not been taken yet.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Whether anything has not been taken yet.
    pub fn has_updates(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the reply is still empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The answer's text alone, without reasoning and calls.
    pub fn text(&self) -> String {
        let texts =
            self.items.iter().filter(|item| item.kind == Kind::Message).map(|item| item.text.as_str());
        texts.collect()
    }

    /// The items as JSON. All but the last are complete; the last is as `status` says.
    pub fn json(&self, status: Status) -> Value {
        let last = self.items.len().saturating_sub(1);
        let items = self.items.iter().enumerate();
        items.map(|(index, item)| item.json(if index == last { status } else { Status::Completed })).collect()
    }

    fn last_of(&mut self, kind: Kind) -> Result<usize, TooLong> {
        match self.items.last() {
            Some(item) if item.kind == kind => Ok(self.items.len() - 1),
            _ => self.open(kind),
        }
    }

    fn open(&mut self, kind: Kind) -> Result<usize, TooLong> {
        if self.items.len() >= MAX_ITEMS {
            return Err(TooLong);
        }
        let id = format!("{}_{}", kind.prefix(), &uuid::Uuid::new_v4().simple().to_string()[..24]);
        self.items.push(Item { kind, id, text: String::new(), call_id: String::new(), name: String::new() });
        Ok(self.items.len() - 1)
    }

    fn append(&mut self, index: usize, text: &str) -> Result<(), TooLong> {
        if text.is_empty() {
            return Ok(());
        }
        if self.bytes + text.len() > MAX_REPLY_BYTES {
            return Err(TooLong);
        }
        self.bytes += text.len();
        self.pending_bytes += text.len();
        let item = &mut self.items[index];
        match self.pending.last_mut() {
            Some(Update::Delta(delta)) if delta.output_index == index => delta.delta.push_str(text),
            _ => self.pending.push(Update::Delta(Delta {
                kind: item.kind.delta_type(),
                item_id: item.id.clone(),
                output_index: index,
                content_index: 0,
                delta: text.to_owned(),
                offset: item.text.len(),
            })),
        }
        item.text.push_str(text);
        Ok(())
    }
}

impl Item {
    fn json(&self, status: Status) -> Value {
        match self.kind {
            Kind::Message => json!({
                "type": "message", "id": self.id, "status": status.word(), "role": "assistant",
                "content": [{ "type": "output_text", "text": self.text }],
            }),
            Kind::Reasoning => json!({
                "type": "reasoning", "id": self.id, "status": status.word(), "summary": [],
                "content": [{ "type": "reasoning_text", "text": self.text }],
            }),
            Kind::FunctionCall => json!({
                "type": "function_call", "id": self.id, "status": status.word(),
                "call_id": self.call_id, "name": self.name, "arguments": self.text,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(update: &Update) -> &Delta {
        match update {
            Update::Delta(delta) => delta,
            Update::Added(added) => panic!("expected a delta, got {added}"),
        }
    }

    #[test]
    fn deltas_of_one_item_are_joined_and_know_their_offset() {
        let mut output = Output::default();
        output.push_text("Hé").unwrap();
        output.push_text("llo").unwrap();
        let first = output.take_updates();
        assert_eq!(first.len(), 1);
        assert_eq!((delta(&first[0]).delta.as_str(), delta(&first[0]).offset), ("Héllo", 0));
        output.push_text(" you").unwrap();
        let second = output.take_updates();
        assert_eq!((delta(&second[0]).delta.as_str(), delta(&second[0]).offset), (" you", "Héllo".len()));
        assert_eq!(output.text(), "Héllo you");
        assert!(!output.has_updates());
    }

    #[test]
    fn reasoning_comes_before_the_answer_as_an_item_of_its_own() {
        let mut output = Output::default();
        output.push_reasoning("think").unwrap();
        output.push_text("answer").unwrap();
        let updates = output.take_updates();
        assert_eq!(delta(&updates[0]).kind, "response.reasoning_text.delta");
        assert_eq!((delta(&updates[1]).output_index, delta(&updates[1]).offset), (1, 0));
        let json = output.json(Status::Incomplete);
        assert_eq!(json[0]["status"], "completed");
        assert_eq!(json[1]["status"], "incomplete");
        assert_eq!(output.text(), "answer");
    }

    #[test]
    fn pieces_of_two_interleaved_calls_stay_apart() {
        let mut output = Output::default();
        output.push_call(0, "call_a", "weather", "").unwrap();
        output.push_call(1, "call_b", "clock", "{\"zone\"").unwrap();
        output.push_call(0, "", "", "{\"city\":1}").unwrap();
        output.push_call(1, "", "", ":2}").unwrap();
        let json = output.json(Status::Completed);
        assert_eq!((&json[0]["name"], &json[0]["arguments"]), (&"weather".into(), &"{\"city\":1}".into()));
        assert_eq!((&json[1]["call_id"], &json[1]["arguments"]), (&"call_b".into(), &"{\"zone\":2}".into()));
        let added = output.take_updates().iter().filter(|update| matches!(update, Update::Added(_))).count();
        assert_eq!(added, 2);
    }

    #[test]
    fn an_endless_reply_is_refused_at_its_bound() {
        let mut output = Output::default();
        let half = "x".repeat(MAX_REPLY_BYTES / 2);
        output.push_text(&half).unwrap();
        output.push_text(&half).unwrap();
        assert_eq!(output.push_text("y"), Err(TooLong));
        assert_eq!(output.text().len(), MAX_REPLY_BYTES);
    }
}
