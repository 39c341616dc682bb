//! The event bus of a fleet: what python-socketio's Redis manager says and understands, by way of the [`Exchange`].
//!
//! ```text
//! publish ── Outgoing (bounded queue) ── sender, one task ── PUBLISH ──▶ Redis
//! NodeInbox ◀── Receiver ◀── Exchange ◀── the node's subscription ◀───────┘
//! ```
//!
//! Whoever emits never waits for Redis: local sockets are served already, and what goes to other nodes is queued and sent in
//! order. What could not be sent is made good when Redis is back: the sockets that missed something are told to read again
//! ([`RESYNC_EVENT`]), and commands such as leaving a room are sent once more. After a gap of its own subscription a node
//! tells its own sockets the same.
//!
//! A large event goes in parts, one after another and nothing between them, and is one event again where it arrives.

mod assembly;
mod channels;
mod log_write;
mod outgoing;
mod owed;
mod parts;
mod receiver;
mod rooms;
mod sender;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use antiphon_realtime::{Bus, BusError, BusMessage, NodeInbox, Reach};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::exchange::Exchange;
use crate::redis;
use assembly::Assemblies;
use channels::Channels;
pub(crate) use log_write::{LogWay, LogWrite};
use outgoing::{Item, Outgoing};
use owed::Remedy;
use receiver::Receiver;
use rooms::OpenRooms;

/// The event that tells a page to read again what it shows, because it may have missed events. Its argument is `{}`.
pub const RESYNC_EVENT: &str = "antiphon:resync";
/// Bytes of one event, which goes in parts when it is large. So many, all waiting for one subscriber, Redis still keeps: it cuts
/// those off that lag 32 MiB behind, or 8 MiB for a minute.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;
/// Bytes of a message that cannot go in parts: a command, or an event on a channel that is shared with other servers.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Time a call may wait until it is published.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(10);

/// How the bus is set up; every node of a fleet has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusOptions {
    /// The base channel (`WEBSOCKET_REDIS_CHANNEL`); `None` for `{prefix}:socketio`.
    pub channel: Option<String>,
    /// Whether each room has a channel of its own (`WEBSOCKET_REDIS_ROOM_CHANNELS`).
    pub room_channels: bool,
}

/// The bus of one node.
pub struct RedisBus {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    channels: Channels,
    outgoing: Arc<Outgoing>,
    rooms: OpenRooms,
    assemblies: Assemblies,
    inbox: OnceLock<NodeInbox>,
    counters: Counters,
}

/// Counts since the start.
#[derive(Debug, Default)]
struct Counters {
    published: AtomicU64,
    commands: AtomicU64,
    lost: AtomicU64,
    received: AtomicU64,
    malformed: AtomicU64,
    torn: AtomicU64,
}

/// What a bus has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusTotals {
    /// Messages that Redis took.
    pub published: u64,
    /// Commands by which that was done, those of the logs of live replies included: an entry and its event are one.
    pub commands: u64,
    /// Messages that it did not take; the sockets that missed them are told to read again.
    pub lost: u64,
    /// Messages of others.
    pub received: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Events of others of which parts were missing; the sockets that missed them were told to read again.
    pub torn: u64,
}

impl RedisBus {
    /// Begins to listen and to send, and does not wait for Redis. Must be called inside a Tokio runtime.
    pub fn start(exchange: Exchange, options: &BusOptions) -> Self {
        let base = options.channel.clone().unwrap_or_else(|| exchange.channel("socketio"));
        let inner = Arc::new(Inner {
            channels: Channels::new(base, options.room_channels, options.channel.is_some()),
            outgoing: Arc::default(),
            rooms: OpenRooms::default(),
            assemblies: Assemblies::default(),
            inbox: OnceLock::new(),
            counters: Counters::default(),
            exchange,
        });
        let receiver = Arc::new(Receiver::new(&inner));
        inner.exchange.listen_to_the_rest(receiver.clone());
        let (exchange, base) = (inner.exchange.clone(), inner.channels.base().to_owned());
        tokio::spawn(async move { exchange.listen(&base, receiver).await });
        tokio::spawn(sender::run(inner.outgoing.clone(), Arc::downgrade(&inner), inner.exchange.clone()));
        Self { inner }
    }

    /// Counts since the start.
    pub fn totals(&self) -> BusTotals {
        let counters = &self.inner.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BusTotals {
            published: get(&counters.published),
            commands: get(&counters.commands),
            lost: get(&counters.lost),
            received: get(&counters.received),
            malformed: get(&counters.malformed),
            torn: get(&counters.torn),
        }
    }
}

impl Inner {
    fn lost(&self, number: usize) {
        self.counters.lost.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Queues a message for the sender. Gives the receiver of its reply when the message is a call.
    fn enqueue(&self, message: &BusMessage) -> Result<Option<oneshot::Receiver<u64>>, BusError> {
        let remedy = Remedy::of(message);
        let queued = (|| {
            let payload = message.to_json()?;
            let channel = self.channels.of(message);
            let divisible = remedy != Remedy::Again && self.channels.carry_parts();
            let limit = if divisible { MAX_EVENT } else { MAX_MESSAGE };
            if payload.len() > limit {
                return Err(BusError::TooLarge { size: payload.len(), limit });
            }
            let in_parts = divisible && payload.len() > parts::WHOLE;
            let is_call = matches!(message, BusMessage::Emit(emit) if emit.callback.is_some());
            let (reply, replied) = is_call.then(oneshot::channel).unzip();
            let mut item = Item::new(channel, payload, remedy.clone(), reply);
            item.in_parts = in_parts;
            self.outgoing.push(item)?;
            Ok(replied)
        })();
        if queued.is_err() {
            self.lost(1);
            self.outgoing.refuse(remedy);
        }
        queued
    }

    /// Who a published call has reached, from the number of subscriptions that got it.
    fn reach(&self, subscriptions: u64) -> Reach {
        // In a cluster only those of one server are counted, and on the base channel this node counts itself.
        let counts = self.channels.by_room() && !self.in_cluster();
        match subscriptions {
            0 if counts => Reach::Nobody,
            0 => Reach::Unknown,
            _ if counts => Reach::Somebody,
            _ => Reach::Unknown,
        }
    }

    fn in_cluster(&self) -> bool {
        self.exchange
            .connections()
            .is_ok_and(|connections| matches!(connections.options().sockets.reach, redis::Reach::Cluster(_)))
    }
}

impl Bus for RedisBus {
    fn attach(&self, inbox: NodeInbox) {
        if self.inner.inbox.set(inbox).is_err() {
            tracing::debug!("a second node was attached to the bus of another and is not served");
        }
    }

    fn tracks_rooms(&self) -> bool {
        self.inner.channels.by_room()
    }

    fn publish(&self, message: BusMessage) -> BoxFuture<'_, Result<Reach, BusError>> {
        let queued = self.inner.enqueue(&message);
        Box::pin(async move {
            let Some(replied) = queued? else { return Ok(Reach::Unknown) };
            match tokio::time::timeout(PUBLISHED_WITHIN, replied).await {
                Ok(Ok(subscriptions)) => Ok(self.inner.reach(subscriptions)),
                Ok(Err(_)) => Err(BusError::Unavailable("Redis did not take the call".to_owned())),
                Err(_) => {
                    Err(BusError::Unavailable(format!("the call was not sent within {PUBLISHED_WITHIN:?}")))
                }
            }
        })
    }

    fn room_opened<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.inner.open(room))
    }

    fn room_closed<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.inner.close(room))
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.inner.outgoing.close();
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisBus").field("channels", &self.inner.channels).finish_non_exhaustive()
    }
}
