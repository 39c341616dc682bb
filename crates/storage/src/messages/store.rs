//! Writing and reading messages.

use std::{collections::HashSet, fmt::Write as _};

use serde_json::Value as Json;

use super::{
    MAX_BRANCH_LENGTH, MAX_MESSAGES_PER_CHAT, MESSAGE_COLUMNS, Message, NewMessage,
    input::{check_size, json_bytes},
};
use crate::{
    Database, Result, StorageError, clock,
    sql::{Statement, Transaction, Value},
};

/// Most messages of one `INSERT`; PostgreSQL takes at most 65,535 values.
const ROWS_PER_STATEMENT: usize = 200;

/// Texts for up to this many rows are kept prepared.
const REUSED_ROWS: usize = 4;

/// Columns of one inserted message.
const INSERTED_COLUMNS: usize = 14;

/// The end of a reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FinishMessage {
    /// The whole text.
    pub content: String,
    /// Items of the reply; `None` leaves what is stored.
    pub output: Option<Json>,
    /// Tokens used; `None` leaves what is stored.
    pub usage: Option<Json>,
    /// What went wrong; `None` clears an earlier error.
    pub error: Option<Json>,
    /// Whether the reply is complete, which it usually is, also when it failed or was stopped.
    pub done: bool,
}

/// A change of a message by its author; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageUpdate {
    /// Text.
    pub content: Option<String>,
    /// Items of the reply.
    pub output: Option<Json>,
}

/// Messages of chats.
///
/// Nothing here checks whose chat it is.
#[derive(Debug, Clone)]
pub struct Messages {
    pub(super) database: Database,
}

