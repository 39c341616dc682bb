//! Live connections between pages and the server.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::registry::{section, variable};
use crate::rules::{Bool, Choice, Json, Span, Text, Whole, optional};
use crate::values::{Host, HostsRule, RedisUrl, RedisUrlRule};

/// How events reach sockets on other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketManager {
    /// There are no other nodes.
    Memory,
    /// Through Redis.
    Redis,
}

const MANAGERS: &[(&str, SocketManager)] = &[("", SocketManager::Memory), ("redis", SocketManager::Redis)];

section! {
    /// Live connections between pages and the server.
    pub struct WebSocket, "Live connections" {
        /// Connects pages by websocket; with false they poll over plain HTTP instead.
        enabled: bool = variable("ENABLE_WEBSOCKET_SUPPORT", Bool).or("true");
        /// `redis` connects the nodes of a fleet; empty for a single node.
        manager: SocketManager = variable("WEBSOCKET_MANAGER", Choice::lenient(MANAGERS)).or("");
        /// Redis that carries live events.
        redis_url: Option<RedisUrl> = variable("WEBSOCKET_REDIS_URL", optional(RedisUrlRule)).or_value_of("REDIS_URL");
        /// That Redis is a cluster.
        redis_cluster: bool = variable("WEBSOCKET_REDIS_CLUSTER", Bool).or_value_of("REDIS_CLUSTER");
        /// Further options of that connection as a JSON object, with the names of redis-py.
        redis_options: Option<Map<String, Value>> =
            variable("WEBSOCKET_REDIS_OPTIONS", optional(Json::lenient("a JSON object")));
        /// Redis channel of live events; empty for `{REDIS_KEY_PREFIX}:socketio`. `socketio` shares events with every server
        /// and emitter of Socket.IO on that Redis that speaks as python-socketio does (those without channels for rooms need
        /// `WEBSOCKET_REDIS_ROOM_CHANNELS=false` here). When it is set, what such servers keep under the same prefix counts too:
        /// sessions, models in use, revoked tokens. Must be the same on every node.
        redis_channel: Option<String> = variable("WEBSOCKET_REDIS_CHANNEL", optional(Text));
        /// Gives each room a channel of its own; must be the same on every node.
        room_channels: bool = variable("WEBSOCKET_REDIS_ROOM_CHANNELS", Bool).or("true");
        /// Seconds that a lock in Redis is held at most.
        lock_timeout: Duration = variable("WEBSOCKET_REDIS_LOCK_TIMEOUT", Span::seconds().whole()).or("60");
        /// Hosts of the Sentinels for live events, as in `REDIS_SENTINEL_HOSTS`; those serve for the same master too.
        sentinel_hosts: Vec<Host> = variable("WEBSOCKET_SENTINEL_HOSTS", HostsRule).or("");
        /// Port of those Sentinels that are named without one.
        sentinel_port: u16 = variable("WEBSOCKET_SENTINEL_PORT", Whole::port()).or("26379");
        /// Logs the traffic of Socket.IO.
        log_packets: bool = variable("WEBSOCKET_SERVER_LOGGING", Bool).or("false").reserved();
        /// Logs the traffic of Engine.IO.
        log_transport: bool =
            variable("WEBSOCKET_SERVER_ENGINEIO_LOGGING", Bool)
                .or_value_of("WEBSOCKET_SERVER_LOGGING")
                .reserved();
        /// Seconds between two pings to a page.
        ping_interval: Duration = variable("WEBSOCKET_SERVER_PING_INTERVAL", Span::seconds().whole()).or("25");
        /// Seconds to wait for the answer to a ping.
        ping_timeout: Duration = variable("WEBSOCKET_SERVER_PING_TIMEOUT", Span::seconds().whole()).or("20");
        /// Seconds between two heartbeats of a page; empty leaves it to the page, which takes 30.
        heartbeat_interval: Option<Duration> = variable(
            "WEBSOCKET_HEARTBEAT_INTERVAL",
            optional(Span::seconds().whole().clamped(5, 90).bad_gives(30)),
        );
        /// Seconds to wait for a page to answer a question of the server; empty for the built-in limit.
        event_call_timeout: Option<Duration> =
            variable("WEBSOCKET_EVENT_CALLER_TIMEOUT", optional(Span::seconds().whole().bad_gives(300)));
    }
}

/// Shortest time without a heartbeat after which a socket's presence ends.
const MINIMUM_PRESENCE: Duration = Duration::from_mins(2);
/// Heartbeats that may be missed.
const MISSED_HEARTBEATS: u32 = 4;

impl WebSocket {
    /// Time without a heartbeat after which a socket's presence ends.
    pub fn presence_timeout(&self) -> Duration {
        self.heartbeat_interval
            .map_or(MINIMUM_PRESENCE, |interval| (interval * MISSED_HEARTBEATS).max(MINIMUM_PRESENCE))
    }
}
