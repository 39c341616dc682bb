//! Failures, inflicted and ended again.

use super::Rig;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::options::Kind;
use crate::proxy::Proxy;
use crate::server::Server;
use std::time::{Duration, Instant};

/// The usual prefix of keys. In a cluster, the master that holds its slot is the one that breaks.
const PREFIX: &str = "open-webui";

/// How long a topology may take to find another master.
const FAILOVER: Duration = Duration::from_secs(30);

/// How long the network takes in each direction when it is slow.
const SLOW: Duration = Duration::from_millis(200);

/// How long clients are paused, in milliseconds.
const PAUSE_MS: &str = "2000";

/// How much may be stored under memory pressure, in bytes, and how much of filling is stored then, in pieces.
const ROOM: usize = 2 << 20;
const PIECE: usize = 32 << 10;
const PIECES: usize = 128;

/// A failure that goes on, until it is [ended](Broken::end).
#[must_use = "a failure is ended by `end`"]
pub struct Broken<'a> {
    rig: &'a Rig,
    failure: Failure,
    master: &'a Server,
    /// Settings as they were, by server.
    settings: Vec<(&'a Server, &'static str, String)>,
}

impl Rig {
    /// Breaks something. It is an error when the rig has nothing of that kind, see [`Failure::of`].
    pub async fn inflict(&self, failure: Failure) -> Result<Broken<'_>> {
        if !Failure::of(&self.options).any(|possible| possible == failure) {
            return Err(self.unknown(&format!("what is needed for '{failure}'")));
        }
        let master = self.keeper().await?;
        let mut broken = Broken { rig: self, failure, master, settings: Vec::new() };
        match failure {
            Failure::MasterKilled => master.kill()?,
            Failure::MasterFrozen => master.freeze()?,
            Failure::FirstSentinelKilled => self.sentinels[0].kill()?,
            Failure::FirstSentinelFrozen => self.sentinels[0].freeze()?,
            Failure::SentinelsKilled => self.sentinels.iter().try_for_each(Server::kill)?,
            Failure::Promoted => {
                let new = self.promote(master).await?;
                broken.master = new;
            }
            Failure::SlotMoved => self.move_prefix(master).await?,
            Failure::RestartedEmpty => master.restart(false).await?,
            Failure::SubscribersKilled => self.throw_out("pubsub").await?,
            Failure::ClientsKilled => self.throw_out("normal").await?,
            Failure::Paused => {
                for server in self.running() {
                    server.admin(&["CLIENT", "PAUSE", PAUSE_MS, "ALL"]).await?;
                }
            }
            Failure::IdleTimeout => broken.set("timeout", "1").await?,
            Failure::ClientsRefused => {
                broken.set("maxclients", "1").await?;
                self.throw_out("pubsub").await?;
                self.throw_out("normal").await?;
            }
            Failure::OutOfMemory => {
                broken.set("maxmemory-policy", "noeviction").await?;
                broken.set("maxmemory", "1").await?;
            }
            Failure::Eviction => broken.press().await?,
            Failure::NetworkCut => self.proxies().for_each(Proxy::cut),
            Failure::NetworkSilent => self.proxies().for_each(Proxy::black_hole),
            Failure::NetworkOneWay(direction) => self.proxies().for_each(|proxy| proxy.one_way(direction)),
            Failure::NetworkSlow => self.proxies().for_each(|proxy| proxy.delay(SLOW)),
        }
        Ok(broken)
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.answers())
    }

    /// Has the servers close the connections of clients, of one type, but not those of Sentinels and of the rig.
    async fn throw_out(&self, kind: &str) -> Result<()> {
        for server in self.running() {
            for client in server.clients().await? {
                let subscribes = !client.contains(" sub=0 psub=0 ssub=0 ");
                let id = client.split(' ').find_map(|field| field.strip_prefix("id="));
                if let Some(id) = id
                    && subscribes == (kind == "pubsub")
                {
                    server.admin(&["CLIENT", "KILL", "ID", id]).await?;
                }
            }
        }
        Ok(())
    }

    /// Moves the slot of the usual prefix, with its keys, to another master.
    async fn move_prefix(&self, from: &Server) -> Result<()> {
        let slot = from.admin(&["CLUSTER", "KEYSLOT", PREFIX]).await?;
        let mut to = None;
        for server in self.running().filter(|server| server.port != from.port) {
            if self.owns_slots(server).await {
                to = Some(server);
                break;
            }
        }
        let to = to.ok_or_else(|| self.unknown("another master"))?;
        let moving = self.move_slot(slot.parse().unwrap_or_default(), to).await?;
        moving.keys().await?;
        moving.finish().await
    }
}

