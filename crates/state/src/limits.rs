//! Rate limits, counted in buckets of one minute.
//!
//! The rule is that of the fleet's shared counters: an attempt is counted in the bucket of its minute, then the
//! buckets of the window (its first and last minute included) are summed, and the attempt is refused when the sum is
//! above the limit. A refused attempt counts too. The node holds keys as digests, never in clear. In a fleet an attempt is
//! counted in Redis as well, whether the node refuses it or not, and refused when either count says so. Once a node has
//! told of as many attempts in one bucket as the limit allows, it tells no more of that bucket: with those alone the
//! fleet refuses everything until the bucket has left the window, so further ones change no decision and whoever keeps
//! trying costs Redis nothing.

mod fleet;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::exchange::Exchange;

/// Seconds of one bucket.
pub const BUCKET_SECONDS: u64 = 60;

/// Sign-in attempts for one e-mail address.
pub const SIGN_IN: RateLimit = RateLimit { name: "sign_in", limit: 15, window: Duration::from_mins(3) };

/// Parts the table is split into, so that a full part is searched quickly.
const SHARDS: usize = 256;

/// Most keys held per part; the table holds `SHARDS` times as many (131,072).
const MAX_KEYS_PER_SHARD: usize = 512;

type Key = [u8; 16];

/// How many attempts are allowed in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What is limited; keys of different limits never meet.
    pub name: &'static str,
    /// Attempts allowed within the window.
    pub limit: u32,
    /// Length of the window; counted in whole minutes.
    pub window: Duration,
}

impl RateLimit {
    /// Buckets before the current one that still count.
    fn past_buckets(&self) -> u64 {
        self.window.as_secs() / BUCKET_SECONDS
    }
}

/// Whether an attempt may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The attempt is within the limit.
    Allowed,
    /// The attempt is refused; one made after `retry_after` is allowed if nothing else is tried meanwhile.
    Limited {
        /// Time until then, at least one second.
        retry_after: Duration,
    },
}

impl Decision {
    /// The one of two opinions that lets somebody wait longer.
    fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allowed, decision) | (decision, Self::Allowed) => decision,
            (Self::Limited { retry_after: one }, Self::Limited { retry_after: two }) => {
                Self::Limited { retry_after: one.max(two) }
            }
        }
    }
}

/// The counters of all limits. Clones share them.
#[derive(Clone, Debug)]
pub struct Limits {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    shards: Vec<Mutex<HashMap<Key, Counter>>>,
    exchange: Option<Exchange>,
}

/// Attempts per bucket, oldest first; at most one entry per bucket of the window.
#[derive(Debug)]
struct Counter {
    buckets: Vec<(u64, u32)>,
    /// The first bucket at which nothing here counts any more.
    expires: u64,
}

impl Limits {
    /// Counters that all stand at zero.
    pub fn new(clock: Clock) -> Self {
        Self::build(clock, None)
    }

    /// Counters of a node that counts together with others.
    pub fn fleet(clock: Clock, exchange: Exchange) -> Self {
        Self::build(clock, Some(exchange))
    }

    fn build(clock: Clock, exchange: Option<Exchange>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { inner: Arc::new(Inner { clock, shards, exchange }) }
    }

    /// Counts one attempt under `key` (case is ignored) and says whether it may go on.
    pub async fn hit(&self, rule: RateLimit, key: &str) -> Decision {
        let now = self.inner.clock.unix_seconds();
        let (here, in_bucket) = self.hit_here(rule, key, now);
        match &self.inner.exchange {
            Some(exchange) if in_bucket <= rule.limit => match fleet::count(exchange, rule, key, now).await {
                Some(counter) => here.stricter(counter.decide(rule, now)),
                None => here,
            },
            _ => here,
        }
    }

    /// Counts an attempt in the node's own counters; also says which of its bucket it is, the first being 1.
    fn hit_here(&self, rule: RateLimit, key: &str, now: u64) -> (Decision, u32) {
        let bucket = now / BUCKET_SECONDS;
        let key = digest(rule, key);
        let mut shard = self.inner.shards[usize::from(key[0]) % SHARDS].lock();
        if !shard.contains_key(&key) && shard.len() >= MAX_KEYS_PER_SHARD {
            make_room(&mut shard, bucket);
        }
        let counter =
            shard.entry(key).or_insert_with(|| Counter { buckets: Vec::with_capacity(1), expires: 0 });
        counter.expires = bucket + rule.past_buckets() + 1;
        counter.buckets.retain(|(at, _)| at + rule.past_buckets() >= bucket);
        let in_bucket = match counter.buckets.last_mut() {
            Some((at, count)) if *at == bucket => {
                *count = count.saturating_add(1);
                *count
            }
            _ => {
                counter.buckets.push((bucket, 1));
                1
            }
        };
        (counter.decide(rule, now), in_bucket)
    }

