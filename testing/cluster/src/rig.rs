//! One Redis topology, started for a test.

mod cluster;
mod configuration;
mod heal;
mod inflict;
mod replication;
mod sentinel;
mod slots;
mod variables;

use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::options::{Kind, Options};
use crate::ports;
use crate::proxy::Proxy;
use crate::server::{Place, Server};
use configuration::{Configuration, Ports};
pub use inflict::Broken;
pub use slots::SlotMove;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// How often a rig is begun anew because another process took one of its ports.
const ATTEMPTS: usize = 5;

/// Replicas in a Sentinel rig.
const SENTINEL_REPLICAS: usize = 2;

/// Sentinels in a Sentinel rig.
const SENTINELS: usize = 3;

/// Masters in a cluster.
const CLUSTER_MASTERS: usize = 3;

/// One Redis topology. Dropping it ends all its processes, frozen ones too, and removes its folder.
#[derive(Debug)]
pub struct Rig {
    options: Options,
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    certificates: Option<Certificates>,
    ground: Arc<Ground>,
}

impl Rig {
    /// Starts a topology without passwords, and returns when it is whole: replicas follow, Sentinels know each other, all
    /// slots are served.
    pub async fn start(kind: Kind, tls: bool) -> Result<Self> {
        Self::with(Options { tls, ..Options::new(kind) }).await
    }

    /// The same for a test that breaks nothing in a cluster: on a busy machine its servers do not give each other up, as they would
    /// with the short patience that makes failovers quick, and with their links what is published.
    pub async fn steady(kind: Kind, tls: bool) -> Result<Self> {
        let mut options = Options { tls, ..Options::new(kind) };
        if kind == Kind::Cluster {
            options.settings.push("cluster-node-timeout 15000".to_owned());
        }
        Self::with(options).await
    }

    /// The same with everything that can be chosen.
    pub async fn with(options: Options) -> Result<Self> {
        for _ in 1..ATTEMPTS {
            match Self::attempt(&options).await {
                Err(Error::PortTaken { .. }) => {}
                done => return done,
            }
        }
        Self::attempt(&options).await
    }

    async fn attempt(options: &Options) -> Result<Self> {
        let ground = Arc::new(Ground::new()?);
        let certificates = if options.tls {
            let names: Vec<&str> = options.certificate_names.iter().map(String::as_str).collect();
            Some(Certificates::new(&ground.folder("certificates")?, &names)?)
        } else {
            None
        };
        let mut rig = Self {
            options: options.clone(),
            servers: Vec::new(),
            sentinels: Vec::new(),
            certificates,
            ground,
        };
        match options.kind {
            Kind::Standalone => {
                rig.start_servers(1 + options.replicas).await?;
                rig.replicate().await?;
            }
            Kind::Sentinel => {
                rig.start_sentinel_rig().await?;
            }
            Kind::Cluster => {
                rig.start_servers(2 * CLUSTER_MASTERS).await?;
                rig.join().await?;
            }
        }
        Ok(rig)
    }

    /// Starts Redis servers, which are not connected to one another yet, and waits until they take commands.
    async fn start_servers(&mut self, count: usize) -> Result<Vec<Ports>> {
        let bus = self.options.kind == Kind::Cluster;
        let (all, places) = self.places(count, bus, false)?;
        let configuration =
            Configuration { options: &self.options, certificates: self.certificates.as_ref() };
        for (index, (&ports, place)) in all.iter().zip(places).enumerate() {
            let lines = configuration.server(ports);
            self.servers.push(self.start_one(&format!("server-{index}"), place, &lines, &[])?);
        }
        for server in &self.servers {
            server.wait_ready().await?;
        }
        Ok(all)
    }

    fn start_one(&self, name: &str, place: Place, lines: &[String], arguments: &[&str]) -> Result<Server> {
        Server::start(&self.ground, &self.options.program, name, place, lines, arguments)
    }

    /// Ports for so many servers, with one each for a cluster's bus or for clients without TLS, and with their proxies.
    fn places(&self, count: usize, bus: bool, plain: bool) -> Result<(Vec<Ports>, Vec<Place>)> {
        let pairs = if bus {
            ports::free_with_bus(count)?
        } else {
            let free = ports::free(2 * count)?;
            free.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
        };
        let mut all = Vec::new();
        let mut places = Vec::new();
        for (own, further) in pairs {
            let (bus, plain) = (Some(further).filter(|_| bus), Some(further).filter(|_| plain));
            let port = plain.unwrap_or(own);
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let proxy = if self.options.proxied { Some(Proxy::start(target)?) } else { None };
            // A proxy before a plain port is none before the TLS port, of which Sentinels tell.
            let announced = proxy.as_ref().filter(|_| plain.is_none()).map_or(own, |proxy| proxy.port);
            all.push(Ports { own, announced, plain, bus });
            places.push(Place { port, proxy });
        }
        Ok((all, places))
    }

    /// What it was made of.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The Redis servers. At the start the masters are first; in a cluster the replica of server `n` is server `n + 3`.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The Sentinels, of which only a Sentinel rig has some.
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The certificates of a rig with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The folder of the rig, gone when it is dropped.
    pub fn folder(&self) -> &Path {
        self.ground.path()
    }

    /// The proxies in front of servers and Sentinels, in their order, of a rig that was asked to be `proxied`.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.servers.iter().chain(&self.sentinels).filter_map(Server::proxy)
    }

    /// The server that takes the writes at this moment: the one that most Sentinels name, or in a cluster the owner of slot 0.
    pub async fn master(&self) -> Result<&Server> {
        match self.options.kind {
            Kind::Standalone => self.replicating_master().await,
            Kind::Sentinel => match self.named_master().await {
                Some(master) => Ok(master),
                None => self.replicating_master().await,
            },
            Kind::Cluster => self.slot_owner(0).await,
        }
    }

    /// What the names of a node's keys begin with, when it has no `REDIS_KEY_PREFIX` of its own.
    pub fn prefix(&self) -> &'static str {
        if self.options.kind == Kind::Cluster { "{open-webui}" } else { "open-webui" }
    }

    /// The server that takes the writes to those keys at this moment.
    pub async fn keeper(&self) -> Result<&Server> {
        match self.options.kind {
            Kind::Cluster => self.owner(self.prefix()).await,
            Kind::Standalone | Kind::Sentinel => self.master().await,
        }
    }

    fn unknown(&self, what: &str) -> Error {
        Error::NotRunning { name: format!("{what} of the {:?} rig", self.options.kind) }
    }
}
