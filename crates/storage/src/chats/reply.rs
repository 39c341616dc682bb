//! The start of a reply: everything that is stored before the first word, in one transaction.

use super::{
    Chat, Chats, NewChat,
    store::{chat_columns, insert_chat, missing_user, refuse_foreign},
};
use crate::{
    NewMessage, Result, StorageError, clock,
    messages::{Existing, length, refuse_too_many, upsert_statements},
    sql::{Statement, Transaction},
};

/// Most replies to one question: one per model that is asked.
const MAX_REPLIES: usize = 32;

/// What a reply starts with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartReply {
    /// Whose chat it is.
    pub user_id: String,
    /// The chat; `None` makes one.
    pub chat_id: Option<String>,
    /// The chat to make if `chat_id` is `None`.
    pub new_chat: NewChat,
    /// The question; one that is there already gets the new text.
    pub user_message: Option<NewMessage>,
    /// The replies, one per model; they are stored as not done. One that is there already keeps its text and is
    /// continued.
    pub assistant_messages: Vec<NewMessage>,
    /// The message with which the shown branch ends; `None`: the last reply.
    pub current_message_id: Option<String>,
}

/// A reply that was started.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedReply {
    /// The chat as it is now.
    pub chat: Chat,
    /// Whether the chat was made just now.
    pub created: bool,
}

impl Chats {
    /// Stores question and empty replies, makes the chat if it is new, and lets it rise in the list.
    ///
    /// One transaction of two statements, three if the question follows an earlier message.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`], [`StorageError::UnknownParent`],
    /// [`StorageError::ChatExists`], [`StorageError::UserNotFound`], [`StorageError::Malformed`],
    /// [`StorageError::TooLarge`].
    pub async fn start_reply(&self, start: StartReply) -> Result<StartedReply> {
        let mut replies = start.assistant_messages;
        if replies.len() > MAX_REPLIES {
            return Err(StorageError::TooLarge {
                what: "replies to one question",
                size: replies.len(),
                limit: MAX_REPLIES,
            });
        }
        for reply in &mut replies {
            reply.done = Some(false);
        }
        let messages: Vec<NewMessage> = start.user_message.into_iter().chain(replies).collect();
        let outside = parents_outside(&messages)?;
        let current = start.current_message_id.or_else(|| messages.last().map(|message| message.id.clone()));

        let mut transaction = self.database.begin().await?;
        let (chat, next_sequence, created) = match &start.chat_id {
            None => {
                if let Some(parent) = outside.into_iter().next() {
                    return Err(StorageError::UnknownParent { id: parent.to_owned() });
                }
                let next = length(&messages);
                let dialect = transaction.dialect();
                let statement =
                    insert_chat(dialect, &start.user_id, start.new_chat, next, current.as_deref())?;
                let row = transaction.optional(statement).await.map_err(missing_user)?;
                (Chat::from_row(&row.ok_or(StorageError::ChatExists)?)?, next, true)
            }
            Some(chat_id) => {
                let (chat, next) = extend_chat(
                    &mut transaction,
                    chat_id,
                    &start.user_id,
                    current.as_deref(),
                    length(&messages),
                )
                .await?;
                refuse_too_many(&mut transaction, chat_id, next).await?;
                for parent in outside {
                    let statement = Statement::new("SELECT id FROM messages WHERE chat_id = $1 AND id = $2")
                        .bind(chat_id)
                        .bind(parent);
                    if transaction.optional(statement).await?.is_none() {
                        return Err(StorageError::UnknownParent { id: parent.to_owned() });
                    }
                }
                (chat, next, false)
            }
        };
        let rows: Vec<(i64, &NewMessage)> = (next_sequence - length(&messages)..).zip(&messages).collect();
        for statement in upsert_statements(&chat.id, &rows, Existing::Continue) {
            transaction.execute(statement).await?;
        }
        transaction.commit().await?;
        Ok(StartedReply { chat, created })
    }
}

/// Checks the messages and gives the parents that are not among them.
fn parents_outside(messages: &[NewMessage]) -> Result<Vec<&str>> {
    let mut outside = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        message.check("message")?;
        if messages[..index].iter().any(|earlier| earlier.id == message.id) {
            return Err(StorageError::malformed("message.id", "two messages have the same id"));
        }
        if let Some(parent) = message.parent_id.as_deref()
            && !messages[..index].iter().any(|earlier| earlier.id == parent)
            && !outside.contains(&parent)
        {
            outside.push(parent);
        }
    }
    Ok(outside)
}

/// Reserves places for new messages at the end of a chat; holds its row until the transaction ends.
async fn extend_chat(
    transaction: &mut Transaction,
    chat_id: &str,
    user_id: &str,
    current: Option<&str>,
    count: i64,
) -> Result<(Chat, i64)> {
    let statement = Statement::new(format!(
        "UPDATE chats SET next_sequence = next_sequence + $3, current_message_id = COALESCE($4, current_message_id), \
         updated_at = $5 WHERE id = $1 AND user_id = $2 RETURNING next_sequence, {}",
        chat_columns(transaction.dialect())
    ))
    .bind(chat_id)
    .bind(user_id)
    .bind(count)
    .bind(current)
    .bind(clock::seconds());
    match transaction.optional(statement).await? {
        Some(row) => Ok((Chat::from_row(&row)?, row.int("next_sequence")?)),
        None => Err(refuse_foreign(transaction, chat_id).await?),
    }
}
