//! Counters of the realtime layer.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::reason::DisconnectReason;

/// Counts since start. Gauges are filled in by [`crate::Realtime::stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) opened: AtomicU64,
    pub(crate) refused_origin: AtomicU64,
    pub(crate) refused_full: AtomicU64,
    pub(crate) events_received: AtomicU64,
    pub(crate) events_sent: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) bus_failures: AtomicU64,
    closed: AtomicU64,
    closed_slow: AtomicU64,
    closed_ping: AtomicU64,
    closed_malformed: AtomicU64,
    closed_limits: AtomicU64,
    closed_server: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn count_close(&self, reason: DisconnectReason) {
        Self::add(&self.closed, 1);
        let group = match reason {
            DisconnectReason::SlowConsumer | DisconnectReason::WriteTimeout => &self.closed_slow,
            DisconnectReason::PingTimeout => &self.closed_ping,
            DisconnectReason::ParseError => &self.closed_malformed,
            DisconnectReason::TooLarge
            | DisconnectReason::TooManyEvents
            | DisconnectReason::TooMuchPending
            | DisconnectReason::ConnectTimeout
            | DisconnectReason::OverlappingPoll
            | DisconnectReason::AnonymousLimit => &self.closed_limits,
            DisconnectReason::ServerDisconnect(_) => &self.closed_server,
            DisconnectReason::ClientDisconnect
            | DisconnectReason::TransportClose
            | DisconnectReason::TransportError
            | DisconnectReason::Shutdown => return,
        };
        Self::add(group, 1);
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.opened = get(&self.opened);
        stats.refused_origin = get(&self.refused_origin);
        stats.refused_full = get(&self.refused_full);
        stats.events_received = get(&self.events_received);
        stats.events_sent = get(&self.events_sent);
        stats.deliveries = get(&self.deliveries);
        stats.bus_failures = get(&self.bus_failures);
        stats.closed = get(&self.closed);
        stats.closed_slow = get(&self.closed_slow);
        stats.closed_ping = get(&self.closed_ping);
        stats.closed_malformed = get(&self.closed_malformed);
        stats.closed_limits = get(&self.closed_limits);
        stats.closed_server = get(&self.closed_server);
    }
}

/// What the realtime layer of this node holds now, and has done since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Open connections.
    pub connections: usize,
    /// Connections without identity.
    pub anonymous: usize,
    /// Sockets in the namespace.
    pub sockets: usize,
    /// Rooms with members here, sids not counted.
    pub rooms: usize,
    /// Bytes waiting to be written, counted for each socket (sockets share them).
    pub queued_bytes: usize,
    /// Packets waiting to be written.
    pub queued_packets: usize,
    /// Acknowledgements that clients owe.
    pub pending_acks: usize,
    /// Connections opened.
    pub opened: u64,
    /// Connections refused for their origin.
    pub refused_origin: u64,
    /// Connections refused because the node is full or stopping.
    pub refused_full: u64,
    /// Events of clients.
    pub events_received: u64,
    /// Events emitted, each once however many receive it.
    pub events_sent: u64,
    /// Events queued to sockets.
    pub deliveries: u64,
    /// Messages that the bus did not take.
    pub bus_failures: u64,
    /// Connections closed, for any reason.
    pub closed: u64,
    /// Closed because the client read too slowly.
    pub closed_slow: u64,
    /// Closed because the client was silent.
    pub closed_ping: u64,
    /// Closed because of malformed input.
    pub closed_malformed: u64,
    /// Closed because of another limit.
    pub closed_limits: u64,
    /// Disconnected by the application.
    pub closed_server: u64,
}
