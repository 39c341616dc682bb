//! Three masters that share the slots, each with a replica.

use super::{CLUSTER_MASTERS, Rig};
use crate::error::Result;
use crate::server::Server;
use std::time::Duration;

/// How long the nodes may take to know each other, and then to serve all slots.
const JOIN: Duration = Duration::from_secs(15);

/// Slots of a cluster.
pub(super) const SLOTS: usize = 16_384;

impl Rig {
    /// Makes a cluster of the servers, and waits until every node of it sees it whole.
    pub(super) async fn join(&self) -> Result<()> {
        for (index, server) in self.servers.iter().enumerate() {
            // Different from the start, so that no two nodes have to settle whose is the newer view.
            server.admin(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
            if index < CLUSTER_MASTERS {
                let bound = |index: usize| index * SLOTS / CLUSTER_MASTERS;
                // One by one, since ranges are understood since Redis 7.0 only.
                let slots: Vec<String> =
                    (bound(index)..bound(index + 1)).map(|slot| slot.to_string()).collect();
                let command = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str));
                server.admin(&command.collect::<Vec<_>>()).await?;
            }
        }
        for (index, server) in self.servers.iter().enumerate() {
            for other in &self.servers[index + 1..] {
                let (port, bus) = (other.port.to_string(), bus(other).await?);
                server.admin(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
            }
        }
        for server in &self.servers {
            let what = format!("{} knows all nodes of the cluster", server.name());
            crate::wait_until(&what, JOIN, async || self.knows_all(server, 0).await).await?;
        }
        for (index, replica) in self.servers[CLUSTER_MASTERS..].iter().enumerate() {
            let master = self.servers[index].admin(&["CLUSTER", "MYID"]).await?;
            replica.admin(&["CLUSTER", "REPLICATE", &master]).await?;
        }
        self.replicas_follow(&self.servers[CLUSTER_MASTERS..]).await?;
        self.cluster_is_whole(JOIN).await
    }

    /// Waits until all nodes serve, and know the replicas as such.
    pub(super) async fn cluster_is_whole(&self, limit: Duration) -> Result<()> {
        let replicas = self.servers.len() - CLUSTER_MASTERS;
        for server in &self.servers {
            let what = format!("{} serves in a whole cluster", server.name());
            let whole = async || {
                let state = server.admin(&["CLUSTER", "INFO"]).await.unwrap_or_default();
                state.contains("cluster_state:ok") && self.knows_all(server, replicas).await
            };
            crate::wait_until(&what, limit, whole).await?;
        }
        Ok(())
    }

    /// Whether a node is connected to all others and knows so many of them as replicas.
    async fn knows_all(&self, server: &Server, replicas: usize) -> bool {
        let nodes = server.admin(&["CLUSTER", "NODES"]).await.unwrap_or_default();
        let nodes: Vec<Node> = nodes.lines().filter_map(Node::parse).collect();
        nodes.len() == self.servers.len()
            && nodes.iter().all(|node| node.connected && !node.has("handshake"))
            && nodes.iter().filter(|node| node.has("slave")).count() == replicas
    }

    /// The servers that hold the same slots as this one: a master and its replica.
    pub(super) fn shard(&self, of: &Server) -> impl Iterator<Item = &Server> {
        let index = self.servers.iter().position(|server| server.port == of.port).unwrap_or_default()
            % CLUSTER_MASTERS;
        self.servers.iter().skip(index).step_by(CLUSTER_MASTERS)
    }

    /// Whether a node says that it is a master with slots.
    pub(super) async fn owns_slots(&self, server: &Server) -> bool {
        self.view(server).await.is_some_and(|myself| !myself.slots.is_empty())
    }

    /// What a node says of itself, if it runs and is a master.
    async fn view(&self, server: &Server) -> Option<Node> {
        if !server.answers() {
            return None;
        }
        let nodes = server.admin(&["CLUSTER", "NODES"]).await.ok()?;
        nodes.lines().filter_map(Node::parse).find(|node| node.has("myself") && node.has("master"))
    }

    /// The master that holds the slot of a key, by what the running nodes say of themselves; the newest claim counts.
    pub async fn owner(&self, key: &str) -> Result<&Server> {
        let any = self.servers.iter().find(|server| server.answers());
        let any = any.ok_or_else(|| self.unknown("a running server"))?;
        let slot = any.admin(&["CLUSTER", "KEYSLOT", key]).await?;
        self.slot_owner(slot.parse().unwrap_or_default()).await
    }

    /// The master that holds a slot.
    pub async fn slot_owner(&self, slot: u16) -> Result<&Server> {
        let mut best: Option<(u64, &Server)> = None;
        for server in &self.servers {
            let Some(node) = self.view(server).await else { continue };
            let holds = node.slots.iter().any(|&(first, last)| (first..=last).contains(&slot));
            if holds && best.is_none_or(|(epoch, _)| epoch < node.epoch) {
                best = Some((node.epoch, server));
            }
        }
        Ok(best.ok_or_else(|| self.unknown(&format!("the owner of slot {slot}")))?.1)
    }
}

/// The port of a node's bus.
async fn bus(server: &Server) -> Result<String> {
    let reply = server.admin(&["CONFIG", "GET", "cluster-announce-bus-port"]).await?;
    Ok(reply.lines().nth(1).unwrap_or_default().to_owned())
}

/// One line of `CLUSTER NODES`: id, address, flags, master, ping, pong, epoch, link state, and then slots.
struct Node {
    flags: String,
    epoch: u64,
    connected: bool,
    slots: Vec<(u16, u16)>,
}

impl Node {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let range = |text: &&str| {
            // Slots on their way have brackets around them, and are told by their holder as its own too.
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Some(Self {
            flags: (*fields.get(2)?).to_owned(),
            epoch: fields.get(6)?.parse().ok()?,
            connected: *fields.get(7)? == "connected",
            slots: fields[8..].iter().filter_map(range).collect(),
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split(',').any(|found| found == flag)
    }
}
