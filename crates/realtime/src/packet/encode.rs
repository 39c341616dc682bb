//! Packets to frames. Each function makes one frame that any number of receivers share.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::frame::{Frame, FrameBuilder};

/// The first packet of a connection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPacket<'a> {
    /// The engine id.
    pub sid: &'a str,
    /// Transports to upgrade to: none.
    pub upgrades: [&'static str; 0],
    /// Milliseconds the client may take to answer a ping.
    pub ping_timeout: u64,
    /// Milliseconds between pings.
    pub ping_interval: u64,
    /// Bytes of the largest message a client may send.
    pub max_payload: usize,
}

impl OpenPacket<'_> {
    /// `0{…}`.
    pub fn encode(&self) -> Frame {
        let mut frame = FrameBuilder::new(128);
        frame.payload().push(b'0');
        write_json(&mut frame, self);
        frame.finish_text()
    }
}

/// `40{"sid":…}`: the answer to CONNECT.
pub fn connect(sid: &str) -> Frame {
    let mut frame = FrameBuilder::new(40);
    frame.payload().extend_from_slice(b"40{\"sid\":");
    write_json(&mut frame, sid);
    frame.payload().push(b'}');
    frame.finish_text()
}

/// `44/namespace,"message"`: CONNECT is refused.
pub fn connect_error(namespace: Option<&str>, message: &str) -> Frame {
    let mut frame = FrameBuilder::new(message.len() + namespace.map_or(0, str::len) + 8);
    frame.payload().extend_from_slice(b"44");
    if let Some(namespace) = namespace {
        frame.payload().extend_from_slice(namespace.as_bytes());
        frame.payload().push(b',');
    }
    write_json(&mut frame, message);
    frame.finish_text()
}

/// `41`: the server ends the socket.
pub fn disconnect() -> Frame {
    Frame::text("41")
}

/// `42[id]["name",…]`, or `45<n>-…` when attachments follow. `arguments` is a JSON array.
pub fn event(name: &str, arguments: &RawValue, id: Option<u64>, attachments: usize) -> Frame {
    let arguments = arguments.get();
    let mut frame = FrameBuilder::new(name.len() + arguments.len() + 32);
    prefix(&mut frame, b"42", b"45", attachments);
    if let Some(id) = id {
        write_json(&mut frame, &id);
    }
    frame.payload().push(b'[');
    write_json(&mut frame, name);
    let inner = arguments.trim_ascii().strip_prefix('[').unwrap_or("]");
    if inner.trim_ascii_start() != "]" {
        frame.payload().push(b',');
    }
    frame.payload().extend_from_slice(inner.as_bytes());
    frame.finish_text()
}

/// `43<id>[…]`, or `46<n>-…` when attachments follow. `arguments` is a JSON array.
pub fn ack(id: u64, arguments: &str) -> Frame {
    let mut frame = FrameBuilder::new(arguments.len() + 24);
    frame.payload().extend_from_slice(b"43");
    write_json(&mut frame, &id);
    frame.payload().extend_from_slice(arguments.as_bytes());
    frame.finish_text()
}

/// The frames of an event and of the attachments that follow it.
pub fn join_attachments(first: Frame, attachments: &[bytes::Bytes]) -> Vec<Frame> {
    std::iter::once(first).chain(attachments.iter().map(|bytes| Frame::binary(bytes))).collect()
}

fn prefix(frame: &mut FrameBuilder, plain: &[u8], binary: &[u8], attachments: usize) {
    if attachments == 0 {
        frame.payload().extend_from_slice(plain);
    } else {
        frame.payload().extend_from_slice(binary);
        write_json(frame, &attachments);
        frame.payload().push(b'-');
    }
}

/// Appends JSON. Texts and numbers cannot fail to be written to memory.
fn write_json<T: Serialize + ?Sized>(frame: &mut FrameBuilder, value: &T) {
    let _ = serde_json::to_writer(frame.payload(), value);
}
