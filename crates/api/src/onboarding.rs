//! The first account of a server, and sign-ups one after the other.
//!
//! The first account becomes the administrator and sign-up is then switched off. Between making the account and
//! switching off, nobody else may slip in: sign-ups of this node take turns.

use antiphon_storage::{Database, StorageError};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// Whether there are accounts, and whose turn it is to make one.
#[derive(Default)]
pub(crate) struct Onboarding {
    turns: Mutex<()>,
    /// Never turns false again: the last administrator cannot be deleted.
    begun: AtomicBool,
}

impl Onboarding {
    /// Whether the server has an account. Asks SQL only until there is one.
    pub(crate) async fn has_accounts(&self, database: &Database) -> Result<bool, StorageError> {
        if self.begun.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let found = database.users().count().await? > 0;
        if found {
            self.begun.store(true, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Waits for one's turn. Bounded by the bounds of the few SQL statements of those before.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }
}
