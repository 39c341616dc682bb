//! Payloads of the polling transport: packets joined by one separator character.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{EnginePacket, PacketError, base64_of, decode_engine};
use crate::frame::Frame;

/// The character between two packets of a payload.
pub const SEPARATOR: char = '\u{1e}';

/// Splits the body of a POST into packets; each is read when the iterator gets there.
pub fn decode_payload(body: &str) -> impl Iterator<Item = Result<EnginePacket, PacketError>> {
    body.split(SEPARATOR).map(|part| match part.strip_prefix('b') {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map(EnginePacket::Binary)
            .map_err(|_| PacketError::Malformed("an attachment is not base64")),
        None => decode_engine(part.to_owned()),
    })
}

/// Joins frames into the body that answers a poll.
pub fn encode_payload(frames: &[Frame]) -> Vec<u8> {
    let size = frames.iter().map(|frame| frame.payload().len() * 4 / 3 + 8).sum();
    let mut body = Vec::with_capacity(size);
    for frame in frames {
        if !body.is_empty() {
            body.push(b'\x1e');
        }
        if frame.is_binary() {
            body.push(b'b');
            body.extend_from_slice(base64_of(frame.payload()).as_bytes());
        } else {
            body.extend_from_slice(frame.payload());
        }
    }
    body
}
