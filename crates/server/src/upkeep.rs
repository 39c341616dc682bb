//! Small jobs that run beside the requests of a node.

use antiphon_generation::{Orphans, Replies};
use antiphon_state::{Held, Limits, Locks, Presence, ReplyLogs};
use antiphon_storage::StorageError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two sweeps of what expires in memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two looks for answers whose node is gone: what is found twice is ended.
const ORPHAN_INTERVAL: Duration = Duration::from_secs(10);

/// The lock of the node that looks.
const ORPHAN_LOCK: &str = "orphans";

/// How long the lock of a killed node keeps others from looking: as long as it counts as living.
const ORPHAN_LOCK_LIFETIME: Duration = Duration::from_secs(15);

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

/// Ends the answers that the last run of a node alone left unfinished.
pub(crate) async fn end_interrupted(replies: &Replies) -> Result<(), StorageError> {
    let interrupted = replies.end_interrupted().await?;
    if interrupted > 0 {
        tracing::info!(
            interrupted,
            "answers that the last run left unfinished were ended with the text they had"
        );
    }
    Ok(())
}

/// Ends the answers of nodes that are gone, until `stop`. One node of the fleet does it; ending one twice would do no harm.
pub(crate) async fn end_orphans(replies: Replies, locks: Locks, stop: CancellationToken) {
    let mut interval = tokio::time::interval(ORPHAN_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut held: Option<Held> = None;
    let mut orphans = Orphans::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        if held.as_ref().is_none_or(|held| held.lost().is_cancelled()) {
            orphans = Orphans::default();
            // While Redis is away nobody knows which nodes live, so there is nothing to do.
            held = locks.take(ORPHAN_LOCK, ORPHAN_LOCK_LIFETIME).await.unwrap_or_default();
        }
        if held.is_none() {
            continue;
        }
        match replies.end_orphans(&mut orphans).await {
            Ok(0) => {}
            Ok(ended) => {
                tracing::info!(ended, "answers of a node that is gone were ended with the text they had");
            }
            Err(error) => tracing::debug!(%error, "answers of other nodes could not be looked at"),
        }
    }
}
