//! A reply that is still being written, as a reader sees it: folded from the log of its deltas.

use antiphon_state::reply_log::Snapshot;
use serde::Deserialize;
use serde_json::{Value, json};

/// The text and the output items of a live reply.
#[derive(Debug, Default, PartialEq)]
pub struct Live {
    /// The answer so far.
    pub content: String,
    /// The items so far, the last one `in_progress`.
    pub output: Value,
}

/// One logged update, as far as folding needs it.
#[derive(Deserialize)]
struct Logged {
    #[serde(rename = "type")]
    kind: String,
    item_id: Option<String>,
    output_index: usize,
    delta: Option<String>,
    item: Option<Value>,
}

impl Live {
    /// Folds a snapshot of the log. Entries that cannot be read are left out: the stored message is whole at the end.
    pub fn fold(snapshot: Snapshot) -> Self {
        let state = snapshot.state.and_then(|state| serde_json::from_slice::<Vec<Value>>(&state.data).ok());
        let mut items = state.unwrap_or_default();
        for entry in snapshot.entries {
            if let Ok(logged) = serde_json::from_slice::<Logged>(&entry.data) {
                apply(&mut items, logged);
            }
        }
        let last = items.len().saturating_sub(1);
        for (index, item) in items.iter_mut().enumerate() {
            item["status"] = if index == last { "in_progress" } else { "completed" }.into();
        }
        Self { content: snapshot.text, output: Value::Array(items) }
    }
}

fn apply(items: &mut Vec<Value>, logged: Logged) {
    if logged.output_index > items.len() {
        return;
    }
    if logged.output_index == items.len() {
        let item = match (logged.item, logged.kind.as_str()) {
            (Some(item), _) => item,
            (None, "response.reasoning_text.delta") => json!({
                "type": "reasoning", "id": logged.item_id, "summary": [],
                "content": [{ "type": "reasoning_text", "text": "" }],
            }),
            (None, _) => json!({
                "type": "message", "id": logged.item_id, "role": "assistant",
                "content": [{ "type": "output_text", "text": "" }],
            }),
        };
        items.push(item);
    }
    let (Some(delta), Some(item)) = (logged.delta, items.get_mut(logged.output_index)) else { return };
    let text = if item["type"] == "function_call" {
        item.get_mut("arguments")
    } else {
        item.pointer_mut("/content/0/text")
    };
    if let Some(Value::String(text)) = text {
        text.push_str(&delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Output, Status, Update};
    use antiphon_state::{Clock, ReplyLogs, reply_log::ReplyKey};

    async fn log(writer: &antiphon_state::reply_log::ReplyWriter, output: &mut Output) {
        for update in output.take_updates() {
            let text = match &update {
                Update::Delta(delta) if delta.kind == "response.output_text.delta" => delta.delta.clone(),
                _ => String::new(),
            };
            writer.append(serde_json::to_vec(&update).unwrap().into(), &text).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_folded_log_is_what_the_writer_has() {
        let logs = ReplyLogs::new(Clock::system());
        let key = ReplyKey::new("chat", "message");
        let writer = logs.open(key.clone(), "").await.unwrap();
        let mut output = Output::default();
        output.push_reasoning("hm").unwrap();
        output.push_text("one").unwrap();
        output.push_call(0, "call", "clock", "{}").unwrap();
        log(&writer, &mut output).await;
        output.push_text(" two").unwrap();
        log(&writer, &mut output).await;
        let live = Live::fold(logs.snapshot(&key).await.unwrap());
        assert_eq!(live.output, output.json(Status::InProgress));
        assert_eq!(live.content, "one two");

        // With a state in between only what came after is folded.
        let state = serde_json::to_vec(&output.json(Status::InProgress)).unwrap();
        writer.put_state(state.into()).await.unwrap();
        output.push_text(" three").unwrap();
        log(&writer, &mut output).await;
        let live = Live::fold(logs.snapshot(&key).await.unwrap());
        assert_eq!(live.output, output.json(Status::InProgress));
    }
}
