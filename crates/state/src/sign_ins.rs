//! Sign-ins at a provider between their two halves, which may be at two nodes.
//!
//! ```text
//! {prefix}:session:{id}                    string: JSON, as the reference's session store writes it; ten minutes
//! {prefix}:antiphon:sign_in:{id}:spent     string: 1; ten minutes: that this attempt has been finished
//! ```
//!
//! The id of a session is 32 hexadecimal digits. What is in a session is taken once. What travels elsewhere, in a cookie, is spent
//! once: in Redis, and besides in the memory of each node, which is all there is without Redis or while it is away.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::FromRedisValue;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::redis::{Repeat, Script};

/// Longest wait for Redis, in which somebody looks at an empty page.
const WAIT: Duration = Duration::from_secs(2);

/// Sessions that one node begins in a minute. More stay with the browsers, so that nobody fills Redis by beginning sign-ins.
pub const SESSIONS_PER_MINUTE: u32 = 600;

/// Spent attempts that are remembered by a node; the oldest go first.
pub const MAX_SPENT: usize = 65_536;

/// Fields of a session that a session of the reference has besides.
const METADATA: &str = "__metadata__";

/// KEYS: session. ARGV: content, lifetime in seconds.
const BEGIN: &str = "return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])";

/// Gives the content and removes it. KEYS: session.
const TAKE: &str = "local content = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return content";

/// Gives 1 for who comes first, and for a repetition of the same call. KEYS: mark. ARGV: who, lifetime in seconds.
const SPEND: &str = "local first = redis.call('GET', KEYS[1])
if first then return first == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1";

/// What came of asking for a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It was there, and is no more.
    Session(Map<String, Value>),
    /// It is not there: it was taken before, is too old, or never was.
    Gone,
    /// Redis does not answer.
    Unknown,
}

/// The sign-ins of a fleet. Clones share everything.
#[derive(Clone)]
pub struct SignIns {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    lifetime: Duration,
    exchange: Option<Exchange>,
    /// Whether sessions are kept in Redis at all.
    sessions: bool,
    begun: Mutex<(u64, u32)>,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    until: HashMap<String, u64>,
    /// In the order of coming, which is that of their ends.
    order: VecDeque<String>,
}

impl SignIns {
    /// Sign-ins that take up to `lifetime`; `sessions` says whether what they need is kept in Redis, if there is one.
    pub fn new(clock: Clock, lifetime: Duration, exchange: Option<Exchange>, sessions: bool) -> Self {
        let inner =
            Inner { clock, lifetime, exchange, sessions, begun: Mutex::default(), spent: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Keeps a session in Redis and gives its id. Nothing when it is to travel with the browser: that is how it is set up, Redis does
    /// not answer, or too many have begun.
    pub async fn begin(&self, content: &Map<String, Value>) -> Option<String> {
        let exchange = self.inner.exchange.as_ref().filter(|_| self.inner.sessions)?;
        if !self.may_begin() {
            return None;
        }
        let id = Uuid::new_v4().simple().to_string();
        let now = self.inner.clock.unix_seconds();
        let mut content = content.clone();
        content.insert(METADATA.to_owned(), json!({ "lifetime": 0, "created": now, "last_access": now }));
        let (text, lifetime) = (Value::Object(content).to_string(), self.lifetime());
        let arguments = [text.as_bytes(), lifetime.as_bytes()];
        self.ask::<String>(exchange, BEGIN, &session_key(exchange, &id), &arguments).await.map(|_| id)
    }

    /// Takes a session out of Redis.
    pub async fn take(&self, id: &str) -> Taken {
        let Some(exchange) = &self.inner.exchange else { return Taken::Gone };
        if !is_session_id(id) {
            return Taken::Gone;
        }
        let key = session_key(exchange, id);
        match self.ask::<Option<String>>(exchange, TAKE, &key, &[]).await {
            None => Taken::Unknown,
            Some(None) => Taken::Gone,
            Some(Some(text)) => match serde_json::from_str(&text) {
                Ok(Value::Object(mut content)) => {
                    content.remove(METADATA);
                    Taken::Session(content)
                }
                _ => Taken::Gone,
            },
        }
    }

    /// Says that an attempt is being finished; false when somebody has done so before. `id` is unique and holds no secret.
    pub async fn spend(&self, id: &str) -> bool {
        if !self.spend_here(id) {
            return false;
        }
        let Some(exchange) = &self.inner.exchange else { return true };
        let key = exchange.key(&format!("antiphon:sign_in:{id}:spent"));
        let (who, lifetime) = (Uuid::new_v4().simple().to_string(), self.lifetime());
        let arguments = [who.as_bytes(), lifetime.as_bytes()];
        // Without Redis this node's memory has to do; the provider takes a code once, too.
        self.ask::<u32>(exchange, SPEND, &key, &arguments).await != Some(0)
    }

    fn lifetime(&self) -> String {
        self.inner.lifetime.as_secs().max(1).to_string()
    }

    async fn ask<T: FromRedisValue>(
        &self,
        exchange: &Exchange,
        script: &str,
        key: &str,
        arguments: &[&[u8]],
    ) -> Option<T> {
        let script = Script::new(script);
        let asking = exchange.script::<T>(Repeat::Idempotent, &script, std::slice::from_ref(&key), arguments);
        match timeout(WAIT, asking).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a sign-in goes on without Redis");
                None
            }
            Err(_) => None,
        }
    }