    /// Drops counters whose window has passed, and says how many.
    pub fn purge(&self) -> usize {
        let bucket = self.inner.clock.unix_seconds() / BUCKET_SECONDS;
        let mut dropped = 0;
        for shard in &self.inner.shards {
            let mut shard = shard.lock();
            let before = shard.len();
            shard.retain(|_, counter| counter.expires > bucket);
            dropped += before - shard.len();
        }
        dropped
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Counter {
    fn total(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    fn decide(&self, rule: RateLimit, now: u64) -> Decision {
        let limit = u64::from(rule.limit);
        let mut total = self.total();
        if total <= limit {
            return Decision::Allowed;
        }
        // The attempt that comes back counts as well, so the buckets must fall to one below the limit.
        let mut free_at = now + 1;
        for (bucket, count) in &self.buckets {
            if total < limit {
                break;
            }
            total -= u64::from(*count);
            free_at = (bucket + rule.past_buckets() + 1) * BUCKET_SECONDS;
        }
        Decision::Limited { retry_after: Duration::from_secs(free_at.saturating_sub(now).max(1)) }
    }
}

/// Drops what no longer counts, or else the key with the fewest attempts: whoever floods the table with ever new
/// keys pushes out those, not the counters of the addresses under attack.
fn make_room(shard: &mut HashMap<Key, Counter>, bucket: u64) {
    shard.retain(|_, counter| counter.expires > bucket);
    if shard.len() < MAX_KEYS_PER_SHARD {
        return;
    }
    let least =
        shard.iter().min_by_key(|(_, counter)| (counter.total(), counter.expires)).map(|(key, _)| *key);
    if let Some(key) = least {
        shard.remove(&key);
    }
}

fn digest(rule: RateLimit, key: &str) -> Key {
    let mut hasher = Sha256::new();
    hasher.update(rule.name.as_bytes());
    hasher.update([0]);
    hasher.update(key.to_lowercase().as_bytes());
    let digest = hasher.finalize();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A multiple of the bucket length.
    const MINUTE: u64 = 1_800_000_000 - 1_800_000_000 % BUCKET_SECONDS;

    async fn hits(limits: &Limits, key: &str, times: u32) -> Decision {
        let mut last = Decision::Allowed;
        for _ in 0..times {
            last = limits.hit(SIGN_IN, key).await;
        }
        last
    }

    #[tokio::test]
    async fn the_sixteenth_sign_in_of_a_window_is_refused() {
        let limits = Limits::new(Clock::manual(MINUTE));
        assert_eq!(hits(&limits, "ada@example.org", 15).await, Decision::Allowed);
        assert_eq!(
            limits.hit(SIGN_IN, "ADA@example.org").await,
            Decision::Limited { retry_after: Duration::from_mins(4) }
        );
        assert_eq!(limits.hit(SIGN_IN, "bob@example.org").await, Decision::Allowed);
    }

    #[tokio::test]
    async fn the_window_counts_the_current_and_three_past_buckets() {
        let clock = Clock::manual(MINUTE);
        let limits = Limits::new(clock.clone());
        hits(&limits, "ada", 15).await;
        clock.advance(Duration::from_secs(239));
        assert!(matches!(limits.hit(SIGN_IN, "ada").await, Decision::Limited { .. }));
        clock.advance(Duration::from_secs(1));
        // The first minute has left; what remains is the refused attempt and this one.
        assert_eq!(limits.hit(SIGN_IN, "ada").await, Decision::Allowed);
    }

    #[tokio::test]
    async fn whoever_waits_as_told_is_let_in() {
        let clock = Clock::manual(MINUTE + 17);
        let limits = Limits::new(clock.clone());
        hits(&limits, "ada", 10).await;
        clock.advance(Duration::from_mins(1));
        let Decision::Limited { retry_after } = hits(&limits, "ada", 6).await else { panic!("not limited") };
        assert_eq!(retry_after, Duration::from_secs(240 - 77));
        clock.advance(retry_after.checked_sub(Duration::from_secs(1)).unwrap());
        assert!(matches!(limits.hit(SIGN_IN, "ada").await, Decision::Limited { .. }));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limits.hit(SIGN_IN, "ada").await, Decision::Allowed);
    }

    #[tokio::test]
    async fn limits_of_different_names_do_not_share_a_counter() {
        let limits = Limits::new(Clock::manual(MINUTE));
        let one = RateLimit { name: "one", limit: 1, window: Duration::from_mins(1) };
        let two = RateLimit { name: "two", ..one };
        assert_eq!(limits.hit(one, "k").await, Decision::Allowed);
        assert_eq!(limits.hit(two, "k").await, Decision::Allowed);
        assert!(matches!(limits.hit(one, "k").await, Decision::Limited { .. }));
    }

    #[tokio::test]
    async fn a_flood_of_keys_stays_bounded_and_does_not_free_the_one_under_attack() {
        let limits = Limits::new(Clock::manual(MINUTE));
        hits(&limits, "victim", 16).await;
        for n in 0..(SHARDS * MAX_KEYS_PER_SHARD + 50_000) {
            limits.hit(SIGN_IN, &n.to_string()).await;
        }
        assert!(limits.len() <= SHARDS * MAX_KEYS_PER_SHARD);
        assert!(matches!(limits.hit(SIGN_IN, "victim").await, Decision::Limited { .. }));
    }

    #[tokio::test]
    async fn purge_drops_counters_whose_window_has_passed() {
        let clock = Clock::manual(MINUTE);
        let limits = Limits::new(clock.clone());
        hits(&limits, "ada", 3).await;
        assert_eq!(limits.purge(), 0);
        clock.advance(Duration::from_mins(4));
        assert_eq!(limits.purge(), 1);
        assert!(limits.is_empty());
    }
}
