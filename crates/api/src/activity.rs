//! When each account was last seen, written to SQL at most once per interval and account.

use antiphon_state::Clock;
use antiphon_storage::Database;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Most accounts remembered between two writes; beyond it the oldest marks are forgotten, which costs a write each.
const MAX_REMEMBERED: usize = 100_000;

/// Writes "last seen" sparsely.
pub struct Activity {
    database: Database,
    interval: Duration,
    clock: Clock,
    seen: Mutex<HashMap<String, Instant>>,
}

impl Activity {
    /// Writes at most once per `interval` and account (`DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL`).
    pub fn new(database: Database, interval: Duration, clock: Clock) -> Self {
        Self { database, interval, clock, seen: Mutex::default() }
    }

    /// Notes that the account did something now. Never waits for the database.
    pub fn touch(&self, user_id: &str) {
        if !self.is_due(user_id, Instant::now()) {
            return;
        }
        let (database, user_id) = (self.database.clone(), user_id.to_owned());
        let now = i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX);
        tokio::spawn(async move {
            if let Err(error) = database.users().touch(&user_id, now).await {
                tracing::debug!(%error, "the time an account was last seen could not be stored");
            }
        });
    }

    fn is_due(&self, user_id: &str, now: Instant) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.get(user_id).is_some_and(|at| now.duration_since(*at) < self.interval) {
            return false;
        }
        if seen.len() >= MAX_REMEMBERED {
            let interval = self.interval;
            seen.retain(|_, at| now.duration_since(*at) < interval);
            if seen.len() >= MAX_REMEMBERED {
                seen.clear();
            }
        }
        seen.insert(user_id.to_owned(), now);
        true
    }
}
