//! Attempts counted by all nodes together, in Redis at the main servers.
//!
//! ```text
//! {prefix}:ratelimit:{key in lower case}:{minute}    counter, as the reference has it; window + 60 s
//! ```
//!
//! `{minute}` is the Unix time divided by 60. The keys of sign-ins are e-mail addresses; those of other limits begin with the name
//! of the limit.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{BUCKET_SECONDS, RateLimit, SIGN_IN};
use crate::exchange::Exchange;
use crate::redis::{Repeat, Script};

/// How long an attempt waits for Redis. Then the count of this node alone decides.
const COUNTED_WITHIN: Duration = Duration::from_millis(250);

/// Longest key that is held as it is, in bytes; of a longer one the digest is.
const MAX_KEY: usize = 320;

/// Counts an attempt in the last bucket, and gives the counts of all.
///
/// KEYS: the buckets of the window, oldest first. ARGV: lifetime of a bucket in seconds.
const COUNT: &str = r"
redis.call('INCR', KEYS[#KEYS])
redis.call('EXPIRE', KEYS[#KEYS], ARGV[1])
local counts = {}
for at, key in ipairs(KEYS) do counts[at] = tonumber(redis.call('GET', key) or '0') or 0 end
return counts
";

/// The counters of the fleet.
#[derive(Debug)]
pub(super) struct FleetCounters {
    exchange: Exchange,
    script: Script,
}

impl FleetCounters {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange, script: Script::new(COUNT) }
    }

    /// Counts an attempt in the minute `bucket`; gives the attempts per bucket of the window, oldest first, or `None` when Redis
    /// does not answer in time.
    pub(super) async fn count(&self, rule: RateLimit, key: &str, bucket: u64) -> Option<Vec<(u64, u32)>> {
        let connections = self.exchange.connections().ok()?;
        if !connections.main().is_up() {
            return None;
        }
        let key = self.key(rule, key);
        let buckets = bucket.saturating_sub(rule.past_buckets())..=bucket;
        let keys: Vec<String> = buckets.clone().map(|bucket| format!("{key}:{bucket}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let lifetime = (rule.window.as_secs() + BUCKET_SECONDS).to_string();
        let arguments = [lifetime.as_bytes()];
        // Counting twice would refuse too early, so an attempt whose fate is unknown is not repeated.
        let counting = connections.main().script(Repeat::Once, &self.script, &keys, &arguments);
        let counts: Vec<u32> = match timeout(COUNTED_WITHIN, counting).await {
            Ok(Ok(counts)) => counts,
            Ok(Err(error)) => {
                tracing::debug!(%error, limit = rule.name, "an attempt is counted by this node alone");
                return None;
            }
            Err(_) => {
                tracing::debug!(limit = rule.name, "Redis is slow: an attempt is counted by this node alone");
                return None;
            }
        };
        Some(buckets.zip(counts).collect())
    }

    fn key(&self, rule: RateLimit, key: &str) -> String {
        let mut key = key.to_lowercase();
        if key.len() > MAX_KEY {
            key = format!("{:x}", Sha256::digest(key.as_bytes()));
        }
        if rule.name == SIGN_IN.name {
            self.exchange.key(&format!("ratelimit:{key}"))
        } else {
            self.exchange.key(&format!("ratelimit:{}:{key}", rule.name))
        }
    }
}
