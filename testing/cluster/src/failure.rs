//! The ways in which Redis and the network to it break.

use crate::options::{Kind, Options};
use crate::proxy::Direction;
use std::fmt;

/// One way in which something breaks. [`Rig::inflict`](crate::Rig::inflict) does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The master is gone at once.
    MasterKilled,
    /// The master answers nothing, and its connections stay open.
    MasterFrozen,
    /// The first Sentinel of the list is gone.
    FirstSentinelKilled,
    /// The first Sentinel of the list answers nothing.
    FirstSentinelFrozen,
    /// All Sentinels are gone; the servers are not.
    SentinelsKilled,
    /// A replica is made the master by hand while all servers run.
    Promoted,
    /// The slot of the keys with the usual prefix moves to another master.
    SlotMoved,
    /// The master is killed and started again at once, empty.
    RestartedEmpty,
    /// All connections that subscribe are closed by the server.
    SubscribersKilled,
    /// All other connections of clients are closed by the server.
    ClientsKilled,
    /// The server lets all clients wait for two seconds.
    Paused,
    /// Connections that say nothing for a second are closed by the server.
    IdleTimeout,
    /// All clients are thrown out, and none is let in.
    ClientsRefused,
    /// No memory is left, and nothing is evicted: writes are refused.
    OutOfMemory,
    /// No memory is left, and any key can be evicted.
    Eviction,
    /// Connections are reset, and new ones too.
    NetworkCut,
    /// The network swallows everything.
    NetworkSilent,
    /// The network swallows everything but one direction.
    NetworkOneWay(Direction),
    /// The network takes 200 ms in each direction.
    NetworkSlow,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::MasterKilled,
        Self::MasterFrozen,
        Self::FirstSentinelKilled,
        Self::FirstSentinelFrozen,
        Self::SentinelsKilled,
        Self::Promoted,
        Self::SlotMoved,
        Self::RestartedEmpty,
        Self::SubscribersKilled,
        Self::ClientsKilled,
        Self::Paused,
        Self::IdleTimeout,
        Self::ClientsRefused,
        Self::OutOfMemory,
        Self::Eviction,
        Self::NetworkCut,
        Self::NetworkSilent,
        Self::NetworkOneWay(Direction::ToServer),
        Self::NetworkOneWay(Direction::ToClient),
        Self::NetworkSlow,
    ];

    /// Those that can be inflicted on a rig: the network breaks only where there are proxies.
    pub fn of(options: &Options) -> impl Iterator<Item = Self> + use<> {
        let (kind, proxied) = (options.kind, options.proxied);
        Self::ALL.into_iter().filter(move |failure| match failure {
            Self::FirstSentinelKilled | Self::FirstSentinelFrozen | Self::SentinelsKilled => {
                kind == Kind::Sentinel
            }
            // Clients of a standalone server know only its address, and would not find the promoted replica.
            Self::Promoted => kind != Kind::Standalone,
            Self::SlotMoved => kind == Kind::Cluster,
            Self::NetworkCut | Self::NetworkSilent | Self::NetworkOneWay(_) | Self::NetworkSlow => proxied,
            _ => true,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MasterKilled => "master killed",
            Self::MasterFrozen => "master frozen",
            Self::FirstSentinelKilled => "first Sentinel killed",
            Self::FirstSentinelFrozen => "first Sentinel frozen",
            Self::SentinelsKilled => "all Sentinels killed",
            Self::Promoted => "replica promoted by hand",
            Self::SlotMoved => "slot moved",
            Self::RestartedEmpty => "restarted empty",
            Self::SubscribersKilled => "subscribers killed",
            Self::ClientsKilled => "clients killed",
            Self::Paused => "clients paused for 2 s",
            Self::IdleTimeout => "timeout 1",
            Self::ClientsRefused => "no further clients",
            Self::OutOfMemory => "out of memory, noeviction",
            Self::Eviction => "out of memory, allkeys-lru",
            Self::NetworkCut => "network cut",
            Self::NetworkSilent => "network silent",
            Self::NetworkOneWay(Direction::ToServer) => "network one way, to the server",
            Self::NetworkOneWay(Direction::ToClient) => "network one way, to the client",
            Self::NetworkSlow => "network 200 ms slow",
        })
    }
}