    fn may_begin(&self) -> bool {
        let minute = self.inner.clock.unix_seconds() / 60;
        let mut begun = self.inner.begun.lock();
        if begun.0 != minute {
            *begun = (minute, 0);
        }
        begun.1 = begun.1.saturating_add(1);
        begun.1 <= SESSIONS_PER_MINUTE
    }

    fn spend_here(&self, id: &str) -> bool {
        let now = self.inner.clock.unix_seconds();
        let mut spent = self.inner.spent.lock();
        let Spent { until, order } = &mut *spent;
        while order.len() >= MAX_SPENT
            || order.front().is_some_and(|oldest| until.get(oldest).is_none_or(|until| *until <= now))
        {
            let Some(oldest) = order.pop_front() else { break };
            until.remove(&oldest);
        }
        if until.contains_key(id) {
            return false;
        }
        until.insert(id.to_owned(), now + self.inner.lifetime.as_secs());
        order.push_back(id.to_owned());
        true
    }
}

/// Whether this has the form of the id of a session.
pub fn is_session_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn session_key(exchange: &Exchange, id: &str) -> String {
    exchange.key(&format!("session:{id}"))
}

impl fmt::Debug for SignIns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignIns").field("sessions", &self.inner.sessions).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_mins(10);

    #[tokio::test]
    async fn an_attempt_is_spent_once() {
        let clock = Clock::manual(1_800_000_000);
        let sign_ins = SignIns::new(clock.clone(), LIFETIME, None, true);
        assert!(sign_ins.spend("one").await);
        assert!(!sign_ins.spend("one").await);
        assert!(sign_ins.spend("two").await);
        clock.advance(LIFETIME);
        assert!(sign_ins.spend("three").await);
        assert_eq!(sign_ins.inner.spent.lock().until.len(), 1, "what is too old is forgotten");
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let sign_ins = SignIns::new(Clock::manual(1), LIFETIME, None, false);
        for index in 0..MAX_SPENT + 10 {
            assert!(sign_ins.spend(&index.to_string()).await);
        }
        let spent = sign_ins.inner.spent.lock();
        assert_eq!((spent.until.len(), spent.order.len()), (MAX_SPENT, MAX_SPENT));
    }

    #[tokio::test]
    async fn without_redis_a_session_stays_with_the_browser() {
        let sign_ins = SignIns::new(Clock::manual(1), LIFETIME, None, true);
        assert_eq!(sign_ins.begin(&Map::new()).await, None);
        assert_eq!(sign_ins.take(&"a".repeat(32)).await, Taken::Gone);
    }

    #[test]
    fn so_many_sessions_begin_in_a_minute() {
        let clock = Clock::manual(60);
        let sign_ins = SignIns::new(clock.clone(), LIFETIME, None, true);
        assert_eq!((0..1000).filter(|_| sign_ins.may_begin()).count(), SESSIONS_PER_MINUTE as usize);
        clock.advance(Duration::from_mins(1));
        assert!(sign_ins.may_begin());
    }

    #[test]
    fn ids_of_sessions_are_digits() {
        assert!(is_session_id("0123456789abcdef0123456789ABCDEF"));
        for text in [
            "",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcde*",
            "{123456789abcdef0123456789abcdef",
        ] {
            assert!(!is_session_id(text), "{text}");
        }
    }
}
