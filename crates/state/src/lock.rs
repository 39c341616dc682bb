//! Work that one node of the fleet does at a time.
//!
//! ```text
//! {prefix}:antiphon:lock:{name}          string: token of the holder; the lifetime of the lock
//! {prefix}:antiphon:lock:{name}:fence    string: the last fencing number; a day
//! ```
//!
//! A lock in Redis is a matter of time: a holder that stands still for longer than the lifetime has lost it without knowing. Who
//! writes under a lock therefore passes on the [`Held::fence`], and whatever is written to refuses smaller numbers than it has seen;
//! or the work may be done twice without harm, and the lock only saves effort.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::exchange::Exchange;
use crate::membership::CLOCK;
use crate::redis::{Repeat, Result, Script};

/// Shortest and longest lifetime of a lock.
const LIFETIME: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

/// Renewals in one lifetime.
const RENEWALS: u32 = 3;

/// Takes the lock and gives its fencing number, or 0 when another has it.
///
/// The number is at least the time in milliseconds, so that it grows even when Redis has lost everything. KEYS: lock, fence. ARGV:
/// token, lifetime in milliseconds.
const TAKE: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local fence = math.max((tonumber(redis.call('GET', KEYS[2]) or '0') or 0) + 1, now())
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'EX', 86400)
return fence
";

/// Renews the lock, if it is the holder's; gives 1 or 0. KEYS: lock. ARGV: token, lifetime in milliseconds.
const RENEW: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
";

/// Gives the lock back, if it is the holder's. KEYS: lock. ARGV: token.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
";

/// The locks of a fleet.
#[derive(Clone)]
pub struct Locks {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    take: Script,
    renew: Script,
    release: Script,
}

/// A lock that this node has. Dropping it gives it back soon; it is renewed until then.
#[derive(Debug)]
pub struct Held {
    fence: u64,
    lost: CancellationToken,
    /// Ends the renewals, after which the lock is given back.
    done: CancellationToken,
    keeper: Option<JoinHandle<()>>,
}

impl Locks {
    /// The locks of the fleet that this node is in.
    pub fn new(exchange: Exchange) -> Self {
        let inner = Inner {
            exchange,
            take: Script::new(&format!("{CLOCK}{TAKE}")),
            renew: Script::new(RENEW),
            release: Script::new(RELEASE),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes the lock if nobody has it. A holder that ends without giving it back has it until `lifetime` (100 ms to an hour) has
    /// passed since its last renewal. An error means that Redis did not answer; nobody knows then who has it.
    pub async fn take(&self, name: &str, lifetime: Duration) -> Result<Option<Held>> {
        let lifetime = lifetime.clamp(LIFETIME.0, LIFETIME.1);
        let lock = Lock {
            inner: self.inner.clone(),
            key: self.inner.exchange.key(&format!("antiphon:lock:{name}")),
            token: Uuid::new_v4().simple().to_string(),
            lifetime,
        };
        let asked = Instant::now();
        let fence = lock.take().await?;
        if fence == 0 {
            return Ok(None);
        }
        let (lost, done) = (CancellationToken::new(), CancellationToken::new());
        let keeper = tokio::spawn(lock.keep(asked, lost.clone(), done.clone()));
        Ok(Some(Held { fence, lost, done, keeper: Some(keeper) }))
    }
}

/// One attempt to have a lock.
struct Lock {
    inner: Arc<Inner>,
    key: String,
    token: String,
    lifetime: Duration,
}

impl Lock {
    async fn take(&self) -> Result<u64> {
        let fence = format!("{}:fence", self.key);
        let lifetime = self.lifetime.as_millis().to_string();
        let arguments = [self.token.as_bytes(), lifetime.as_bytes()];
        let keys = [self.key.as_str(), &fence];
        self.inner.exchange.script(Repeat::Idempotent, &self.inner.take, &keys, &arguments).await
    }

    async fn renew(&self) -> Result<bool> {
        let lifetime = self.lifetime.as_millis().to_string();
        let arguments = [self.token.as_bytes(), lifetime.as_bytes()];
        self.inner.exchange.script(Repeat::Idempotent, &self.inner.renew, &[&self.key], &arguments).await
    }

    async fn release(&self) -> Result<bool> {
        let arguments = [self.token.as_bytes()];
        self.inner.exchange.script(Repeat::Idempotent, &self.inner.release, &[&self.key], &arguments).await
    }

    /// Renews until the lock is lost or no longer wanted. `asked`: before the command that took it was sent.
    async fn keep(self, asked: Instant, lost: CancellationToken, done: CancellationToken) {
        let pause = self.lifetime / RENEWALS;
        let mut ends = asked + self.lifetime;
        let kept = async {
            loop {
                sleep(pause).await;
                let begin = Instant::now();
                match timeout_at(ends, self.renew()).await {
                    Ok(Ok(true)) => ends = begin + self.lifetime,
                    Ok(Err(error)) if Instant::now() < ends => {
                        tracing::debug!(%error, lock = self.key, "a lock is renewed later");
                    }
                    // Another has it, or nobody knows any more whether one does.
                    Ok(Ok(false) | Err(_)) | Err(_) => return,
                }
            }
        };
        if done.run_until_cancelled(kept).await.is_none() {
            if let Err(error) = self.release().await {
                tracing::debug!(%error, lock = self.key, "a lock is not given back; it ends by itself");
            }
        } else {
            lost.cancel();
        }
    }
}

impl Held {
    /// Greater than that of every earlier holder.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Cancelled when the lock is this node's no more: end the work.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives the lock back, and waits until that is done or has failed.
    pub async fn release(mut self) {
        self.done.cancel();
        if let Some(keeper) = self.keeper.take() {
            // It ends within the bound of a command, and cannot fail to be joined but by a panic.
            let _ = keeper.await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Locks").field("exchange", &self.inner.exchange).finish()
    }
}