impl Broken<'_> {
    /// The server that was hit, or is the new master after a promotion.
    pub fn master(&self) -> &Server {
        self.master
    }

    /// Ends the failure, and returns the moment from which Redis can be used again.
    ///
    /// Sentinels and clusters help themselves after the loss of a master: this then waits until another one takes writes, and
    /// the lost one stays lost. Everything else is undone here. [`Rig::heal`] makes the topology whole again afterwards.
    pub async fn end(self) -> Result<Instant> {
        match self.failure {
            Failure::MasterKilled | Failure::MasterFrozen if self.rig.options.kind != Kind::Standalone => {
                self.rig.new_master(self.master, FAILOVER).await?;
            }
            Failure::MasterKilled => self.master.restart(true).await?,
            Failure::MasterFrozen => self.master.thaw()?,
            Failure::SentinelsKilled => {
                for sentinel in &self.rig.sentinels {
                    sentinel.restart(true).await?;
                }
            }
            Failure::Paused => {
                // It waits as all others do.
                for server in self.rig.running() {
                    server.admin(&["PING"]).await?;
                }
            }
            // A cluster's master that was started again first looks what it has missed, and meanwhile says CLUSTERDOWN.
            Failure::RestartedEmpty if self.rig.options.kind == Kind::Cluster => {
                let serves = async || {
                    self.master
                        .admin(&["CLUSTER", "INFO"])
                        .await
                        .is_ok_and(|info| info.contains("cluster_state:ok"))
                };
                crate::wait_until("a restarted master serves its slots", FAILOVER, serves).await?;
            }
            Failure::Eviction => self.relieve().await?,
            _ => self.rig.proxies().for_each(Proxy::pass),
        }
        // The last one set is the first one back: the policy is of no use without the limit.
        for (server, name, value) in self.settings.iter().rev().filter(|(server, ..)| server.answers()) {
            server.admin(&["CONFIG", "SET", name, value]).await?;
        }
        Ok(Instant::now())
    }

    /// Changes a setting of all servers, and remembers how it was.
    async fn set(&mut self, name: &'static str, value: &str) -> Result<()> {
        for server in self.rig.running() {
            let reply = server.admin(&["CONFIG", "GET", name]).await?;
            let before = reply.lines().nth(1).unwrap_or_default().to_owned();
            self.settings.push((server, name, before));
            server.admin(&["CONFIG", "SET", name, value]).await?;
        }
        Ok(())
    }

    /// Fills a little room that is left to the master, until keys are evicted.
    async fn press(&mut self) -> Result<()> {
        let used: usize = self.master.info("used_memory").await?.parse().unwrap_or_default();
        self.set("maxmemory-policy", "allkeys-lru").await?;
        self.set("maxmemory", &(used + ROOM).to_string()).await?;
        let piece = "x".repeat(PIECE);
        for index in 0..PIECES {
            self.master.admin(&["SET", &filling(index), &piece]).await?;
        }
        if self.master.info("evicted_keys").await? == "0" {
            let text = "nothing was evicted".to_owned();
            return Err(Error::Unexpected { name: self.master.name().to_owned(), text });
        }
        Ok(())
    }

    async fn relieve(&self) -> Result<()> {
        for index in 0..PIECES {
            self.master.admin(&["DEL", &filling(index)]).await?;
        }
        Ok(())
    }
}

/// A key that nobody uses, in the slot of those with the usual prefix.
fn filling(index: usize) -> String {
    format!("{{{PREFIX}}}:filling:{index}")
}
