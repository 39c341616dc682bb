//! What is to be reached and how, worked out from the configuration.
//!
//! A node has two roles for Redis: the main one (`REDIS_…`) and that of the sockets (`WEBSOCKET_…`). What the second leaves
//! out falls back to the first.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use antiphon_config::{Config, Host, Redis as RedisSection, RedisTls, RedisUrl, Secret, SocketManager};

use super::endpoint::Endpoint;
use super::error::Variables;
use super::socket_options::SocketOptions;

/// The name of a master when the address names none, as in Sentinel's own example.
const USUAL_MASTER: &str = "mymaster";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Accounts, tasks, limits, caches.
    Main,
    /// Live events and the state of sockets.
    Sockets,
}

impl Role {
    /// The variables of this role.
    pub fn variables(self) -> Variables {
        match self {
            Self::Main => Variables {
                url: "REDIS_URL",
                sentinel_hosts: "REDIS_SENTINEL_HOSTS",
                cluster: "REDIS_CLUSTER",
            },
            Self::Sockets => Variables {
                url: "WEBSOCKET_REDIS_URL",
                sentinel_hosts: "WEBSOCKET_SENTINEL_HOSTS",
                cluster: "WEBSOCKET_REDIS_CLUSTER",
            },
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Main => "main",
            Self::Sockets => "sockets",
        })
    }
}

/// User and password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user; `default` when only a password is given.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

impl Credentials {
    /// Whether there is anything to sign in with.
    pub fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }
}

/// How the Sentinels are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelOptions {
    /// Where they are.
    pub hosts: Vec<Endpoint>,
    /// The master's name, in the case that was written.
    pub master: Arc<str>,
    /// How to sign in at them.
    pub credentials: Credentials,
    /// Whether those are the credentials of the servers, which Sentinels need not know.
    pub borrowed_credentials: bool,
    /// TLS to them.
    pub tls: Option<RedisTls>,
}

/// Where Redis is, by topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One server.
    Standalone(Endpoint),
    /// A master that Sentinels name.
    Sentinel(SentinelOptions),
    /// A cluster, by one of its nodes or its configuration endpoint.
    Cluster(Endpoint),
}

/// Everything about one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    /// What for.
    pub role: Role,
    /// Where.
    pub reach: Reach,
    /// How to sign in at the servers.
    pub credentials: Credentials,
    /// Database number; 0 in a cluster.
    pub database: u16,
    /// TLS to the servers.
    pub tls: Option<RedisTls>,
    /// Bound of making one connection.
    pub connect_timeout: Duration,
    /// Bound of one command with all its repetitions.
    pub command_timeout: Duration,
    /// Whether the operating system probes the connection too.
    pub keepalive: bool,
    /// How often a command is sent again.
    pub retries: u32,
    /// Pause before that; `None` for a short, growing one.
    pub reconnect_delay: Option<Duration>,
    /// Start of every key and channel.
    pub prefix: Arc<str>,
}

/// The options of both roles and what there is to say about them.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The main role.
    pub main: RedisOptions,
    /// The role of the sockets; the same as the main one when nothing else is configured.
    pub sockets: RedisOptions,
    /// Sentences for the operator, each beginning with the variable.
    pub notices: Vec<String>,
}

impl NodeOptions {
    /// The options of a node, or `None` when it is configured without Redis.
    pub fn from_config(config: &Config) -> Option<Self> {
        let mut notices = Vec::new();
        let main = main(config);
        let wanted = config.websocket.manager == SocketManager::Redis;
        let sockets = wanted.then(|| sockets(config, main.as_ref(), &mut notices)).flatten();
        let (main, sockets) = match (main, sockets) {
            (Some(main), Some(sockets)) => (main, sockets),
            (Some(main), None) => (main.clone(), main),
            (None, Some(sockets)) => {
                notices.push(
                    "REDIS_URL: it is empty, so the Redis of WEBSOCKET_REDIS_URL serves for everything."
                        .to_owned(),
                );
                (sockets.clone(), sockets)
            }
            (None, None) => return None,
        };
        Some(Self { main, sockets, notices })
    }

