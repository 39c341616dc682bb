//! How often nodes of the fleet may have missed events, so that writers of replies tell all of theirs once more.
//!
//! Channel `{prefix}:antiphon:missed`: a node says its id there after each gap of its subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::exchange::{Exchange, Listener, WeakExchange};

/// Counts the gaps of all nodes. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Missed(Arc<AtomicU64>);

struct Ear {
    missed: Missed,
    exchange: WeakExchange,
}

impl Missed {
    /// Begins to count, and does not wait for Redis.
    pub(super) fn listen(&self, exchange: &Exchange) {
        let (listening, channel) = (exchange.clone(), exchange.channel("antiphon:missed"));
        let ear = Arc::new(Ear { missed: self.clone(), exchange: exchange.downgrade() });
        tokio::spawn(async move { listening.listen(&channel, ear).await });
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Listener for Ear {
    fn message(&self, _channel: &str, _payload: &[u8]) {
        self.missed.0.fetch_add(1, Ordering::Relaxed);
    }

    fn resumed(&self, _gap: Duration) {
        let Some(exchange) = self.exchange.upgrade() else { return };
        tokio::spawn(async move {
            let (channel, node_id) = (exchange.channel("antiphon:missed"), exchange.node_id().clone());
            if let Err(error) = exchange.publish(&channel, node_id.as_bytes()).await {
                // Then there is another gap, after which it is said again.
                tracing::debug!(%error, "the other nodes could not be told that events were missed");
            }
        });
    }
}
