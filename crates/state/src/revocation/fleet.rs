//! Revocations of other nodes: published, heard, and known as missed when they may have been.

use std::sync::Weak;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Inner, Revocations, Revoked, RevokedToken};
use crate::exchange::{Exchange, Listener};
use crate::redis::{Repeat, cmd};

/// How long a sign-out waits until the others have been told; telling goes on beside it after that.
const TELLING: Duration = Duration::from_secs(1);

/// Lifetime in Redis of the mark of a token that never ends, in seconds: as long as a usual session lasts (four weeks).
/// SQL refuses it for good.
const MARK_WITHOUT_END: u64 = 28 * 24 * 3600;

/// One revocation on its way. Channel `{prefix}:antiphon:revocations`, JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum News {
    /// One token.
    Token {
        /// Its `jti`.
        token_id: String,
        /// Whose.
        user_id: String,
        /// Unix seconds.
        expires_at: Option<u64>,
    },
    /// All tokens of a user up to a moment.
    Until {
        /// The user.
        user_id: String,
        /// Unix seconds, inclusive.
        at: u64,
    },
    /// The sessions of a user ended through SQL.
    User {
        /// The user.
        user_id: String,
    },
}

impl News {
    /// Whose sessions end.
    pub(super) fn user_id(&self) -> &str {
        let (Self::Token { user_id, .. } | Self::Until { user_id, .. } | Self::User { user_id }) = self;
        user_id
    }
}

/// What is published, with its sender, who knows it already.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    node: String,
    #[serde(flatten)]
    news: News,
}

/// Tells the other nodes.
#[derive(Clone, Debug)]
pub(super) struct Announcer {
    exchange: Exchange,
    channel: String,
}

impl Announcer {
    pub(super) fn new(exchange: Exchange) -> Self {
        let channel = exchange.channel("antiphon:revocations");
        Self { exchange, channel }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Where revocations are published.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.exchange.is_cut_off()
    }

    /// Publishes, and marks a token in Redis as the reference does: `{prefix}:auth:token:{jti}:revoked`, the string `1`, until
    /// the token ends. SQL has the row already, so a failure delays the others at most until they look there.
    pub(super) async fn tell(&self, news: News, now: u64) {
        let announcer = self.clone();
        let telling = tokio::spawn(async move { announcer.publish(news, now).await });
        // Dropping the handle leaves the task running; its commands have bounds of their own.
        let _ = timeout(TELLING, telling).await;
    }

    async fn publish(&self, news: News, now: u64) {
        let mark = async {
            let News::Token { token_id, expires_at, .. } = &news else { return Ok(()) };
            let lifetime = expires_at.map_or(MARK_WITHOUT_END, |at| at.saturating_sub(now));
            if lifetime == 0 {
                return Ok(());
            }
            let key = self.exchange.key(&format!("auth:token:{token_id}:revoked"));
            let set = cmd("SET").arg(key).arg("1").arg("EX").arg(lifetime).take();
            self.exchange.connections()?.main().command::<()>(Repeat::Idempotent, set).await
        };
        let envelope = Envelope { node: self.exchange.node_id().to_string(), news: news.clone() };
        let tell = async {
            let payload = serde_json::to_vec(&envelope).unwrap_or_default();
            self.exchange.publish(&self.channel, &payload).await.map(drop)
        };
        let (marked, told) = tokio::join!(mark, tell);
        if let Err(error) = told.and(marked) {
            tracing::warn!(
                %error,
                "A sign-out could not be published over Redis. It holds: the other nodes read it from the database, within a \
                 second when they are without Redis too, otherwise within ten. The lines about the links to Redis say what is wrong."
            );
        }
    }
}

/// Hears what other nodes revoke.
pub(super) struct Ear(pub(super) Weak<Inner>, pub(super) String);

impl Listener for Ear {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(inner) = self.0.upgrade() else { return };
        let Ok(Envelope { node, news }) = serde_json::from_slice(payload) else {
            tracing::debug!(channel, "a message that is no revocation was left out");
            return;
        };
        if node == self.1 {
            return;
        }
        let revocations = Revocations { inner };
        match news {
            News::Token { token_id, user_id, expires_at } => {
                revocations.take(RevokedToken { token_id, user_id, expires_at });
            }
            News::Until { user_id, at } => {
                revocations.mark_user(&user_id, at);
                revocations.announce(Revoked::User { user_id: user_id.into() });
            }
            News::User { user_id } => revocations.announce(Revoked::User { user_id: user_id.into() }),
        }
    }

    fn resumed(&self, _gap: Duration) {
        if let Some(inner) = self.0.upgrade() {
            inner.missed.send_modify(|count| *count += 1);
        }
    }
}
