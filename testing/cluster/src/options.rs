//! What a rig is to be like.

use std::path::PathBuf;

/// The topologies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One server.
    Standalone,
    /// A master, two replicas and three Sentinels.
    Sentinel,
    /// Three masters that share the slots, each with a replica.
    Cluster,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Standalone, Self::Sentinel, Self::Cluster];
}

/// What a rig is to be like. Begin with [`Options::new`] and change fields:
/// `Options { tls: true, ..Options::new(Kind::Sentinel) }`.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the configuration of a server"
)]
pub struct Options {
    /// The topology.
    pub kind: Kind,
    /// TLS to servers and Sentinels, and among them; there is no plain port then.
    pub tls: bool,
    /// The host names and addresses that the servers' certificate is good for.
    pub certificate_names: Vec<String>,
    /// Whether servers refuse clients without a certificate of the rig's authority.
    pub client_certificate: bool,
    /// An ACL user with `password`; the user `default` is off then.
    pub user: Option<String>,
    /// The password of `user`, or of the user `default` when there is no `user`.
    pub password: Option<String>,
    /// The Sentinels' own user, with `sentinel_password`; as with `user`.
    pub sentinel_user: Option<String>,
    /// The Sentinels' own password.
    pub sentinel_password: Option<String>,
    /// Whether Sentinels of a rig with TLS have a plain port too, at which clients are to ask them. What Sentinels tell of each other
    /// is their TLS port all the same.
    pub plain_sentinels: bool,
    /// The name that the Sentinels have for the master.
    pub master_name: String,
    /// Replicas of the standalone server. They fail over only by hand.
    pub replicas: usize,
    /// Whether a [`Proxy`](crate::Proxy) stands before each server and Sentinel; clients are told only of the proxies.
    pub proxied: bool,
    /// Whether data is on disk (append-only file), so that `restart(true)` finds it again.
    pub persistent: bool,
    /// Further lines for `redis.conf` of the servers, not of the Sentinels.
    pub settings: Vec<String>,
    /// The server's program, `redis-server` (6.2 or newer) or one that takes its configuration, such as `valkey-server`. A rig with
    /// proxies needs what Redis has since version 7.0.
    pub program: PathBuf,
}

impl Options {
    /// A plain rig without passwords, proxies and persistence.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            tls: false,
            certificate_names: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            client_certificate: false,
            user: None,
            password: None,
            sentinel_user: None,
            sentinel_password: None,
            plain_sentinels: false,
            master_name: "mymaster".to_owned(),
            replicas: 0,
            proxied: false,
            persistent: false,
            settings: Vec::new(),
            program: "redis-server".into(),
        }
    }
}
