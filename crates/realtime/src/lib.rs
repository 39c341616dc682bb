//! Realtime: Engine.IO 4 and Socket.IO 5 at `/ws/socket.io`, rooms, acknowledgements, backpressure, polling.
//!
//! A [`Realtime`] is one node's set of sockets. The [`Application`] gets three callbacks; it sends through
//! [`Realtime::to`], [`Realtime::call`] and the [`Socket`] handles. A [`Bus`] joins nodes to a fleet.
//!
//! How an event travels: it is encoded once into a WebSocket frame ([`frame`]); the bounded queue of each
//! receiver gets a reference to these bytes; the receiver's one task writes all that waits in a single call.
//! A receiver that does not keep up is closed with a reason and never holds up others.
//!
//! What a client sends goes through [`frame`] (bytes to messages), [`packet`] (messages to packets) and then, in
//! order and one at a time, to the application.

mod acks;
mod application;
mod bucket;
mod bus;
mod config;
mod engine;
mod error;
pub mod frame;
mod heartbeat;
mod log_budget;
mod node;
mod origin;
mod outbox;
pub mod packet;
mod realtime;
mod reason;
mod rooms;
mod session;
mod sharded;
mod sid;
mod socket;
mod stats;
mod transport;
mod tune;
mod waking;

pub use acks::{Ack, CallError};
pub use application::Application;
pub use bus::{Bus, BusError, BusMessage, CallbackAddress, Emit, MemoryBus, NodeInbox, Reach, Target};
pub use config::{RealtimeConfig, TransportMode};
pub use error::EmitError;
pub use origin::OriginRule;
pub use packet::AttachmentLimits;
pub use realtime::{Emission, Realtime};
pub use reason::DisconnectReason;
pub use sid::{NodeTag, Sid};
pub use socket::Socket;
pub use stats::Stats;
pub use transport::{PollEndpoint, PollForward};
pub use tune::tune;