    /// Whether both roles can share one link.
    pub fn shared(&self) -> bool {
        RedisOptions { role: Role::Main, ..self.sockets.clone() }
            == RedisOptions { role: Role::Main, ..self.main.clone() }
    }
}

fn main(config: &Config) -> Option<RedisOptions> {
    let section = &config.redis;
    let url = section.url.as_ref()?;
    let sentinels = endpoints(&section.sentinel_hosts, section.sentinel_port);
    Some(general(section, Role::Main, url, sentinels, section.cluster, url.host.as_str()))
}

fn sockets(config: &Config, main: Option<&RedisOptions>, notices: &mut Vec<String>) -> Option<RedisOptions> {
    let section = &config.redis;
    let url = config.websocket.redis_url.as_ref()?;
    let mut sentinels = endpoints(&config.websocket.sentinel_hosts, config.websocket.sentinel_port);
    let mut master = url.host.as_str();
    if let (true, Some(RedisOptions { reach: Reach::Sentinel(watched), .. })) = (sentinels.is_empty(), main)
        && (master.is_empty() || *master == *watched.master)
    {
        sentinels.clone_from(&watched.hosts);
        master = &watched.master;
        notices.push(format!(
            "WEBSOCKET_SENTINEL_HOSTS: it is empty, so the Sentinels of REDIS_SENTINEL_HOSTS are asked, because both addresses name the master {master}."
        ));
    }
    let mut options = general(section, Role::Sockets, url, sentinels, config.websocket.redis_cluster, master);
    if let Some(table) = &config.websocket.redis_options {
        SocketOptions::read(table, notices).apply(&mut options);
    }
    Some(options)
}

fn general(
    section: &RedisSection,
    role: Role,
    url: &RedisUrl,
    sentinels: Vec<Endpoint>,
    cluster: bool,
    master: &str,
) -> RedisOptions {
    let credentials = Credentials { username: url.username.clone(), password: url.password.clone() };
    let reach = if !sentinels.is_empty() {
        let own = Credentials {
            username: section.sentinel_username.clone(),
            password: section.sentinel_password.clone(),
        };
        let tls = match section.sentinel_tls {
            Some(false) => None,
            Some(true) => Some(url.tls.clone().unwrap_or_else(plain_tls)),
            None => url.tls.clone(),
        };
        Reach::Sentinel(SentinelOptions {
            hosts: sentinels,
            master: if master.is_empty() { USUAL_MASTER } else { master }.into(),
            borrowed_credentials: own.is_empty(),
            credentials: if own.is_empty() { credentials.clone() } else { own },
            tls,
        })
    } else if cluster {
        Reach::Cluster(Endpoint::new(&url.host, url.port))
    } else {
        Reach::Standalone(Endpoint::new(&url.host, url.port))
    };
    let database = if matches!(reach, Reach::Cluster(_)) { 0 } else { url.database };
    RedisOptions {
        role,
        reach,
        credentials,
        database,
        tls: url.tls.clone(),
        connect_timeout: section.connect_timeout,
        command_timeout: section.socket_timeout,
        keepalive: section.keepalive,
        retries: section.sentinel_max_retry_count,
        reconnect_delay: section.reconnect_delay,
        prefix: section.key_prefix.as_str().into(),
    }
}

/// TLS as `rediss://` without options has it.
pub(super) fn plain_tls() -> RedisTls {
    RedisTls {
        check: antiphon_config::CertificateCheck::Required,
        check_hostname: true,
        authorities: None,
        certificate: None,
        key: None,
    }
}

