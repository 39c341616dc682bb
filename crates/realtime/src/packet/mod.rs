//! Packets of Engine.IO 4 and Socket.IO 5: reading, writing, binary attachments and polling payloads.
//!
//! Source: the protocol documents of the Socket.IO project (`engine.io-protocol` v4, `socket.io-protocol` v5).

mod attachments;
mod decode;
mod encode;
mod payload;

use serde_json::value::RawValue;

pub(crate) use attachments::base64_of;
pub use attachments::{Assembly, AttachmentLimits};
pub use decode::{decode, decode_engine};
pub use encode::{OpenPacket, ack, connect, connect_error, disconnect, event, join_attachments};
pub use payload::{SEPARATOR, decode_payload, encode_payload};

/// The only namespace there is.
pub const ROOT: &str = "/";

/// One packet of the Engine.IO layer, as a text frame or a part of a polling payload carries it.
#[derive(Debug, PartialEq, Eq)]
pub enum EnginePacket {
    /// `1`: the client closes the connection.
    Close,
    /// `2…`: a ping with its data. Only the transport probe of version 4 sends it.
    Ping(String),
    /// `3…`: the answer to our ping.
    Pong,
    /// `4…`: a Socket.IO packet, without the `4`.
    Message(String),
    /// `5`: the end of an upgrade. We offer none.
    Upgrade,
    /// `6`: nothing.
    Noop,
    /// `b…` in a polling payload, a binary frame on a websocket: one attachment.
    Binary(Vec<u8>),
}

/// One packet of the Socket.IO layer.
#[derive(Debug)]
pub struct Packet {
    /// The namespace; `None` is the root.
    pub namespace: Option<String>,
    /// What it is.
    pub body: Body,
    /// Binary attachments that follow.
    pub attachments: usize,
}

/// What a packet carries.
#[derive(Debug)]
pub enum Body {
    /// `0`: join the namespace, with the client's credentials.
    Connect(Option<Box<RawValue>>),
    /// `1`: leave the namespace.
    Disconnect,
    /// `2` and `5`: an event.
    Event {
        /// Its name.
        name: String,
        /// The arguments after the name, a JSON array.
        arguments: Box<RawValue>,
        /// The number to acknowledge with, when the client wants that.
        id: Option<u64>,
    },
    /// `3` and `6`: the acknowledgement of an event we sent.
    Ack {
        /// The number we sent.
        id: u64,
        /// Its arguments, a JSON array.
        arguments: Box<RawValue>,
    },
}

/// What is wrong with a packet of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The first character is no packet type, or not one that a client may send.
    #[error("unknown packet type")]
    Type,
    /// Something between type and JSON is not as the protocol says.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// The rest is not the JSON that this type of packet carries.
    #[error("the packet's JSON is wrong: {0}")]
    Json(&'static str),
    /// More attachments, or more bytes in them, than allowed.
    #[error("too many or too large binary attachments")]
    Attachments,
}

#[cfg(test)]
mod tests;
