//! Attempts of all nodes, counted in Redis under the reference's keys.
//!
//! `{prefix}:ratelimit:{key}:{bucket}`: string counter, one for each minute, expiring with the window. The key of a sign-in is the
//! e-mail address in lower case; other rules put their name before it. One script counts and sums.

use std::time::Duration;

use tokio::time::timeout;

use super::{BUCKET_SECONDS, Counter, RateLimit, SIGN_IN};
use crate::exchange::Exchange;
use crate::redis::{Repeat, Script};

/// Longest wait for the fleet's count; without it the node's own counts.
const COUNTING: Duration = Duration::from_millis(250);

/// Counts in the bucket `KEYS[1]`, which lives `ARGV[1]` seconds, and gives the counts of all buckets.
const COUNT: &str = "if redis.call('INCR', KEYS[1]) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
local counts = {}
for index, key in ipairs(KEYS) do counts[index] = tonumber(redis.call('GET', key) or '0') end
return counts";

/// Counts an attempt of this moment; `None` when Redis does not answer in time.
pub(super) async fn count(exchange: &Exchange, rule: RateLimit, key: &str, now: u64) -> Option<Counter> {
    let bucket = now / BUCKET_SECONDS;
    let key = key.to_lowercase();
    let key = if rule.name == SIGN_IN.name { key } else { format!("{}:{key}", rule.name) };
    let buckets: Vec<u64> = (0..=rule.past_buckets()).map(|past| bucket.saturating_sub(past)).collect();
    let keys: Vec<String> =
        buckets.iter().map(|bucket| exchange.key(&format!("ratelimit:{key}:{bucket}"))).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let lifetime = (rule.window.as_secs() + BUCKET_SECONDS).to_string();
    let script = Script::new(COUNT);
    // Counted twice after a break is stricter, never looser.
    let arguments = [lifetime.as_bytes()];
    let counted = exchange.script::<Vec<u32>>(Repeat::Idempotent, &script, &keys, &arguments);
    match timeout(COUNTING, counted).await {
        Ok(Ok(counts)) => {
            let mut buckets: Vec<(u64, u32)> =
                buckets.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
            buckets.reverse();
            Some(Counter { buckets, expires: bucket + rule.past_buckets() + 1 })
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "attempts are counted by this node alone");
            None
        }
        Err(_) => None,
    }
}
