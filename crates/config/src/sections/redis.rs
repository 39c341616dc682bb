//! Redis, which several nodes need to act as one.

use std::fmt;
use std::time::Duration;

use crate::registry::{section, variable};
use crate::rules::{Bool, Expiry, SecretText, Span, Text, Whole, optional};
use crate::secret::Secret;
use crate::values::{Host, HostsRule, RedisUrl, RedisUrlRule};

/// How Redis is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// There is no Redis.
    Memory,
    /// One server.
    Standalone,
    /// A master that Sentinels name.
    Sentinel,
    /// A cluster.
    Cluster,
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Memory => "memory",
            Self::Standalone => "standalone",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        })
    }
}

section! {
    /// Redis, which several nodes need to act as one.
    pub struct Redis, "Redis" {
        /// Address of Redis; with Sentinel its host is the name of the master. Empty for no Redis.
        url: Option<RedisUrl> = variable("REDIS_URL", optional(RedisUrlRule)).or("");
        /// Redis is a cluster; has no effect with Sentinel.
        cluster: bool = variable("REDIS_CLUSTER", Bool).or("false");
        /// Start of every key and channel, so that several fleets can share one Redis.
        key_prefix: String = variable("REDIS_KEY_PREFIX", Text).or("open-webui");
        /// Hosts of the Sentinels, separated by commas, each with a port of its own if it has one.
        sentinel_hosts: Vec<Host> = variable("REDIS_SENTINEL_HOSTS", HostsRule).or("");
        /// Port of the Sentinels that are named without one.
        sentinel_port: u16 = variable("REDIS_SENTINEL_PORT", Whole::port()).or("26379");
        /// User at the Sentinels; without it and without a password, the credentials of the address are tried there too.
        sentinel_username: Option<String> = variable("ANTIPHON_REDIS_SENTINEL_USERNAME", optional(Text)).or("");
        /// Password at the Sentinels.
        sentinel_password: Option<Secret> =
            variable("ANTIPHON_REDIS_SENTINEL_PASSWORD", optional(SecretText)).or("").secret();
        /// TLS to the Sentinels; empty for the same as to the servers, which is TLS with `rediss://`.
        sentinel_tls: Option<bool> = variable("ANTIPHON_REDIS_SENTINEL_TLS", optional(Bool)).or("");
        /// How often a command is sent again after a connection broke, to be safe in a failover.
        sentinel_max_retry_count: u32 =
            variable("REDIS_SENTINEL_MAX_RETRY_COUNT", Whole::lenient().at_least(1).at_most(1000)).or("2");
        /// Milliseconds to wait before that, unless a new connection is there sooner; empty for a short, growing pause.
        reconnect_delay: Option<Duration> =
            variable("REDIS_RECONNECT_DELAY", optional(Span::milliseconds().or_zero())).or("");
        /// Seconds to wait for a connection, signing in included.
        connect_timeout: Duration = variable("REDIS_SOCKET_CONNECT_TIMEOUT", Span::seconds()).or("5");
        /// Seconds that a command may take altogether, with every repetition of it.
        socket_timeout: Duration = variable("REDIS_SOCKET_TIMEOUT", Span::seconds()).or("5");
        /// Lets the operating system notice dead connections.
        keepalive: bool = variable("REDIS_SOCKET_KEEPALIVE", Bool).or("false");
        /// Seconds after which an idle connection is checked. Each is checked twice a second anyway, so this changes nothing.
        health_check_interval: Option<Duration> = variable("REDIS_HEALTH_CHECK_INTERVAL", Expiry::new());
        /// Seconds that a live reply is kept in Redis after its last word, a day at most; 0 or less for a day.
        response_stream_ttl: Option<Duration> = variable("REDIS_RESPONSE_STREAM_TTL", Expiry::new()).or("3600");
        /// Seconds after which a task whose node has died counts as dead; 0 for no end, 1 to 59 count as 300.
        task_ttl: Option<Duration> = variable("REDIS_TASK_TTL", Expiry::with_short(60, 300)).or("300");
        /// Keeps the session of an external sign-in in Redis, so that any node can finish it.
        sessions: bool = variable("ENABLE_STAR_SESSIONS_MIDDLEWARE", Bool).or("false");
    }
}

impl Redis {
    /// How Redis is reached. Sentinel wins over cluster, and without an address there is no Redis.
    pub fn topology(&self) -> Topology {
        match (&self.url, self.sentinel_hosts.is_empty(), self.cluster) {
            (None, ..) => Topology::Memory,
            (Some(_), false, _) => Topology::Sentinel,
            (Some(_), true, true) => Topology::Cluster,
            (Some(_), true, false) => Topology::Standalone,
        }
    }
}
