//! Reading documents, and storing what clients send back.

use serde_json::Value as Json;

use super::{
    build::ChatDocument,
    input::{ChatImport, Current, History},
    merge::{self, Plan},
};
use crate::{
    Chat, Database, Message, NewChat, Result, StorageError,
    chats::{chat_columns, check_extra_size, insert_chat, missing_user, refuse_foreign, title_text},
    messages::{Existing, MESSAGE_COLUMNS, MessageRow, upsert_statements},
    sql::{Statement, Transaction},
};

/// Chats as documents.
#[derive(Debug, Clone)]
pub struct Documents {
    database: Database,
}

/// What is known about an imported chat beside its document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewDocument {
    /// Id to use; `None` makes one.
    pub id: Option<String>,
    /// The folder it lies in.
    pub folder_id: Option<String>,
    /// Variables of the chat.
    pub variables: serde_json::Map<String, Json>,
    /// `meta` less the tags.
    pub meta: serde_json::Map<String, Json>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it is in the archive.
    pub archived: bool,
    /// When it was made, if it is older than this import.
    pub created_at: Option<i64>,
    /// When it was last changed, if before this import.
    pub updated_at: Option<i64>,
}

impl Documents {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The document of a chat of this user.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`].
    pub async fn get(&self, user_id: &str, chat_id: &str) -> Result<ChatDocument> {
        let chat = self.database.chats().owned(user_id, chat_id).await?;
        self.of(chat).await
    }

    /// The document of a chat that was read already.
    pub async fn of(&self, chat: Chat) -> Result<ChatDocument> {
        let rows = self.database.read(select_messages(&chat.id)).await?;
        Ok(ChatDocument::new(chat, rows.iter().map(MessageRow::from_row).collect::<Result<_>>()?))
    }

    /// Makes a chat from a document. Messages that are not done become so: nobody is writing them.
    ///
    /// Errors: [`StorageError::ChatExists`], [`StorageError::UserNotFound`], [`StorageError::Malformed`],
    /// [`StorageError::TooLarge`].
    pub async fn create(
        &self,
        user_id: &str,
        mut document: ChatImport,
        new: NewDocument,
    ) -> Result<ChatDocument> {
        document.list_to_history()?;
        document.end_messages();
        let chat = NewChat {
            id: new.id,
            title: document.title.take().unwrap_or_default(),
            folder_id: new.folder_id,
            variables: new.variables,
            meta: new.meta,
            extra: std::mem::take(&mut document.extra),
        };
        let mut transaction = self.database.begin().await?;
        let statement = insert_chat(transaction.dialect(), user_id, chat, 0, None)?;
        let row = transaction.optional(statement).await.map_err(missing_user)?;
        let chat = Chat::from_row(&row.ok_or(StorageError::ChatExists)?)?;
        let chat = write(&mut transaction, chat, 0, document, &[]).await?;
        let statement = Statement::new(format!(
            "UPDATE chats SET pinned = $2, archived = $3, created_at = COALESCE($4, created_at), \
             updated_at = COALESCE($5, updated_at) WHERE id = $1 RETURNING {}",
            chat_columns(transaction.dialect())
        ))
        .bind(&chat.id)
        .bind(new.pinned)
        .bind(new.archived)
        .bind(new.created_at)
        .bind(new.updated_at);
        let row = transaction.optional(statement).await?.ok_or(StorageError::ChatNotFound)?;
        let chat = Chat::from_row(&row)?;
        transaction.commit().await?;
        self.of(chat).await
    }

    /// Changes a chat of this user by a document or a part of one, and gives the whole document.
    ///
    /// Keys that are given replace the stored ones. A given `history` replaces the tree: messages are changed, added
    /// and deleted accordingly, but only rows that differ are written, and rows of replies in `running` (ids of
    /// messages) are left alone. The chat keeps its place in the list.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`], [`StorageError::Malformed`],
    /// [`StorageError::TooLarge`]; nothing is changed then.
    pub async fn merge(
        &self,
        user_id: &str,
        chat_id: &str,
        document: ChatImport,
        running: &[String],
    ) -> Result<ChatDocument> {
        let mut transaction = self.database.begin().await?;
        // Writing something locks the row against other changes of the same chat.
        let statement = Statement::new(format!(
            "UPDATE chats SET pinned = pinned WHERE id = $1 AND user_id = $2 RETURNING next_sequence, {}",
            chat_columns(transaction.dialect())
        ))
        .bind(chat_id)
        .bind(user_id);
        let Some(row) = transaction.optional(statement).await? else {
            return Err(refuse_foreign(&mut transaction, chat_id).await?);
        };
        let (chat, next_sequence) = (Chat::from_row(&row)?, row.int("next_sequence")?);
        let chat = write(&mut transaction, chat, next_sequence, document, running).await?;
        transaction.commit().await?;
        self.of(chat).await
    }
}

