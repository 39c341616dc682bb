//! Which nodes are alive: each holds a lease that it renews, and what a lapsed node left is removed by any other.
//!
//! ```text
//! {prefix}:antiphon:nodes                 sorted set: node → Unix milliseconds at which its lease lapses, by the clock of Redis
//! {prefix}:antiphon:node:{id}:sessions    set: the sessions of the node (see `presence`); its tasks likewise (see `tasks`)
//! ```
//!
//! The lease of a node is the reason why what it owns has no lifetime of its own. Removing costs as much as the node left,
//! goes in portions, and any number of nodes may do it at once: each portion is taken by one script.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::exchange::Exchange;
use crate::redis::{Repeat, Result, Script};

/// Lapsed nodes that are looked at in one round.
const MAX_LAPSED: usize = 16;
/// Portions that are removed of one lapsed node in one round.
const MAX_PORTIONS: usize = 1000;
/// Time that leaving may take; what is not removed by then goes when the lease lapses.
const LEAVING: Duration = Duration::from_secs(2);

/// Times of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Time between two renewals.
    pub renew: Duration,
    /// Time without renewal after which a node counts as gone.
    pub lapse: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { renew: Duration::from_secs(5), lapse: Duration::from_secs(15) }
    }
}

/// Something that each node has entries in. What only [`run`](Part::run)s leaves entries that end by themselves.
pub(crate) trait Part: Send + Sync {
    /// Does its work until it is dropped.
    fn run(&self) -> BoxFuture<'_, ()>;
    /// What this node owns may have been removed: it is to be written again.
    fn lost(&self) {}
    /// Called with every renewal.
    fn tick(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
    /// Nothing more is written for this node.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
    /// Removes a portion of what a node owns; true when nothing is left. `own` when the node itself is leaving, otherwise
    /// nothing is removed of a node whose lease holds.
    fn clean<'a>(&'a self, _node: &'a str, _own: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(Ok(true)))
    }
}

/// The node's lease and the parts that hang on it. Clones share it.
#[derive(Clone)]
pub struct Membership {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    times: LeaseTimes,
    nodes: String,
    parts: RwLock<Vec<Arc<dyn Part>>>,
    /// Ends the renewals, which would bring the node back.
    left: CancellationToken,
    renew: Script,
    remove: Script,
    lapsed: Script,
}

/// The time by the clock of Redis in milliseconds, and whether the lease of a node holds; part of the scripts that ask for it.
pub(crate) const CLOCK: &str = r"
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function holds(nodes, node)
  local lapses = redis.call('ZSCORE', nodes, node)
  return lapses and tonumber(lapses) > now()
end
";

/// Renews. Gives whether the lease was not there, and the nodes whose lease has lapsed.
///
/// KEYS: nodes. ARGV: node, milliseconds of a lease, most nodes to give.
const RENEW: &str = r"
local now = now()
local fresh = redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[3])
return {fresh, lapsed}
";

