//! A hash map in shards, each behind its own lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::RwLock;

/// Shards; far more than the cores which contend for them.
const SHARDS: usize = 64;

/// A concurrent map. Locks are held for the length of one call and never across an await.
pub(crate) struct Sharded<K, V> {
    shards: Box<[RwLock<HashMap<K, V>>]>,
    hasher: RandomState,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    /// The shard that holds `key`.
    pub(crate) fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V>> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        &self.shards[index]
    }

    /// All shards, to walk over them.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &RwLock<HashMap<K, V>>> {
        self.shards.iter()
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.shard(&key).write().insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key).write();
        let removed = shard.remove(key);
        // A wave of disconnects gives its memory back.
        if shard.capacity() > 64 && shard.len() * 4 < shard.capacity() {
            let target = shard.len() * 2;
            shard.shrink_to(target);
        }
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}

impl<K: Eq + Hash, V: Clone> Sharded<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.shard(key).read().get(key).cloned()
    }

    /// A copy of all values.
    pub(crate) fn values(&self) -> Vec<V> {
        self.shards().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>()).collect()
    }
}