fn select_messages(chat_id: &str) -> Statement {
    Statement::new(format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE chat_id = $1 ORDER BY sequence, id"))
        .bind(chat_id)
}

/// Writes the difference between the stored chat and the document.
async fn write(
    transaction: &mut Transaction,
    mut chat: Chat,
    next_sequence: i64,
    document: ChatImport,
    running: &[String],
) -> Result<Chat> {
    let mut next_sequence = next_sequence;
    if let Some(history) = document.history {
        (chat.current_message_id, next_sequence) =
            write_history(transaction, &chat, next_sequence, history, running).await?;
    }
    if let Some(title) = document.title {
        chat.title = title_text(&title);
    }
    if let Some(timestamp) = document.timestamp_ms {
        chat.timestamp_ms = timestamp;
    }
    chat.extra.extend(document.extra);
    let extra = serde_json::to_string(&chat.extra)
        .map_err(|error| StorageError::malformed("chat", error.to_string()))?;
    check_extra_size(extra.len())?;
    let statement = Statement::new(
        "UPDATE chats SET title = $2, timestamp_ms = $3, extra = $4, current_message_id = $5, next_sequence = $6 \
         WHERE id = $1",
    )
    .bind(&chat.id)
    .bind(&chat.title)
    .bind(chat.timestamp_ms)
    .bind(extra)
    .bind(&chat.current_message_id)
    .bind(next_sequence);
    transaction.execute(statement).await?;
    Ok(chat)
}

/// Writes the tree; gives the current message and the next sequence number.
async fn write_history(
    transaction: &mut Transaction,
    chat: &Chat,
    next_sequence: i64,
    history: History,
    running: &[String],
) -> Result<(Option<String>, i64)> {
    let Some(wanted) = history.messages else {
        // Only the branch is switched.
        let current = match history.current {
            Current::Unsaid => chat.current_message_id.clone(),
            Current::Nothing => None,
            Current::Message(id) => {
                let statement = Statement::new("SELECT id FROM messages WHERE chat_id = $1 AND id = $2")
                    .bind(&chat.id)
                    .bind(&id);
                if transaction.optional(statement).await?.is_none() {
                    return Err(unknown_current(&id));
                }
                Some(id)
            }
        };
        return Ok((current, next_sequence));
    };
    let rows = transaction.all(select_messages(&chat.id)).await?;
    let stored: Vec<Message> = rows.iter().map(Message::from_row).collect::<Result<_>>()?;
    let Plan { delete, write, next_sequence, last, ids } =
        merge::plan(stored, wanted, running, next_sequence)?;
    let current = match history.current {
        Current::Message(id) if !ids.contains(&id) => return Err(unknown_current(&id)),
        Current::Message(id) => Some(id),
        Current::Nothing => None,
        Current::Unsaid => chat.current_message_id.clone().filter(|id| ids.contains(id)).or(last),
    };
    if !delete.is_empty() {
        let list = transaction.dialect().unfold("$2");
        let statement = Statement::new(format!("DELETE FROM messages WHERE chat_id = $1 AND id IN {list}"))
            .bind(&chat.id)
            .bind_list(delete);
        transaction.execute(statement).await?;
    }
    let write: Vec<_> = write.iter().map(|(sequence, message)| (*sequence, message)).collect();
    for statement in upsert_statements(&chat.id, &write, Existing::Move) {
        transaction.execute(statement).await?;
    }
    Ok((current, next_sequence))
}

fn unknown_current(id: &str) -> StorageError {
    StorageError::malformed("chat.history.currentId", format!("the history has no message {id:?}"))
}
