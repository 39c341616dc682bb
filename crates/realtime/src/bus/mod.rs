//! How events reach the sockets of other nodes.
//!
//! The node delivers to its own sockets directly and hands the same event to the [`Bus`]; what the bus brings
//! from others goes into the node's [`NodeInbox`]. The messages are those of python-socketio, so that a bus
//! over Redis interoperates; [`BusMessage::to_json`] and [`BusMessage::from_json`] are their wire form.

mod memory;
mod wire;

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::node::Node;

pub use memory::MemoryBus;

/// What carries messages between nodes.
pub trait Bus: Send + Sync + 'static {
    /// Gives the bus the inbox of a node that uses it. Called once for each node, before anything else.
    fn attach(&self, inbox: NodeInbox);

    /// Whether there may be anybody else. False spares the node all work for the bus.
    fn has_peers(&self) -> bool {
        true
    }

    /// Whether the bus wants [`Bus::room_opened`] and [`Bus::room_closed`]. Constant for the life of the bus.
    fn tracks_rooms(&self) -> bool {
        false
    }

    /// Sends a message to the other nodes. Messages of one caller, awaited one by one, keep their order.
    ///
    /// The bus bounds the time this takes.
    fn publish(&self, message: BusMessage) -> BoxFuture<'_, Result<Reach, BusError>>;

    /// The first socket of this node is about to join `room`. Done when messages for it will arrive.
    ///
    /// Calls for one room never overlap. A bus that fails here repairs itself: it knows which rooms are open.
    fn room_opened<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        let _ = room;
        Box::pin(std::future::ready(()))
    }

    /// The last socket of this node has left `room`.
    fn room_closed<'a>(&'a self, room: &'a str) -> BoxFuture<'a, ()> {
        let _ = room;
        Box::pin(std::future::ready(()))
    }
}

/// Who a published message has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody: a call can fail at once.
    Nobody,
    /// At least one other node.
    Somebody,
    /// The bus cannot tell.
    Unknown,
}

/// Why a message was not published, or not understood.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus is out of reach; the text says what was tried.
    #[error("the event bus is out of reach: {0}")]
    Unavailable(String),
    /// The message is larger than the bus takes.
    #[error("the message has {size} bytes, the event bus takes {limit}")]
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// Bytes the bus takes.
        limit: usize,
    },
    /// Text from the bus that is no message.
    #[error("not a bus message: {0}")]
    Malformed(String),
}

/// The receivers of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every socket of the namespace.
    Everybody,
    /// The members of one room; each sid is a room too.
    Room(String),
    /// The members of any of these rooms, each once.
    Rooms(Vec<String>),
}

impl Target {
    /// The rooms; empty for everybody.
    pub fn rooms(&self) -> &[String] {
        match self {
            Self::Everybody => &[],
            Self::Room(room) => std::slice::from_ref(room),
            Self::Rooms(rooms) => rooms,
        }
    }
}

/// Where an acknowledgement goes back to: `[room, namespace, id]` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackAddress {
    /// The room the event was sent to; a sid for calls.
    pub room: String,
    /// The caller's number for it.
    pub id: u64,
}

/// An event for sockets of other nodes.
#[derive(Clone, Debug)]
pub struct Emit {
    /// Its name.
    pub event: String,
    /// Its arguments, a JSON array; with attachments it holds their placeholders.
    pub arguments: Arc<RawValue>,
    /// Binary attachments, in the order of the placeholders' numbers.
    pub attachments: Vec<Bytes>,
    /// Who gets it.
    pub target: Target,
    /// Sids that do not.
    pub skip: Vec<String>,
    /// Set when the sender waits for an acknowledgement.
    pub callback: Option<CallbackAddress>,
    /// The sender; `None` for external emitters that give none.
    pub host_id: Option<String>,
}

/// One message between nodes.
#[derive(Clone, Debug)]
pub enum BusMessage {
    /// Deliver an event to local members.
    Emit(Box<Emit>),
    /// A client acknowledged; only the node `host_id` acts on it.
    Callback {
        /// The node that waits.
        host_id: String,
        /// The room of its [`CallbackAddress`].
        sid: String,
        /// The number of its [`CallbackAddress`].
        id: u64,
        /// The client's arguments, a JSON array.
        arguments: Arc<RawValue>,
    },
    /// Disconnect a socket, wherever it is.
    Disconnect {
        /// The socket.
        sid: String,
        /// The sender.
        host_id: Option<String>,
    },
    /// Put a socket into a room.
    EnterRoom {
        /// The socket.
        sid: String,
        /// The room.
        room: String,
        /// The sender.
        host_id: Option<String>,
    },
    /// Take a socket out of a room.
    LeaveRoom {
        /// The socket.
        sid: String,
        /// The room.
        room: String,
        /// The sender.
        host_id: Option<String>,
    },
    /// Take everybody out of a room.
    CloseRoom {
        /// The room.
        room: String,
        /// The sender.
        host_id: Option<String>,
    },
}

impl BusMessage {
    /// The node named in the message: the sender, or for a callback the node that waits.
    pub fn host_id(&self) -> Option<&str> {
        match self {
            Self::Emit(emit) => emit.host_id.as_deref(),
            Self::Callback { host_id, .. } => Some(host_id),
            Self::Disconnect { host_id, .. }
            | Self::EnterRoom { host_id, .. }
            | Self::LeaveRoom { host_id, .. }
            | Self::CloseRoom { host_id, .. } => host_id.as_deref(),
        }
    }
}

/// Where a bus puts the messages for one node. Does not keep the node alive.
#[derive(Clone)]
pub struct NodeInbox {
    pub(crate) host_id: Arc<str>,
    pub(crate) node: Weak<Node>,
}

impl NodeInbox {
    /// The id under which the node publishes.
    pub fn host_id(&self) -> &str {
        &self.host_id
    }

    /// Whether the node still exists.
    pub fn is_alive(&self) -> bool {
        self.node.strong_count() > 0
    }

    /// Acts on a message: returns at once, messages of one caller keep their order.
    ///
    /// Drops what the node published itself and callbacks for others. Must be called inside a Tokio runtime.
    pub fn deliver(&self, message: BusMessage) {
        let own = message.host_id() == Some(&*self.host_id);
        let meant = matches!(message, BusMessage::Callback { .. });
        if own == meant
            && let Some(node) = self.node.upgrade()
        {
            node.receive(message);
        }
    }
}
