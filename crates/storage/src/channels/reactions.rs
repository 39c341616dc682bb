//! Reactions to messages of channels.

use super::messages::{ChannelMessages, is_missing_reference};
use crate::{Result, StorageError, clock, sql::Statement};

/// Longest name of a reaction, in bytes.
pub const MAX_REACTION_BYTES: usize = 100;

/// Most reactions of one person to one message.
pub const MAX_REACTIONS_PER_USER: usize = 20;

/// Most kinds of reaction to one message.
const MAX_KINDS: usize = 50;

impl ChannelMessages {
    /// Adds somebody's reaction to a message; gives `false` if it was there.
    ///
    /// Errors: [`StorageError::ChannelMessageNotFound`], [`StorageError::Malformed`] for a name that is empty or too
    /// long, [`StorageError::TooLarge`] for too many reactions.
    pub async fn add_reaction(&self, message_id: &str, user_id: &str, name: &str) -> Result<bool> {
        if name.trim().is_empty() || name.len() > MAX_REACTION_BYTES {
            return Err(StorageError::malformed(
                "name",
                format!("1 to {MAX_REACTION_BYTES} bytes are expected"),
            ));
        }
        let statement = Statement::new(format!(
            "INSERT INTO channel_reactions (message_id, user_id, name, created_at) SELECT $1, $2, $3, $4 \
             WHERE (SELECT count(*) FROM channel_reactions WHERE message_id = $1 AND user_id = $2) \
             < {MAX_REACTIONS_PER_USER} \
             AND (EXISTS (SELECT 1 FROM channel_reactions WHERE message_id = $1 AND name = $3) \
             OR (SELECT count(DISTINCT name) FROM channel_reactions WHERE message_id = $1) < {MAX_KINDS}) \
             ON CONFLICT DO NOTHING"
        ))
        .bind(message_id)
        .bind(user_id)
        .bind(name)
        .bind(clock::nanoseconds());
        let added = self.database.write(statement).await.map_err(|error| {
            if is_missing_reference(&error) { StorageError::ChannelMessageNotFound } else { error }
        })?;
        if added > 0 || self.has_reaction(message_id, user_id, name).await? {
            return Ok(added > 0);
        }
        Err(StorageError::TooLarge {
            what: "reactions to a message",
            size: MAX_REACTIONS_PER_USER + 1,
            limit: MAX_REACTIONS_PER_USER,
        })
    }

    /// Takes somebody's reaction back; gives `false` if it was not there.
    pub async fn remove_reaction(&self, message_id: &str, user_id: &str, name: &str) -> Result<bool> {
        let statement = Statement::new(
            "DELETE FROM channel_reactions WHERE message_id = $1 AND user_id = $2 AND name = $3",
        )
        .bind(message_id)
        .bind(user_id)
        .bind(name);
        Ok(self.database.write(statement).await? > 0)
    }

    async fn has_reaction(&self, message_id: &str, user_id: &str, name: &str) -> Result<bool> {
        let statement = Statement::new(
            "SELECT 1 FROM channel_reactions WHERE message_id = $1 AND user_id = $2 AND name = $3",
        )
        .bind(message_id)
        .bind(user_id)
        .bind(name);
        Ok(self.database.read_one(statement).await?.is_some())
    }
}
