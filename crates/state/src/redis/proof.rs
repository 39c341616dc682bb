//! The proof that a subscription carries messages: what is published through the command connections must come back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::connection::Connection;
use super::error::RedisError;
use super::link::Redis;

/// Time between two proofs.
pub(crate) const PROOF_INTERVAL: Duration = Duration::from_secs(1);
/// Time within which a published nonce must come back, or at least other messages while many of them stand before it.
pub(crate) const PROOF_LIMIT: Duration = Duration::from_secs(1);
/// Time within which a published nonce must come back in any case.
const PROOF_LIMIT_UNDER_LOAD: Duration = Duration::from_secs(10);

/// Pause before the next attempt when nothing could be published.
pub(crate) const PROOF_AGAIN: Duration = Duration::from_millis(50);

/// What a proof came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything that was published came back.
    Proven,
    /// Something did not.
    Deaf,
    /// Nothing could be published, so nothing is known.
    Unknown,
}

/// The private channel of one subscription, and the nonces that came back on it.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) channel: Arc<str>,
    seen: Mutex<HashSet<Vec<u8>>>,
    arrived: Notify,
    /// Messages of all channels.
    messages: AtomicU64,
}

impl Proof {
    pub(crate) fn new(channel: Arc<str>) -> Self {
        Self { channel, seen: Mutex::default(), arrived: Notify::new(), messages: AtomicU64::new(0) }
    }

    /// Takes a message of the private channel.
    pub(crate) fn arrived(&self, payload: Vec<u8>) {
        self.seen.lock().insert(payload);
        self.arrived.notify_one();
    }

    /// Takes note that the subscription carried a message of any channel.
    pub(crate) fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Publishes one nonce through the connection to every master, and waits until all have come back by the `subscription`.
    ///
    /// Outside of a cluster a message stays on its server, so only a connection to the place of the subscription counts: in
    /// a failover the other link may still be at the old master.
    pub(crate) async fn run(&self, commands: &Redis, subscription: &Connection) -> Verdict {
        self.seen.lock().clear();
        let cluster = commands.route().is_cluster();
        let connections = commands
            .route()
            .masters()
            .into_iter()
            .filter_map(|master| master.current())
            .filter(|connection| cluster || connection.endpoint == subscription.endpoint);
        let published = join_all(connections.map(|connection| async move {
            let nonce = Uuid::new_v4().into_bytes().to_vec();
            let command = redis::cmd("PUBLISH").arg(&*self.channel).arg(&nonce).take();
            // Where publishing itself fails, the command connection has a fault, which its own supervisor looks after.
            let done = timeout(PROOF_LIMIT, connection.ask(command)).await;
            matches!(done, Ok(Ok(_))).then_some(nonce)
        }))
        .await;
        let nonces: Vec<Vec<u8>> = published.into_iter().flatten().collect();
        if nonces.is_empty() {
            return Verdict::Unknown;
        }
        let all_back = async {
            loop {
                let arrived = self.arrived.notified();
                if nonces.iter().all(|nonce| self.seen.lock().contains(nonce)) {
                    return;
                }
                arrived.await;
            }
        };
        tokio::select! {
            () = all_back => Verdict::Proven,
            () = self.silence(subscription) => Verdict::Deaf,
            () = sleep(PROOF_LIMIT_UNDER_LOAD) => Verdict::Deaf,
        }
    }

    /// Waits until no message has come for [`PROOF_LIMIT`]. A burst, which may take longer than that to read, is no silence, nor is
    /// a time in which this process or the server hardly ran: replies come in order with messages, so the reply to a question
    /// that is asked then has behind it whatever was on its way.
    async fn silence(&self, subscription: &Connection) {
        loop {
            let before = self.messages.load(Ordering::Relaxed);
            sleep(PROOF_LIMIT).await;
            if self.messages.load(Ordering::Relaxed) != before {
                continue;
            }
            // Whether a connection without replies is dead, its own supervisor says.
            let answered =
                matches!(subscription.ask(redis::cmd("PING")).await, Ok(_) | Err(RedisError::Reply { .. }));
            if !answered {
                std::future::pending::<()>().await;
            }
            if self.messages.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}
