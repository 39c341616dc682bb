//! How far people have read in channels: gathered in memory and stored together.
//!
//! The web client says that it has read a channel with every event it gets there, so that one message in a channel of
//! a hundred people comes back as a hundred marks. They are stored with one statement instead of a hundred.

use antiphon_state::Clock;
use antiphon_storage::{Database, ReadMark};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a mark waits for others.
const WINDOW: Duration = Duration::from_millis(200);

/// Most people whose marks wait; those of others are dropped, and come again with the next event they get.
const MAX_PEOPLE: usize = 100_000;

/// Most channels of one person whose marks wait.
const MAX_CHANNELS: usize = 1_000;

/// Marks on their way to SQL.
pub(crate) struct ReadMarks {
    database: Database,
    clock: Clock,
    pending: Mutex<Pending>,
    /// Held while marks are taken and stored, so that whoever holds it knows that none is between the two.
    storing: tokio::sync::Mutex<()>,
}

/// Unix nanoseconds by channel, by user.
#[derive(Default)]
struct Pending {
    marks: HashMap<String, HashMap<String, i64>>,
    /// Whether somebody will store them.
    scheduled: bool,
}

impl ReadMarks {
    pub(crate) fn new(database: Database, clock: Clock) -> Arc<Self> {
        Arc::new(Self { database, clock, pending: Mutex::default(), storing: tokio::sync::Mutex::default() })
    }

    /// Notes that the user has read the channel up to now. Never waits for the database.
    pub(crate) fn mark(self: &Arc<Self>, user_id: &str, channel_id: &str) {
        let now = i64::try_from(self.clock.unix_nanos()).unwrap_or(i64::MAX);
        let mut pending = self.pending();
        if !pending.note(user_id, channel_id, now) || pending.scheduled {
            return;
        }
        pending.scheduled = true;
        drop(pending);
        let marks = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(WINDOW).await;
            let _storing = marks.storing.lock().await;
            let waiting = {
                let mut pending = marks.pending();
                pending.scheduled = false;
                std::mem::take(&mut pending.marks)
            };
            marks.store(waiting).await;
        });
    }

    /// Stores what the user has read before anybody asks SQL about it.
    pub(crate) async fn settle(&self, user_id: &str) {
        let _storing = self.storing.lock().await;
        let waiting = self.pending().marks.remove_entry(user_id);
        if let Some(waiting) = waiting {
            self.store(HashMap::from([waiting])).await;
        }
    }

    /// Stores what the user has read as a socket of theirs goes: the node may stop next.
    pub(crate) async fn leave(&self, user_id: &str) {
        if self.pending().marks.contains_key(user_id) {
            self.settle(user_id).await;
        }
    }

    async fn store(&self, waiting: HashMap<String, HashMap<String, i64>>) {
        let marks = waiting.into_iter().flat_map(|(user_id, channels)| {
            channels.into_iter().map(move |(channel_id, at)| ReadMark {
                channel_id,
                user_id: user_id.clone(),
                at,
            })
        });
        if let Err(error) = self.database.channels().mark_read(marks.collect()).await {
            tracing::debug!(%error, "how far people have read could not be stored; they are asked again with the next event");
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Gives `false` if there is no room for the mark.
    fn note(&mut self, user_id: &str, channel_id: &str, at: i64) -> bool {
        if let Some(channels) = self.marks.get_mut(user_id) {
            if channels.len() >= MAX_CHANNELS && !channels.contains_key(channel_id) {
                return false;
            }
            channels.insert(channel_id.to_owned(), at);
            return true;
        }
        if self.marks.len() >= MAX_PEOPLE {
            return false;
        }
        self.marks.insert(user_id.to_owned(), HashMap::from([(channel_id.to_owned(), at)]));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_counts_and_the_number_is_bounded() {
        let mut pending = Pending::default();
        for channel in 0..MAX_CHANNELS {
            assert!(pending.note("ada", &channel.to_string(), 1));
        }
        assert!(!pending.note("ada", "one more", 2));
        assert!(pending.note("ada", "0", 3));
        assert_eq!(pending.marks["ada"]["0"], 3);
        assert!(pending.note("bob", "0", 1));
    }
}