fn endpoints(hosts: &[Host], port: u16) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for host in hosts {
        let endpoint = Endpoint::new(&host.name, host.port.unwrap_or(port));
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use antiphon_config::Environment;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> NodeOptions {
        let loaded =
            antiphon_config::load(&Environment::from_pairs(pairs.iter().copied())).expect("a configuration");
        NodeOptions::from_config(&loaded.config).expect("Redis")
    }

    #[test]
    fn without_redis_there_are_no_options() {
        let none: [(&str, &str); 0] = [];
        let loaded = antiphon_config::load(&Environment::from_pairs(none)).expect("a configuration");
        assert!(NodeOptions::from_config(&loaded.config).is_none());
    }

    #[test]
    fn the_complete_example_of_the_guide_has_two_databases_of_one_server() {
        let options = options(&[
            ("REDIS_URL", "redis://redis-valkey:6379/0"),
            ("WEBSOCKET_REDIS_URL", "redis://redis-valkey:6379/1"),
            ("WEBSOCKET_MANAGER", "redis"),
            ("REDIS_SENTINEL_MAX_RETRY_COUNT", "5"),
            ("REDIS_RECONNECT_DELAY", "1000"),
        ]);
        assert!(!options.shared());
        assert_eq!((options.main.database, options.sockets.database), (0, 1));
        assert_eq!(options.sockets.reach, Reach::Standalone(Endpoint::new("redis-valkey", 6379)));
        assert_eq!((options.main.retries, options.main.reconnect_delay), (5, Some(Duration::from_secs(1))));
        assert!(options.notices.is_empty());
    }

    #[test]
    fn sockets_use_the_sentinels_of_the_main_role_for_the_same_master() {
        let options = options(&[
            ("REDIS_URL", "rediss://app:pw@Master/0"),
            ("WEBSOCKET_REDIS_URL", "rediss://app:pw@Master/1"),
            ("WEBSOCKET_MANAGER", "redis"),
            ("REDIS_SENTINEL_HOSTS", "one,two:7,[::1]:8,one"),
            ("REDIS_CLUSTER", "true"),
        ]);
        let Reach::Sentinel(sentinel) = &options.sockets.reach else { panic!("Sentinel wins over cluster") };
        assert_eq!(&*sentinel.master, "Master");
        let hosts = [Endpoint::new("one", 26379), Endpoint::new("two", 7), Endpoint::new("::1", 8)];
        assert_eq!(sentinel.hosts, hosts);
        assert!(sentinel.borrowed_credentials && sentinel.tls.is_some());
        assert_eq!(options.notices.len(), 1);
    }

    #[test]
    fn sentinels_have_credentials_and_tls_of_their_own() {
        let options = options(&[
            ("REDIS_URL", "rediss://app:pw@/0"),
            ("REDIS_SENTINEL_HOSTS", "one"),
            ("ANTIPHON_REDIS_SENTINEL_PASSWORD", "other"),
            ("ANTIPHON_REDIS_SENTINEL_TLS", "false"),
        ]);
        let Reach::Sentinel(sentinel) = &options.main.reach else { panic!("Sentinel") };
        assert_eq!((&*sentinel.master, sentinel.borrowed_credentials), ("mymaster", false));
        assert_eq!(sentinel.credentials.password.as_ref().map(Secret::reveal), Some("other"));
        assert_eq!((&sentinel.tls, options.main.tls.is_some()), (&None, true));
        assert!(options.shared());
    }

    #[test]
    fn a_cluster_has_one_link_for_both_roles() {
        let options = options(&[
            ("REDIS_URL", "redis://cluster:6379/0"),
            ("WEBSOCKET_REDIS_URL", "redis://cluster:6379/1"),
            ("WEBSOCKET_MANAGER", "redis"),
            ("REDIS_CLUSTER", "true"),
        ]);
        assert!(options.shared());
        assert_eq!(options.main.reach, Reach::Cluster(Endpoint::new("cluster", 6379)));
    }

    #[test]
    fn what_the_socket_options_leave_out_falls_back_to_the_general_settings() {
        let options = options(&[
            ("REDIS_URL", "redis://a/0"),
            ("WEBSOCKET_MANAGER", "redis"),
            ("REDIS_SOCKET_CONNECT_TIMEOUT", "3"),
            ("REDIS_SOCKET_TIMEOUT", "2"),
            (
                "WEBSOCKET_REDIS_OPTIONS",
                r#"{"socket_timeout": 1.5, "password": "pw", "db": 3, "max_connections": 9}"#,
            ),
        ]);
        let sockets = &options.sockets;
        assert_eq!(
            (sockets.command_timeout, sockets.connect_timeout, sockets.database),
            (Duration::from_millis(1500), Duration::from_secs(3), 3)
        );
        assert_eq!(sockets.credentials.password.as_ref().map(Secret::reveal), Some("pw"));
        assert_eq!(options.notices.len(), 1);
        assert!(options.notices[0].contains("max_connections"), "{:?}", options.notices);
    }
}
