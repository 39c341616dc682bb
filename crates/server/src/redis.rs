//! The node's way to Redis: begun at the start, told on the log, ended with the node.

use crate::options;
use antiphon_config::{Config, SocketManager};
use antiphon_realtime::{MemoryBus, Realtime};
use antiphon_state::redis::{Connections, NodeOptions, RedisError};
use antiphon_state::{BusOptions, Clock, Exchange, PollRelay, RedisBus, ReplyLogs};
use antiphon_telemetry::names::SOCKET_LOGGER;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Begins to connect, if the configuration has a Redis, and does not wait for it.
pub(crate) fn start(
    config: &Config,
    stop: &CancellationToken,
    jobs: &TaskTracker,
) -> Result<Option<(Arc<Connections>, Exchange)>> {
    let Some(options) = NodeOptions::from_config(config) else { return Ok(None) };
    for notice in &options.notices {
        tracing::info!("{notice}");
    }
    let variables = options.main.role.variables();
    let started = Connections::start(options).map_err(|error| {
        let remedy = error.remedy(variables);
        anyhow::Error::new(error).context(remedy)
    });
    let (connections, events) = started.context("the links to Redis cannot be set up")?;
    let connections = Arc::new(connections);
    let exchange = Exchange::new(&connections);
    let (reader, stopped) = (exchange.clone(), stop.clone());
    jobs.spawn(async move { stopped.run_until_cancelled(reader.run(events)).await });
    jobs.spawn(tell_first_ready(Arc::downgrade(&connections), stop.clone()));
    Ok(Some((connections, exchange)))
}

/// The sockets of this node, joined with those of the others by Redis where `WEBSOCKET_MANAGER` says so.
/// Beside them the logs of live replies, which go the same way.
pub(crate) fn realtime(config: &Config, exchange: Option<&Exchange>, clock: Clock) -> (Realtime, ReplyLogs) {
    let mut sockets = options::realtime(config);
    let exchange = exchange.filter(|_| config.websocket.manager == SocketManager::Redis);
    let Some(exchange) = exchange else {
        return (Realtime::new(sockets, Arc::new(MemoryBus::new())), ReplyLogs::new(clock));
    };
    let options = BusOptions {
        channel: config.websocket.redis_channel.clone(),
        room_channels: config.websocket.room_channels,
    };
    let relay = Arc::new(PollRelay::new(exchange.clone(), sockets.node_tag, sockets.ping_interval));
    sockets.poll_forward = Some(relay.clone());
    let bus = Arc::new(RedisBus::start(exchange.clone(), &options));
    let realtime = Realtime::new(sockets, bus.clone());
    if !config.websocket.enabled {
        relay.serve(realtime.polls());
    }
    let logs = ReplyLogs::fleet(clock, exchange, &bus, config.redis.response_stream_ttl);
    (realtime, logs)
}

/// Says what is configured, and what is wrong with it if that is known already.
pub(crate) fn introduce(config: &Config, connections: Option<&Arc<Connections>>) {
    let Some(connections) = connections else {
        tracing::info!("topology: memory (one node, no Redis, 0 Redis connections)");
        return;
    };
    for line in connections.describe() {
        tracing::info!("{line}");
    }
    if config.websocket.manager == SocketManager::Redis {
        // Operators search the log for exactly this line, as the reference's guide tells them.
        tracing::debug!(target: SOCKET_LOGGER, "Using Redis to manage websockets.");
    }
    tracing::info!(
        "Nodes with this REDIS_KEY_PREFIX, database and secret are one server: events, presence, sign-outs, settings, tasks, limits \
         and live replies are shared."
    );
    if let Some(channel) = &config.websocket.redis_channel {
        tracing::info!(
            "WEBSOCKET_REDIS_CHANNEL={channel}: events are shared with every server and emitter on that channel, and sessions, models in \
             use and sign-outs with servers of another kind under the same prefix (not in a cluster, where their keys differ). Remove \
             the variable on all nodes when there are no others."
        );
    }
    for link in connections.status().links {
        if let (Some(fault), Some(remedy)) = (&link.fault, &link.remedy)
            && *fault != RedisError::NotYet
        {
            tracing::warn!(
                link = link.name,
                "Redis is not there: {fault}. {remedy} Until it is, this node serves alone and /ready answers 503."
            );
            return;
        }
    }
}

/// Says once that everything at Redis works.
async fn tell_first_ready(connections: std::sync::Weak<Connections>, stop: CancellationToken) {
    let begin = Instant::now();
    let Some(mut changes) = connections.upgrade().map(|connections| connections.changes()) else { return };
    loop {
        changes.mark_unchanged();
        match connections.upgrade() {
            Some(connections) if connections.status().is_ready() => break,
            Some(_) => {}
            None => return,
        }
        tokio::select! {
            () = stop.cancelled() => return,
            ended = changes.changed() => if ended.is_err() { return },
        }
    }
    tracing::info!("Redis: all links work, {:.2} s after they were begun.", begin.elapsed().as_secs_f64());
}
