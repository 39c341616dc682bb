//! Replies whose node is gone: they end with the text that was stored, and their people are told.

use std::collections::HashMap;

use antiphon_storage::{StorageError, UnfinishedMessage};
use serde_json::{Value, json};

use crate::audience::Audience;
use crate::service::Replies;

/// What is stored and told when the writer of a reply is gone.
const INTERRUPTED: &str = "The server stopped while this was being written. What there is was kept.";

/// Replies without a task that were found in the round before, by chat and message, with the time of their last writing.
#[derive(Debug, Default)]
pub struct Orphans {
    suspects: HashMap<(String, String), i64>,
}

impl Replies {
    /// Ends every reply that is not done; says how many there were. Only for a node that is alone and has begun none itself.
    pub async fn end_interrupted(&self) -> Result<usize, StorageError> {
        let mut ended = 0;
        loop {
            // They come in portions.
            let before = ended;
            for message in self.services.database.messages().unfinished(i64::MAX).await? {
                ended += usize::from(self.interrupt(&message).await?);
            }
            if ended == before {
                return Ok(ended);
            }
        }
    }

    /// Ends those replies that no node of the fleet has a task for, now and in the round before, and that were not written in
    /// between; says how many.
    ///
    /// While the other nodes' tasks are not known, nothing is ended. Any node may do it, and several at once: a reply is ended once.
    pub async fn end_orphans(&self, orphans: &mut Orphans) -> Result<usize, StorageError> {
        if !self.services.tasks.knows_all() {
            orphans.suspects.clear();
            return Ok(0);
        }
        let mut suspects = HashMap::new();
        let mut ended = 0;
        for message in self.services.database.messages().unfinished(i64::MAX).await? {
            if !self.services.tasks.of_item(&message.chat_id).await.is_empty() {
                continue;
            }
            let key = (message.chat_id.clone(), message.id.clone());
            if orphans.suspects.get(&key) == Some(&message.updated_at) {
                ended += usize::from(self.interrupt(&message).await?);
            } else {
                suspects.insert(key, message.updated_at);
            }
        }
        orphans.suspects = suspects;
        Ok(ended)
    }

    async fn interrupt(&self, message: &UnfinishedMessage) -> Result<bool, StorageError> {
        let error: Value = json!({ "content": INTERRUPTED });
        if !self.services.database.messages().interrupt(message, &error).await? {
            return Ok(false);
        }
        let realtime = self.services.realtime.clone();
        let audience = Audience::new(realtime, &message.user_id, &message.chat_id, &message.id);
        audience.tell("chat:message:error", &json!({ "error": error, "done": true })).await;
        Ok(true)
    }
}
