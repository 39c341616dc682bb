//! One sweep over all connections instead of timers for each: pings, silence, stuck writes, limits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::engine::{Engine, millis};
use crate::frame::Frame;
use crate::node::Node;
use crate::reason::DisconnectReason;

/// Longest time between two sweeps; the bounds below are kept to within one.
const SLOWEST: Duration = Duration::from_secs(1);
/// Shortest time between two sweeps.
const FASTEST: Duration = Duration::from_millis(10);
/// Sweeps within the shortest bound.
const PER_BOUND: u32 = 8;
/// Part of the anonymous connections that may be closed in one sweep to make room.
const EVICTED: usize = 10;

/// Starts the sweep; it ends when the node is gone.
pub(crate) fn start(node: &Arc<Node>) {
    let config = &node.config;
    let shortest =
        [config.ping_interval, config.ping_timeout, config.connect_time_limit, config.write_time_limit]
            .into_iter()
            .min()
            .unwrap_or(SLOWEST);
    let pause = (shortest / PER_BOUND).clamp(FASTEST, SLOWEST);
    let node = Arc::downgrade(node);
    tokio::spawn(run(node, pause));
}

async fn run(node: Weak<Node>, pause: Duration) {
    let ping = Frame::text("2");
    loop {
        tokio::time::sleep(pause).await;
        let Some(node) = node.upgrade() else { break };
        sweep(&node, &ping);
    }
}

fn sweep(node: &Node, ping: &Frame) {
    let now = node.now();
    let mut queued = 0;
    let mut evicted: Vec<Arc<Engine>> = Vec::new();
    let crowded = node.anonymous() >= node.config.max_anonymous;
    let grace = millis(node.config.anonymous_grace);
    for shard in node.engines.shards() {
        for engine in shard.read().values() {
            queued += visit(node, engine, ping, now);
            if crowded && !engine.authenticated.load(Ordering::Relaxed) && now > engine.opened + grace {
                evicted.push(engine.clone());
            }
        }
    }
    if crowded {
        evicted.sort_by_key(|engine| engine.number);
        for engine in evicted.iter().take((node.config.max_anonymous / EVICTED).max(1)) {
            engine.end(DisconnectReason::AnonymousLimit);
        }
    }
    if queued > node.config.max_node_queue_bytes {
        relieve(node, queued);
    }
    remove_ended_polls(node, now);
}

/// Does what is due for one connection; gives the bytes that wait for it.
fn visit(node: &Node, engine: &Engine, ping: &Frame, now: u64) -> usize {
    let config = &node.config;
    let (ending, (bytes, _)) = {
        let outbox = engine.outbox.lock();
        (outbox.ending(), outbox.load())
    };
    if ending.is_some() {
        let until = engine.linger_until.load(Ordering::Relaxed);
        if until != 0 && now >= until {
            engine.abort();
        }
        return bytes;
    }
    if engine.paused.load(Ordering::Relaxed) {
        engine.last_seen.store(now, Ordering::Relaxed);
    }
    let silence = now.saturating_sub(engine.last_seen.load(Ordering::Relaxed));
    let blocked = engine.blocked_since.load(Ordering::Relaxed);
    let connect_by = engine.connect_by.load(Ordering::Relaxed);
    if silence > millis(config.ping_interval) + millis(config.ping_timeout) {
        engine.end(DisconnectReason::PingTimeout);
    } else if blocked != 0 && now.saturating_sub(blocked) > millis(config.write_time_limit) {
        engine.end(DisconnectReason::WriteTimeout);
    } else if connect_by != 0 && now >= connect_by {
        engine.end(DisconnectReason::ConnectTimeout);
    } else if now >= engine.next_ping.load(Ordering::Relaxed) {
        engine.next_ping.store(now + millis(config.ping_interval), Ordering::Relaxed);
        engine.push(ping, &[], config);
    }
    bytes
}

/// Closes the sockets with the longest queues until the node holds what it may.
fn relieve(node: &Node, mut queued: usize) {
    let mut loads: Vec<(usize, Arc<Engine>)> = node
        .engines
        .values()
        .into_iter()
        .map(|engine| {
            let (bytes, _) = engine.outbox.lock().load();
            (bytes, engine)
        })
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    loads.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    tracing::warn!(
        queued,
        limit = node.config.max_node_queue_bytes,
        "Too much waits for slow sockets; the slowest are closed and recover when they reconnect. If this \
         happens often, look for clients on a bad network or raise the memory limit of this node."
    );
    for (bytes, engine) in loads {
        if queued <= node.config.max_node_queue_bytes {
            break;
        }
        engine.end(DisconnectReason::SlowConsumer);
        queued = queued.saturating_sub(bytes);
    }
}

/// Forgets polling sessions that have ended and whose client never came for the rest.
fn remove_ended_polls(node: &Node, now: u64) {
    for shard in node.polls.shards() {
        let ended = |engine: &Engine| {
            let until = engine.linger_until.load(Ordering::Relaxed);
            until != 0 && now >= until
        };
        if shard.read().values().any(|poll| ended(&poll.engine)) {
            shard.write().retain(|_, poll| !ended(&poll.engine));
        }
    }
}
