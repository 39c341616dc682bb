//! What a caller asks for: one question, answered by one or more models.

use crate::prompt::Turn;
use antiphon_provider::Requester;
use serde_json::{Map, Value};

/// A question to be answered over the user's sockets.
pub struct ReplyRequest {
    /// Who asks.
    pub user: Requester,
    /// Socket that asked; it is spared the events it caused itself.
    pub session_id: Option<String>,
    /// Where the question stands.
    pub place: Place,
    /// The answers to make, at least one.
    pub answers: Vec<Answer>,
    /// The posted form: parameters, variables, tools.
    pub form: Map<String, Value>,
    /// What to ask the model besides.
    pub background: Background,
}

/// Where a question stands.
pub enum Place {
    /// In a stored chat, or a new one when `chat_id` is none.
    Saved {
        /// The chat.
        chat_id: Option<String>,
        /// The question as the client made it, with its `id` and `parentId`.
        user_message: Map<String, Value>,
    },
    /// In a chat that is kept by the client alone.
    Temporary {
        /// `temporary:` and the socket.
        chat_id: String,
        /// The whole conversation.
        turns: Vec<Turn>,
    },
}

/// One answer to make.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Id of the assistant message.
    pub message_id: String,
    /// Model that answers, as people chose it and as the message names it.
    pub model: String,
    /// The same model at the providers.
    pub provider_model: String,
    /// Column of the answer where several models answer side by side.
    pub model_index: i64,
    /// Parameters of the model's record, under those of the form.
    pub defaults: Map<String, Value>,
}

/// What to ask the model after the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// A title for the chat.
    pub title: bool,
    /// Tags for the chat.
    pub tags: bool,
    /// Follow-up questions for the message.
    pub follow_ups: bool,
}

/// What was started.
#[derive(Debug)]
pub struct Started {
    /// The chat, made if it was new.
    pub chat_id: String,
    /// One task for each answer.
    pub task_ids: Vec<String>,
}
