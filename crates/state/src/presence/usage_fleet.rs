//! Which models are in use on other nodes.
//!
//! ```text
//! {prefix}:usage_pool        hash: model → {session: {"updated_at": Unix seconds}}, as the reference has it; 10 s after the last sign
//! {prefix}:antiphon:usage    channel: {"node", "models": {model: [session]}}
//! ```
//!
//! A sign is worth nothing after three seconds, so what could not be told is not told later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{Inner, USAGE_EXPIRY};
use crate::exchange::{Exchange, Listener};
use crate::membership::Part;
use crate::redis::{Repeat, Result, Script};

/// Time in which signs are collected.
const COLLECTING: Duration = Duration::from_millis(250);
/// Signs that wait; further ones are left out.
const MAX_WAITING: usize = 10_000;
/// Lifetime of the hash after the last sign, in seconds: longer than a sign counts, and short enough that what sockets which
/// are gone have left there is soon gone too.
const LIFETIME: u64 = 10;

/// Merges signs into the hash, drops those that count no more, and tells the others.
///
/// While a server of the reference takes out what counts no more, the hash stays: its entries must not end with ours.
///
/// KEYS: pool, lock of the reference's cleaner. ARGV: Unix seconds now, seconds that a sign counts, lifetime in seconds, channel, message.
const WRITE: &str = r"
local now = tonumber(ARGV[1])
for model, sessions in pairs(cjson.decode(ARGV[5]).models) do
  local known, users = pcall(cjson.decode, redis.call('HGET', KEYS[1], model) or '{}')
  if not known or type(users) ~= 'table' then users = {} end
  for session, sign in pairs(users) do
    if type(sign) ~= 'table' or (tonumber(sign.updated_at) or 0) + ARGV[2] < now then users[session] = nil end
  end
  for _, session in ipairs(sessions) do users[session] = {updated_at = now} end
  redis.call('HSET', KEYS[1], model, cjson.encode(users))
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
";

/// Signs on their way.
#[derive(Debug, Serialize, Deserialize)]
struct Signs {
    node: String,
    models: BTreeMap<String, BTreeSet<String>>,
}

/// Tells the others of the signs of this node.
pub(super) struct UsageSender {
    presence: Arc<Inner>,
    exchange: Exchange,
    channel: String,
    pool: String,
    cleaner: String,
    waiting: Mutex<Vec<(String, String)>>,
    wake: Notify,
    script: Script,
}

impl UsageSender {
    pub(super) fn new(presence: Arc<Inner>, exchange: Exchange) -> Self {
        Self {
            presence,
            channel: exchange.channel("antiphon:usage"),
            pool: exchange.socket_key("usage_pool"),
            cleaner: exchange.socket_key("usage_cleanup_lock"),
            exchange,
            waiting: Mutex::default(),
            wake: Notify::new(),
            script: Script::new(WRITE),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Notes a sign of an own session.
    pub(super) fn note(&self, session_id: &str, model_id: &str) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < MAX_WAITING {
            waiting.push((model_id.to_owned(), session_id.to_owned()));
        }
        drop(waiting);
        self.wake.notify_one();
    }

    async fn send(&self) -> Result<()> {
        let mut signs = Signs { node: self.exchange.node_id().to_string(), models: BTreeMap::new() };
        for (model, session) in std::mem::take(&mut *self.waiting.lock()) {
            signs.models.entry(model).or_default().insert(session);
        }
        if signs.models.is_empty() {
            return Ok(());
        }
        let message = serde_json::to_vec(&signs).unwrap_or_default();
        let now = self.presence.clock.unix_seconds().to_string();
        let (counts, lifetime) = (USAGE_EXPIRY.as_secs().to_string(), LIFETIME.to_string());
        let arguments =
            [now.as_bytes(), counts.as_bytes(), lifetime.as_bytes(), self.channel.as_bytes(), &message];
        let keys: [&str; 2] = [&self.pool, &self.cleaner];
        self.exchange.socket_script(Repeat::Idempotent, &self.script, &keys, &arguments).await
    }
}

impl Part for UsageSender {
    fn run(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                self.wake.notified().await;
                if let Err(error) = self.send().await {
                    tracing::debug!(%error, "the others are not told which models are in use here");
                }
                sleep(COLLECTING).await;
            }
        })
    }
}

/// Hears signs of other nodes.
pub(super) struct UsageEar(pub(super) Weak<UsageSender>);

impl Listener for UsageEar {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(sender) = self.0.upgrade() else { return };
        let Ok(signs) = serde_json::from_slice::<Signs>(payload) else {
            tracing::debug!(channel, "a message that tells of no models in use was left out");
            return;
        };
        if signs.node == **sender.exchange.node_id() {
            return;
        }
        // By this node's clock: the clocks of nodes may differ by more than a sign counts.
        let now = sender.presence.clock.unix_millis();
        let mut usage = sender.presence.usage.lock();
        for (model, sessions) in &signs.models {
            for session in sessions {
                usage.note(session, model, now);
            }
        }
    }

    fn resumed(&self, _gap: Duration) {}
}

impl fmt::Debug for UsageSender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UsageSender").field("channel", &self.channel).finish_non_exhaustive()
    }
}
