//! What servers of another kind under the same prefix revoke: they tell nobody, and leave a mark in Redis that is asked for.
//!
//! ```text
//! {prefix}:auth:token:{jti}:revoked        string 1: this token is refused (the reference, at a sign-out)
//! {prefix}:auth:user:{user}:revoked_at     string: the user's tokens issued up to these Unix seconds are refused (its versions before 0.12)
//! ```

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::TokenKey;
use crate::exchange::Exchange;
use crate::redis::{Repeat, cmd};

/// How long an answer holds: a sign-out elsewhere counts here after it at the latest.
const HOLDS: Duration = Duration::from_secs(1);

/// Longest wait for an answer. Without one the token is judged by what this node knows, as the reference does.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);

/// Most answers that are remembered; beyond, every request asks.
const MAX_ANSWERS: usize = 100_000;

/// Asks for marks.
#[derive(Debug)]
pub(super) struct Marks {
    exchange: Exchange,
    asked: Mutex<HashMap<TokenKey, Instant>>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The token is refused.
    pub(super) token: bool,
    /// The user's tokens issued up to this second are.
    pub(super) user_until: Option<u64>,
}

impl Found {
    fn of(token: Option<&str>, user: Option<&str>) -> Self {
        Self { token: token.is_some(), user_until: user.and_then(|at| at.trim().parse().ok()) }
    }
}

impl Marks {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange, asked: Mutex::default() }
    }

    /// The marks on a token and its user; `None` when the last answer still holds, or when there is none in time.
    pub(super) async fn ask(&self, key: TokenKey, token_id: &str, user_id: &str) -> Option<Found> {
        if self.asked.lock().get(&key).is_some_and(|at| at.elapsed() < HOLDS) || self.exchange.is_cut_off() {
            return None;
        }
        let read = cmd("MGET")
            .arg(self.exchange.key(&format!("auth:token:{token_id}:revoked")))
            .arg(self.exchange.key(&format!("auth:user:{user_id}:revoked_at")))
            .take();
        let asked_at = Instant::now();
        let ask = async {
            let connections = self.exchange.connections()?;
            connections.main().command::<(Option<String>, Option<String>)>(Repeat::Idempotent, read).await
        };
        match timeout(ANSWERED_WITHIN, ask).await {
            Ok(Ok((token, user))) => {
                self.note(key, asked_at);
                Some(Found::of(token.as_deref(), user.as_deref()))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "sign-outs at other servers could not be looked for");
                None
            }
            Err(_) => None,
        }
    }

    fn note(&self, key: TokenKey, at: Instant) {
        let mut asked = self.asked.lock();
        if asked.len() >= MAX_ANSWERS {
            asked.retain(|_, at| at.elapsed() < HOLDS);
        }
        if asked.len() < MAX_ANSWERS {
            asked.insert(key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_on_a_user_that_is_no_time_is_none() {
        assert_eq!(Found::of(None, None), Found::default());
        assert_eq!(Found::of(Some("1"), None), Found { token: true, user_until: None });
        assert_eq!(Found::of(None, Some("1795487161")).user_until, Some(1_795_487_161));
        assert_eq!(Found::of(None, Some("yesterday")), Found::default());
    }
}