/// Removes a node whose lease has lapsed, or in any case if the last argument is 1.
///
/// KEYS: nodes. ARGV: node, 1 or 0.
const REMOVE: &str = r"
if ARGV[2] == '0' and holds(KEYS[1], ARGV[1]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
";

/// Whether the lease of a node has lapsed.
///
/// KEYS: nodes. ARGV: node.
const LAPSED: &str = r"
return holds(KEYS[1], ARGV[1]) and 0 or 1
";

fn script(text: &str) -> Script {
    Script::new(&format!("{CLOCK}{text}"))
}

impl Membership {
    /// A lease that begins with [`Membership::run`].
    pub fn new(exchange: Exchange, times: LeaseTimes) -> Self {
        let nodes = exchange.socket_key("antiphon:nodes");
        let inner = Inner {
            exchange,
            times,
            nodes,
            parts: RwLock::default(),
            left: CancellationToken::new(),
            renew: script(RENEW),
            remove: script(REMOVE),
            lapsed: script(LAPSED),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The node's place among the others.
    pub fn exchange(&self) -> &Exchange {
        &self.inner.exchange
    }

    /// The key of the sorted set of nodes, at the servers of the sockets.
    pub(crate) fn nodes_key(&self) -> &str {
        &self.inner.nodes
    }

    /// Milliseconds of a lease.
    pub(crate) fn lease_millis(&self) -> u128 {
        self.inner.times.lapse.as_millis()
    }

    pub(crate) fn add(&self, part: Arc<dyn Part>) {
        self.inner.parts.write().push(part);
    }

    fn parts(&self) -> Vec<Arc<dyn Part>> {
        self.inner.parts.read().clone()
    }

    /// Holds the lease and runs the parts, until `stop`. Without Redis it waits for it.
    pub async fn run(self, stop: CancellationToken) {
        let parts = self.parts();
        let work = join_all(parts.iter().map(|part| part.run()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.inner.left.cancelled() => {}
            () = self.renew_for_ever() => {}
            _ = work => {}
        }
    }

    async fn renew_for_ever(&self) {
        let mut ticks = interval(self.inner.times.renew);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Since when every renewal succeeded: after a failure of Redis the leases of all nodes may have lapsed, and each of
        // them gets the time to renew before anything is removed.
        let mut since: Option<Instant> = None;
        let mut first = true;
        loop {
            ticks.tick().await;
            let lapsed = match self.renew().await {
                Ok((fresh, lapsed)) => {
                    if fresh && !first {
                        tracing::debug!(
                            "this node's lease had lapsed or was lost; what it owns is written again"
                        );
                        self.parts().iter().for_each(|part| part.lost());
                    }
                    first = false;
                    let since = *since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.inner.times.lapse { lapsed } else { Vec::new() }
                }
                Err(error) => {
                    tracing::debug!(%error, "the node's lease is not renewed; it will be when Redis is back");
                    since = None;
                    continue;
                }
            };
            for node in lapsed {
                if let Err(error) = self.clean(&node, false).await {
                    tracing::debug!(%error, node, "what a lapsed node left is removed later");
                    break;
                }
            }
            for part in self.parts() {
                part.tick().await;
            }
        }
    }

    async fn renew(&self) -> Result<(bool, Vec<String>)> {
        let inner = &self.inner;
        let lapse = inner.times.lapse.as_millis().to_string();
        let (node, most) = (inner.exchange.node_id().as_bytes(), MAX_LAPSED.to_string());
        let arguments: [&[u8]; 3] = [node, lapse.as_bytes(), most.as_bytes()];
        inner.exchange.socket_script(Repeat::Idempotent, &inner.renew, &[&inner.nodes], &arguments).await
    }

    async fn has_lapsed(&self, node: &str) -> Result<bool> {
        let inner = &self.inner;
        let arguments = [node.as_bytes()];
        inner.exchange.socket_script(Repeat::Idempotent, &inner.lapsed, &[&inner.nodes], &arguments).await
    }

    /// Removes what a node owns, and then the node.
    async fn clean(&self, node: &str, own: bool) -> Result<()> {
        let mut portions = 0;
        for part in self.parts() {
            // Parts at other servers cannot see the lease.
            if !own && !self.has_lapsed(node).await? {
                return Ok(());
            }
            while !part.clean(node, own).await? {
                portions += 1;
                if portions == MAX_PORTIONS {
                    return Ok(());
                }
            }
        }
        let inner = &self.inner;
        let arguments: [&[u8]; 2] = [node.as_bytes(), if own { b"1" } else { b"0" }];
        let removed: bool = inner
            .exchange
            .socket_script(Repeat::Idempotent, &inner.remove, &[&inner.nodes], &arguments)
            .await?;
        if removed && !own {
            tracing::info!(node, "a node ended without saying so; what it had in Redis was removed");
        }
        Ok(())
    }

    /// Removes what this node owns, and its lease. Takes at most two seconds; what remains goes when the lease lapses.
    pub async fn leave(&self) {
        self.inner.left.cancel();
        let leaving = async {
            for part in self.parts() {
                part.close().await;
            }
            self.clean(self.inner.exchange.node_id(), true).await
        };
        match timeout(LEAVING, leaving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "other nodes remove what this one leaves in Redis"),
            Err(_) => {
                tracing::debug!(
                    "other nodes remove what this one leaves in Redis: it did not answer in time"
                );
            }
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Membership").field("exchange", &self.inner.exchange).finish_non_exhaustive()
    }
}
