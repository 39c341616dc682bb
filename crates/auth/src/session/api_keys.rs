//! API keys already looked up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use ring::digest;
use tokio::time::Instant;

use crate::accounts::Accounts;
use crate::error::{AuthError, Result};
use crate::identity::{LOAD_TIMEOUT, OUTAGE_LIMIT};

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "sk-";

/// Longest API key that is looked up.
const MAX_KEY_BYTES: usize = 512;

/// How long a lookup is believed.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Most keys held. A full table is emptied: every key in use is back after one lookup.
const MAX_KEYS: usize = 10_000;

type Digest = [u8; 32];

/// The accounts of keys in use, by the keys' digests: no key is kept in clear.
#[derive(Debug, Default)]
pub(super) struct ApiKeys {
    keys: RwLock<HashMap<Digest, Entry>>,
    /// Grows with every invalidation, so that a lookup that began before one is not kept.
    changes: AtomicU64,
}

#[derive(Clone, Debug)]
struct Entry {
    user_id: Arc<str>,
    looked_up_at: Instant,
}

impl ApiKeys {
    /// The account of a key; `None` when the key is not (or no longer) one.
    pub(super) async fn user_id(&self, accounts: &dyn Accounts, key: &str) -> Result<Option<Arc<str>>> {
        if key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        let digest = digest_of(key);
        let known = self.keys.read().get(&digest).cloned();
        let age = known.as_ref().map(|entry| entry.looked_up_at.elapsed());
        if let (Some(entry), Some(age)) = (&known, age)
            && age < MAX_AGE
        {
            return Ok(Some(Arc::clone(&entry.user_id)));
        }
        let changes = self.changes.load(Ordering::Acquire);
        let found = match tokio::time::timeout(LOAD_TIMEOUT, accounts.find_api_key(key)).await {
            Ok(found) => found,
            Err(_) => Err(AuthError::Unavailable),
        };
        match (found, known) {
            (Ok(user_id), _) => {
                self.keep(digest, user_id.clone(), changes);
                Ok(user_id)
            }
            (Err(_), Some(entry)) if age.is_some_and(|age| age < OUTAGE_LIMIT) => Ok(Some(entry.user_id)),
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets the keys of an account.
    pub(super) fn invalidate_user(&self, user_id: &str) {
        let mut keys = self.keys.write();
        self.changes.fetch_add(1, Ordering::Release);
        keys.retain(|_, entry| &*entry.user_id != user_id);
    }

    pub(super) fn clear(&self) {
        let mut keys = self.keys.write();
        self.changes.fetch_add(1, Ordering::Release);
        keys.clear();
    }

    /// Drops what could not be served any more.
    pub(super) fn purge(&self) {
        self.keys.write().retain(|_, entry| entry.looked_up_at.elapsed() < OUTAGE_LIMIT);
    }

    fn keep(&self, digest: Digest, user_id: Option<Arc<str>>, changes: u64) {
        let mut keys = self.keys.write();
        match user_id {
            Some(user_id) if self.changes.load(Ordering::Acquire) == changes => {
                if keys.len() >= MAX_KEYS && !keys.contains_key(&digest) {
                    keys.clear();
                }
                keys.insert(digest, Entry { user_id, looked_up_at: Instant::now() });
            }
            Some(_) => {}
            None => {
                keys.remove(&digest);
            }
        }
    }
}

fn digest_of(key: &str) -> Digest {
    let mut bytes = Digest::default();
    bytes.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
    bytes
}
