//! One change at a time to what an account keeps as one JSON value.

use std::hash::{BuildHasher, RandomState};
use tokio::sync::{Mutex, MutexGuard};

/// Locks there are; accounts share them by hash.
const SHARDS: usize = 64;

/// Locks by account, so that two tabs that each change another setting at once both get their way.
pub(crate) struct UserLocks {
    hasher: RandomState,
    shards: [Mutex<()>; SHARDS],
}

impl Default for UserLocks {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::new(())) }
    }
}

impl UserLocks {
    /// Waits until no other change of the account is under way on this node. Bounded by the bounds of SQL.
    pub(crate) async fn lock(&self, user_id: &str) -> MutexGuard<'_, ()> {
        let shard = usize::try_from(self.hasher.hash_one(user_id) % SHARDS as u64).unwrap_or_default();
        self.shards[shard].lock().await
    }
}
