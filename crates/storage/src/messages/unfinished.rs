//! Replies that nobody works on any more.

use serde_json::Value as Json;

use super::Messages;
use crate::{
    Result, clock,
    sql::{Row, Statement},
};

/// Most replies given or ended at once.
const MAX_UNFINISHED: i64 = 1000;

/// A reply that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedMessage {
    /// Its chat.
    pub chat_id: String,
    /// Its id.
    pub id: String,
    /// Whose chat it is.
    pub user_id: String,
    /// When it was last written.
    pub updated_at: i64,
}

impl UnfinishedMessage {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            chat_id: row.text("chat_id")?,
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            updated_at: row.int("updated_at")?,
        })
    }
}

impl Messages {
    /// Replies that are not done and were last written before this time, oldest first, at most 1,000.
    pub async fn unfinished(&self, written_before: i64) -> Result<Vec<UnfinishedMessage>> {
        let statement = Statement::new(
            "SELECT messages.chat_id, messages.id, chats.user_id, messages.updated_at FROM messages \
             JOIN chats ON chats.id = messages.chat_id \
             WHERE messages.done = FALSE AND messages.updated_at < $1 ORDER BY messages.updated_at LIMIT $2",
        )
        .bind(written_before)
        .bind(MAX_UNFINISHED);
        self.database.read(statement).await?.iter().map(UnfinishedMessage::from_row).collect()
    }

    /// Ends one such reply with this error, keeping its text; gives `false` if it was written or ended meanwhile.
    pub async fn interrupt(&self, message: &UnfinishedMessage, error: &Json) -> Result<bool> {
        let statement = Statement::new(
            "UPDATE messages SET done = TRUE, error = $4, updated_at = $5 \
             WHERE chat_id = $1 AND id = $2 AND done = FALSE AND updated_at = $3",
        )
        .bind(&message.chat_id)
        .bind(&message.id)
        .bind(message.updated_at)
        .bind(error.to_string())
        .bind(clock::seconds());
        Ok(self.database.write(statement).await? > 0)
    }
}
