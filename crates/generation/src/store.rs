//! What replies read from and write to storage.

use crate::error::GenerationError;
use crate::prompt::Turn;
use crate::reply::{Ending, Outcome};
use crate::request::{Place, ReplyRequest};
use crate::service::Services;
use antiphon_storage::{FinishMessage, Message, NewChat, NewMessage, StartReply, StorageError};
use serde_json::{Map, Value, json};

/// Title of a chat until it has a better one.
const FIRST_TITLE: &str = "New Chat";

/// A question in its place, ready to be sent.
pub(crate) struct Turned {
    /// Id of the stored question; none in a temporary chat.
    pub(crate) question_id: Option<String>,
    /// Text of the question.
    pub(crate) question: String,
    /// The conversation up to and with the question.
    pub(crate) turns: Vec<Turn>,
    /// Folder of the chat.
    pub(crate) folder_id: Option<String>,
    /// Title of the chat, empty for a temporary one.
    pub(crate) title: String,
    /// The new turn for those who have the chat open: `{messages, currentId}`.
    pub(crate) messages: Option<Value>,
}

impl Services {
    /// Stores the question with its empty answers and reads the conversation before it.
    pub(crate) async fn turn(
        &self,
        request: &ReplyRequest,
        chat_id: &str,
        task_ids: &[String],
    ) -> Result<Turned, GenerationError> {
        let (is_new, user_message) = match &request.place {
            Place::Saved { chat_id, user_message } => (chat_id.is_none(), user_message),
            Place::Temporary { turns, .. } => return Ok(temporary(turns)),
        };
        let question = NewMessage::from_document(Value::Object(user_message.clone()))?;
        let timestamp = question.timestamp;
        let answers: Vec<NewMessage> = request
            .answers
            .iter()
            .zip(task_ids)
            .map(|(answer, task_id)| {
                let mut extra = Map::new();
                extra.insert("modelIdx".into(), answer.model_index.into());
                extra.insert("meta".into(), json!({ "task_id": task_id }));
                NewMessage {
                    id: answer.message_id.clone(),
                    parent_id: Some(question.id.clone()),
                    role: "assistant".into(),
                    content: Some(String::new()),
                    model: Some(answer.model.clone()),
                    done: Some(false),
                    timestamp,
                    extra,
                    ..NewMessage::default()
                }
            })
            .collect();
        let models: Vec<&str> = request.answers.iter().map(|answer| answer.model.as_str()).collect();
        let mut extra = Map::new();
        extra.insert("models".into(), json!(models));
        let start = StartReply {
            user_id: request.user.id.clone(),
            chat_id: (!is_new).then(|| chat_id.to_owned()),
            new_chat: NewChat {
                id: Some(chat_id.to_owned()),
                title: FIRST_TITLE.to_owned(),
                extra,
                ..NewChat::default()
            },
            user_message: Some(question.clone()),
            assistant_messages: answers.clone(),
            current_message_id: None,
        };
        let started = self.database.chats().start_reply(start).await?;
        let turns = if question.parent_id.is_some() {
            let branch = self.database.messages().branch(chat_id, &question.id).await?;
            branch.iter().filter_map(turn_of_message).collect()
        } else {
            // A first question is the whole conversation.
            let turn = turn_of(&question.role, question.content.as_deref(), None, &question.extra);
            turn.into_iter().collect()
        };
        Ok(Turned {
            question: question.content.clone().unwrap_or_default(),
            question_id: Some(question.id.clone()),
            turns,
            folder_id: started.chat.folder_id,
            title: started.chat.title,
            messages: (!is_new).then(|| new_turn(user_message, &question, &answers)),
        })
    }

    /// Saves the text so far.
    pub(crate) async fn save(
        &self,
        chat_id: &str,
        message_id: &str,
        text: &str,
        output: &Value,
    ) -> Result<(), StorageError> {
        self.database.messages().update_partial(chat_id, message_id, text, Some(output)).await.map(drop)
    }

    /// Stores a finished reply. A message that was deleted meanwhile is no error.
    pub(crate) async fn finish(
        &self,
        chat_id: &str,
        message_id: &str,
        outcome: &Outcome,
    ) -> Result<(), StorageError> {
        let (usage, error) = match &outcome.ending {
            Ending::Completed { usage, .. } => (usage.clone(), None),
            Ending::Cancelled => (None, None),
            Ending::Failed(message) => (None, Some(json!({ "content": message }))),
        };
        let end = FinishMessage {
            content: outcome.text.clone(),
            output: Some(outcome.output.clone()),
            usage,
            error,
            done: true,
        };
        self.database.messages().finish(chat_id, message_id, &end).await.map(drop)
    }

    /// Adds tags to those that the chat has.
    pub(crate) async fn add_tags(
        &self,
        user_id: &str,
        chat_id: &str,
        tags: &[String],
    ) -> Result<(), StorageError> {
        for tag in tags {
            self.database.chats().add_tag(user_id, chat_id, tag).await?;
        }
        Ok(())
    }
}

/// The conversation of a chat that is not stored.
fn temporary(turns: &[Turn]) -> Turned {
    let question = turns.iter().rev().find(|turn| turn.role == "user").map(Turn::text);
    Turned {
        question_id: None,
        question: question.unwrap_or_default(),
        turns: turns.to_vec(),
        folder_id: None,
        title: String::new(),
        messages: None,
    }
}

fn turn_of_message(message: &Message) -> Option<Turn> {
    turn_of(&message.role, message.content.as_deref(), message.output.as_ref(), &message.extra)
}

fn turn_of(
    role: &str,
    content: Option<&str>,
    output: Option<&Value>,
    extra: &Map<String, Value>,
) -> Option<Turn> {
    // A content of several parts is kept among the other keys.
    let content = content.map(Value::from).or_else(|| extra.get("content").cloned()).unwrap_or_default();
    Turn::from_message(role, &content, output, extra.get("files"))
}

/// The question and its empty answers as clients keep them.
fn new_turn(user_message: &Map<String, Value>, question: &NewMessage, answers: &[NewMessage]) -> Value {
    let mut messages = Map::new();
    messages.insert(question.id.clone(), Value::Object(user_message.clone()));
    for answer in answers {
        let mut message = answer.extra.clone();
        message.insert("id".into(), json!(answer.id));
        message.insert("parentId".into(), json!(answer.parent_id));
        message.insert("childrenIds".into(), json!([]));
        message.insert("role".into(), json!(answer.role));
        message.insert("content".into(), json!(""));
        message.insert("done".into(), json!(false));
        message.insert("model".into(), json!(answer.model));
        message.insert("timestamp".into(), json!(answer.timestamp));
        messages.insert(answer.id.clone(), Value::Object(message));
    }
    json!({ "messages": messages, "currentId": answers.last().map(|answer| &answer.id) })
}
