//! Small jobs that run beside the requests of a node.

use antiphon_state::{Limits, Presence, ReplyLogs};
use antiphon_storage::{Database, StorageError};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two sweeps of what expires in memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Drops what has expired, until `stop`.
pub(crate) async fn sweep(limits: Limits, presence: Presence, logs: ReplyLogs, stop: CancellationToken) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        limits.purge();
        presence.purge();
        logs.purge();
    }
}

/// Ends the answers that a process before this one left unfinished; says how many there were.
///
/// Right only while this node is alone: in a fleet another node may be writing them.
pub(crate) async fn end_interrupted(database: &Database) -> Result<usize, StorageError> {
    let error =
        json!({ "content": "The server stopped while this was being written. What there is was kept." });
    let mut ended = 0;
    loop {
        // Nothing runs yet, so everything that was written before now is somebody else's. They come in portions.
        let before = ended;
        for message in database.messages().unfinished(i64::MAX).await? {
            ended += usize::from(database.messages().interrupt(&message, &error).await?);
        }
        if ended == before {
            return Ok(ended);
        }
    }
}
