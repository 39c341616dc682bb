//! The lines of `redis.conf`.

use crate::certificates::Certificates;
use crate::options::Options;
use crate::proxy::SERVERS;
use std::path::Path;

/// How long a master may be silent until a Sentinel thinks it down.
const SENTINEL_DOWN_AFTER_MS: u32 = 1_000;

/// After which a Sentinel tries a failover again that did not come to its end.
const SENTINEL_FAILOVER_TIMEOUT_MS: u32 = 3_000;

/// How long a cluster's node may be silent until the others think it down.
const CLUSTER_NODE_TIMEOUT_MS: u32 = 1_500;

/// Where one server listens, and what it tells others about that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// Where it listens.
    pub(super) own: u16,
    /// Where others are told to reach it: the port of its proxy, or its own.
    pub(super) announced: u16,
    /// Where a Sentinel with TLS listens without.
    pub(super) plain: Option<u16>,
    /// Where it listens for the other nodes of a cluster.
    pub(super) bus: Option<u16>,
}

/// Writes the configuration of the servers of one rig.
pub(super) struct Configuration<'a> {
    pub(super) options: &'a Options,
    pub(super) certificates: Option<&'a Certificates>,
}

impl Configuration<'_> {
    /// Lines for a server.
    pub(super) fn server(&self, ports: Ports) -> Vec<String> {
        let options = self.options;
        let mut lines = self.listening(ports);
        lines
            .extend(["save \"\"", "repl-diskless-sync yes", "repl-diskless-sync-delay 0"].map(str::to_owned));
        if options.persistent {
            lines.extend(["appendonly yes", "appendfsync always"].map(str::to_owned));
        }
        if options.proxied {
            lines.push("replica-announce-ip 127.0.0.1".to_owned());
            lines.push(format!("replica-announce-port {}", ports.announced));
        }
        if let Some(bus) = ports.bus {
            let tls = if options.tls { "tls-" } else { "" };
            lines.extend([
                "cluster-enabled yes".to_owned(),
                format!("cluster-node-timeout {CLUSTER_NODE_TIMEOUT_MS}"),
                "cluster-announce-ip 127.0.0.1".to_owned(),
                format!("cluster-announce-{tls}port {}", ports.announced),
                format!("cluster-announce-bus-port {bus}"),
            ]);
        }
        lines.extend(access(options.user.as_deref(), options.password.as_deref()));
        if let Some(password) = &options.password {
            lines.push(format!("masterauth {}", quoted(password)));
            if let Some(user) = &options.user {
                lines.push(format!("masteruser {}", quoted(user)));
            }
        }
        lines.extend(options.settings.iter().cloned());
        lines
    }

    /// Lines for a Sentinel that knows its peers, and the master with its replicas, from the beginning. Left to find them by
    /// itself it would take ten seconds.
    pub(super) fn sentinel(
        &self,
        own: Ports,
        peers: &[Ports],
        master: Ports,
        replicas: &[Ports],
    ) -> Vec<String> {
        let options = self.options;
        let name = quoted(&options.master_name);
        let mut lines = self.listening(own);
        lines.extend(access(options.sentinel_user.as_deref(), options.sentinel_password.as_deref()));
        if let Some(password) = &options.sentinel_password {
            lines.push(format!("sentinel sentinel-pass {}", quoted(password)));
            if let Some(user) = &options.sentinel_user {
                lines.push(format!("sentinel sentinel-user {}", quoted(user)));
            }
        }
        lines.extend([
            format!("sentinel myid {}", identity(own)),
            "sentinel announce-ip 127.0.0.1".to_owned(),
            format!("sentinel announce-port {}", own.announced),
            format!("sentinel monitor {name} 127.0.0.1 {} 2", master.announced),
            format!("sentinel down-after-milliseconds {name} {SENTINEL_DOWN_AFTER_MS}"),
            format!("sentinel failover-timeout {name} {SENTINEL_FAILOVER_TIMEOUT_MS}"),
            format!("sentinel parallel-syncs {name} {}", replicas.len().max(1)),
        ]);
        if let Some(password) = &options.password {
            lines.push(format!("sentinel auth-pass {name} {}", quoted(password)));
            if let Some(user) = &options.user {
                lines.push(format!("sentinel auth-user {name} {}", quoted(user)));
            }
        }
        for replica in replicas {
            lines.push(format!("sentinel known-replica {name} 127.0.0.1 {}", replica.announced));
        }
        for peer in peers.iter().filter(|peer| peer.own != own.own) {
            lines.push(format!(
                "sentinel known-sentinel {name} 127.0.0.1 {} {}",
                peer.announced,
                identity(*peer)
            ));
        }
        lines
    }

    /// Where it listens, and how; and from where it connects to others.
    fn listening(&self, ports: Ports) -> Vec<String> {
        let mut lines = Vec::new();
        if self.options.proxied {
            lines.push(format!("bind-source-addr {SERVERS}"));
        }
        let Some(certificates) = self.certificates else {
            lines.push(format!("port {}", ports.own));
            return lines;
        };
        let file = |name: &str, path: &Path| format!("tls-{name}-file {}", path.display());
        lines.extend([
            format!("port {}", ports.plain.unwrap_or_default()),
            format!("tls-port {}", ports.own),
            file("cert", &certificates.server),
            file("key", &certificates.server_key),
            file("ca-cert", &certificates.authority),
            format!("tls-auth-clients {}", if self.options.client_certificate { "yes" } else { "optional" }),
            "tls-replication yes".to_owned(),
            "tls-cluster yes".to_owned(),
        ]);
        lines
    }
}

/// The id of a Sentinel, 40 hexadecimal digits. Another rig on this machine has other ports, or had them in another process.
fn identity(sentinel: Ports) -> String {
    format!("{:032x}{:08x}", std::process::id(), sentinel.own)
}

/// Who may enter.
fn access(user: Option<&str>, password: Option<&str>) -> Vec<String> {
    match (user, password) {
        (Some(user), Some(password)) => vec![
            format!("user {} on {} ~* &* +@all", quoted(user), quoted(&format!(">{password}"))),
            "user default off".to_owned(),
        ],
        (None, Some(password)) => vec![format!("requirepass {}", quoted(password))],
        (_, None) => Vec::new(),
    }
}

/// A value as `redis.conf` quotes it.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
