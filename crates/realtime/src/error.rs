//! Errors of this crate.
//!
//! What a client does wrong never becomes an error for the application: it ends that client's socket with a
//! [`crate::DisconnectReason`]. Errors remain for what the application asks: [`EmitError`] for sending,
//! [`crate::CallError`] for sending and waiting. The protocol modules have their own for malformed input
//! ([`crate::packet::PacketError`], [`crate::frame::FrameError`]), the bus has [`crate::BusError`].

use crate::bus::BusError;

/// Why an event was not sent, or not everywhere.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The payload cannot be written as JSON. Nothing was sent.
    #[error("the payload cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The event is larger than the largest message. Nothing was sent.
    #[error("the event has {size} bytes, the largest message is {limit}")]
    TooLarge {
        /// Bytes of the encoded event.
        size: usize,
        /// Bytes of the largest message.
        limit: usize,
    },
    /// Sockets of this node have it, other nodes do not.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl EmitError {
    /// Whether the bus tells this itself, once for all events that it concerns, and has those who missed them read again.
    pub fn is_told_by_bus(&self) -> bool {
        matches!(self, Self::Bus(BusError::Unavailable(_)))
    }
}