impl Messages {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// One message.
    pub async fn get(&self, chat_id: &str, id: &str) -> Result<Option<Message>> {
        let statement =
            Statement::new(format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE chat_id = $1 AND id = $2"))
                .bind(chat_id)
                .bind(id);
        self.database.read_one(statement).await?.as_ref().map(Message::from_row).transpose()
    }

    /// All messages of a chat in their order.
    pub async fn all(&self, chat_id: &str) -> Result<Vec<Message>> {
        let statement = Statement::new(format!(
            "SELECT {MESSAGE_COLUMNS} FROM messages WHERE chat_id = $1 ORDER BY sequence, id"
        ))
        .bind(chat_id);
        self.database.read(statement).await?.iter().map(Message::from_row).collect()
    }

    /// How many messages a chat has.
    pub async fn count(&self, chat_id: &str) -> Result<i64> {
        let statement =
            Statement::new("SELECT count(*) AS total FROM messages WHERE chat_id = $1").bind(chat_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    /// The messages from the root to this leaf, root first; empty if there is no such message.
    ///
    /// Follows the parents in one query, whose cost is that of the branch, not of the chat.
    pub async fn branch(&self, chat_id: &str, leaf_id: &str) -> Result<Vec<Message>> {
        let statement = Statement::new(format!(
            "WITH RECURSIVE branch (id, parent_id, depth) AS ( \
             SELECT id, parent_id, CAST(0 AS BIGINT) FROM messages WHERE chat_id = $1 AND id = $2 \
             UNION ALL \
             SELECT messages.id, messages.parent_id, branch.depth + 1 FROM branch \
             JOIN messages ON messages.chat_id = $1 AND messages.id = branch.parent_id \
             WHERE branch.depth < $3) \
             SELECT {MESSAGE_COLUMNS} FROM branch \
             JOIN messages ON messages.chat_id = $1 AND messages.id = branch.id ORDER BY branch.depth DESC"
        ))
        .bind(chat_id)
        .bind(leaf_id)
        .bind(MAX_BRANCH_LENGTH - 1);
        self.database.read(statement).await?.iter().map(Message::from_row).collect()
    }

    /// Adds a message, or replaces the one with its id.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::TooLarge`].
    pub async fn upsert(&self, chat_id: &str, message: NewMessage) -> Result<()> {
        self.upsert_many(chat_id, vec![message]).await
    }

    /// Adds messages, or replaces those with their ids, all or none; new ones come last in the given order.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::TooLarge`].
    pub async fn upsert_many(&self, chat_id: &str, messages: Vec<NewMessage>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut ids = HashSet::new();
        for message in &messages {
            message.check("message")?;
            if !ids.insert(message.id.as_str()) {
                return Err(StorageError::malformed("message.id", "two messages have the same id"));
            }
        }
        let mut transaction = self.database.begin().await?;
        let statement = Statement::new(
            "UPDATE chats SET next_sequence = next_sequence + $2 WHERE id = $1 RETURNING next_sequence",
        )
        .bind(chat_id)
        .bind(length(&messages));
        let row = transaction.optional(statement).await?.ok_or(StorageError::ChatNotFound)?;
        let next = row.int("next_sequence")?;
        refuse_too_many(&mut transaction, chat_id, next).await?;
        let first = next - length(&messages);
        let rows: Vec<(i64, &NewMessage)> = (first..).zip(&messages).collect();
        for statement in upsert_statements(chat_id, &rows, Existing::Replace) {
            transaction.execute(statement).await?;
        }
        transaction.commit().await
    }

    /// Stores what a running reply has so far; gives `false` if the message is gone or done.
    ///
    /// One statement that touches one row. A write that comes after the end of the reply changes nothing.
    pub async fn update_partial(
        &self,
        chat_id: &str,
        id: &str,
        content: &str,
        output: Option<&Json>,
    ) -> Result<bool> {
        check_size(content.len() + output.map_or(0, json_bytes))?;
        let statement = Statement::new(
            "UPDATE messages SET content = $3, output = COALESCE($4, output), updated_at = $5 \
             WHERE chat_id = $1 AND id = $2 AND done = FALSE",
        )
        .bind(chat_id)
        .bind(id)
        .bind(content)
        .bind(output.map(Json::to_string))
        .bind(clock::seconds());
        Ok(self.database.write(statement).await? > 0)
    }

    /// Stores the end of a reply, and lets its chat rise in the list; gives `false` if the message is gone.
    pub async fn finish(&self, chat_id: &str, id: &str, end: &FinishMessage) -> Result<bool> {
        let json = [&end.output, &end.usage, &end.error];
        check_size(end.content.len() + json.into_iter().flatten().map(json_bytes).sum::<usize>())?;
        let now = clock::seconds();
        let mut transaction = self.database.begin().await?;
        // The chat before its message, as its deletion takes them: in opposite order the two would wait for each other.
        // Marks and times are whole seconds. A mark of this very second was set before the end was there, so it is put back, and
        // the end is unread until the page that shows it says otherwise.
        let statement = Statement::new(
            "UPDATE chats SET updated_at = $2, last_read_at = CASE WHEN COALESCE(last_read_at, created_at) >= $2 \
             THEN $2 - 1 ELSE last_read_at END WHERE id = $1",
        )
        .bind(chat_id)
        .bind(now);
        transaction.execute(statement).await?;
        let statement = Statement::new(
            "UPDATE messages SET content = $3, output = COALESCE($4, output), usage = COALESCE($5, usage), \
             error = $6, done = $7, updated_at = $8 WHERE chat_id = $1 AND id = $2",
        )
        .bind(chat_id)
        .bind(id)
        .bind(&end.content)
        .bind(end.output.as_ref().map(Json::to_string))
        .bind(end.usage.as_ref().map(Json::to_string))
        .bind(end.error.as_ref().map(Json::to_string))
        .bind(end.done)
        .bind(now);
        if transaction.execute(statement).await? == 0 {
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Changes text or output of a finished message.
    ///
    /// Errors: [`StorageError::MessageNotFound`], [`StorageError::TooLarge`].
    pub async fn update(&self, chat_id: &str, id: &str, update: &MessageUpdate) -> Result<()> {
        check_size(
            update.content.as_ref().map_or(0, String::len) + update.output.as_ref().map_or(0, json_bytes),
        )?;
        let statement = Statement::new(
            "UPDATE messages SET content = COALESCE($3, content), output = COALESCE($4, output), updated_at = $5 \
             WHERE chat_id = $1 AND id = $2",
        )
        .bind(chat_id)
        .bind(id)
        .bind(&update.content)
        .bind(update.output.as_ref().map(Json::to_string))
        .bind(clock::seconds());
        match self.database.write(statement).await? {
            0 => Err(StorageError::MessageNotFound),
            _ => Ok(()),
        }
    }

    /// Sets one of the other keys of a message (`followUps`, `sources`, …); `null` is a value like any other.
    ///
    /// Gives `false` if the message is gone. Keys that have a column of their own cannot be set.
    pub async fn set_extra(&self, chat_id: &str, id: &str, key: &str, value: &Json) -> Result<bool> {
        if OWN_KEYS.contains(&key) {
            return Err(StorageError::malformed(key, "is not one of the other keys of a message"));
        }
        let mut transaction = self.database.begin().await?;
        // Writing first locks the row, so that two keys set at once both stay.
        let statement = Statement::new(
            "UPDATE messages SET updated_at = $3 WHERE chat_id = $1 AND id = $2 RETURNING extra",
        )
        .bind(chat_id)
        .bind(id)
        .bind(clock::seconds());
        let Some(row) = transaction.optional(statement).await? else { return Ok(false) };
        let mut extra = row.object("extra")?;
        extra.insert(key.to_owned(), value.clone());
        let text = Json::Object(extra).to_string();
        check_size(text.len())?;
        let statement = Statement::new("UPDATE messages SET extra = $3 WHERE chat_id = $1 AND id = $2")
            .bind(chat_id)
            .bind(id)
            .bind(text);
        transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Keys of the client's message that have a column or follow from one.
const OWN_KEYS: [&str; 11] = [
    "id",
    "parentId",
    "childrenIds",
    "role",
    "content",
    "model",
    "done",
    "timestamp",
    "output",
    "error",
    "usage",
];

/// What becomes of a message that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It gets all the new values but keeps its place.
    Replace,
    /// It gets all the new values and the new place.
    Move,
    /// A question gets the new values; a reply keeps them and is unfinished again.
    Continue,
}

/// Statements that add these messages, each with its sequence number.
pub(crate) fn upsert_statements(
    chat_id: &str,
    rows: &[(i64, &NewMessage)],
    existing: Existing,
) -> Vec<Statement> {
    rows.chunks(ROWS_PER_STATEMENT).map(|rows| upsert_statement(chat_id, rows, existing)).collect()
}

fn upsert_statement(chat_id: &str, rows: &[(i64, &NewMessage)], existing: Existing) -> Statement {
    let mut sql = String::from(
        "INSERT INTO messages (chat_id, id, parent_id, sequence, role, content, model, done, timestamp, output, \
         error, usage, extra, updated_at) VALUES ",
    );
    let mut values: Vec<Value> = Vec::with_capacity(rows.len() * INSERTED_COLUMNS);
    let now = clock::seconds();
    for (index, (sequence, message)) in rows.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(sql, "{comma}(");
        for column in 0..INSERTED_COLUMNS {
            let comma = if column == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}${}", index * INSERTED_COLUMNS + column + 1);
        }
        sql.push(')');
        values.extend([
            chat_id.into(),
            (&message.id).into(),
            (&message.parent_id).into(),
            (*sequence).into(),
            (&message.role).into(),
            (&message.content).into(),
            (&message.model).into(),
            message.done.into(),
            message.timestamp.into(),
            message.output.as_ref().map(Json::to_string).into(),
            message.error.as_ref().map(Json::to_string).into(),
            message.usage.as_ref().map(Json::to_string).into(),
            message.extra_text().into(),
            now.into(),
        ]);
    }
    sql.push_str(match existing {
        Existing::Replace => {
            " ON CONFLICT (chat_id, id) DO UPDATE SET parent_id = excluded.parent_id, role = excluded.role, \
             content = excluded.content, model = excluded.model, done = excluded.done, \
             timestamp = excluded.timestamp, output = excluded.output, error = excluded.error, \
             usage = excluded.usage, extra = excluded.extra, updated_at = excluded.updated_at"
        }
        Existing::Move => {
            " ON CONFLICT (chat_id, id) DO UPDATE SET parent_id = excluded.parent_id, \
             sequence = excluded.sequence, role = excluded.role, \
             content = excluded.content, model = excluded.model, done = excluded.done, \
             timestamp = excluded.timestamp, output = excluded.output, error = excluded.error, \
             usage = excluded.usage, extra = excluded.extra, updated_at = excluded.updated_at"
        }
        Existing::Continue => {
            " ON CONFLICT (chat_id, id) DO UPDATE SET \
             content = CASE WHEN excluded.role = 'assistant' THEN messages.content ELSE excluded.content END, \
             extra = CASE WHEN excluded.role = 'assistant' THEN messages.extra ELSE excluded.extra END, \
             error = CASE WHEN excluded.role = 'assistant' THEN NULL ELSE messages.error END, \
             done = excluded.done, updated_at = excluded.updated_at"
        }
    });
    let statement = Statement::new(sql).bind_all(values);
    if rows.len() <= REUSED_ROWS { statement } else { statement.once() }
}

/// Refuses once a chat has too many messages; counts only when it may be so.
pub(crate) async fn refuse_too_many(
    transaction: &mut Transaction,
    chat_id: &str,
    next_sequence: i64,
) -> Result<()> {
    let limit = MAX_MESSAGES_PER_CHAT;
    if usize::try_from(next_sequence).unwrap_or(usize::MAX) <= limit {
        return Ok(());
    }
    let statement = Statement::new("SELECT count(*) AS total FROM messages WHERE chat_id = $1").bind(chat_id);
    let total = transaction.optional(statement).await?.map_or(Ok(0), |row| row.int("total"))?;
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    // Counted before the new ones are there, so that a full chat takes no more.
    if total >= limit {
        return Err(StorageError::TooLarge { what: "messages of a chat", size: total + 1, limit });
    }
    Ok(())
}

/// The length as rows count.
pub(crate) fn length<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}
