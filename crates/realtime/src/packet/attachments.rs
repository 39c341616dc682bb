//! Binary attachments of clients: each becomes a JSON array of numbers in place of its placeholder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Body, Packet, PacketError};

/// How much binary data one packet may bring.
#[derive(Clone, Copy, Debug)]
pub struct AttachmentLimits {
    /// Attachments of one packet.
    pub count: usize,
    /// Bytes of all attachments of one packet.
    pub bytes: usize,
}

/// A packet whose attachments are still arriving.
#[derive(Debug)]
pub struct Assembly {
    packet: Packet,
    attachments: Vec<Vec<u8>>,
    bytes: usize,
    limits: AttachmentLimits,
}

impl Assembly {
    /// Starts to wait for the attachments of `packet`, which announces at least one.
    pub fn new(packet: Packet, limits: AttachmentLimits) -> Result<Self, PacketError> {
        if packet.attachments > limits.count {
            return Err(PacketError::Attachments);
        }
        Ok(Self { packet, attachments: Vec::new(), bytes: 0, limits })
    }

    /// Whether all attachments are there.
    pub fn is_complete(&self) -> bool {
        self.attachments.len() >= self.packet.attachments
    }

    /// Takes the next attachment.
    pub fn push(&mut self, attachment: Vec<u8>) -> Result<(), PacketError> {
        self.bytes += attachment.len();
        if self.is_complete() || self.bytes > self.limits.bytes {
            return Err(PacketError::Attachments);
        }
        self.attachments.push(attachment);
        Ok(())
    }

    /// The packet with the attachments in place.
    pub fn finish(self) -> Result<Packet, PacketError> {
        let mut packet = self.packet;
        match &mut packet.body {
            Body::Event { arguments, .. } | Body::Ack { arguments, .. } => {
                *arguments = fill(arguments, &self.attachments)?;
            }
            Body::Connect(_) | Body::Disconnect => {}
        }
        packet.attachments = 0;
        Ok(packet)
    }
}

fn fill(arguments: &RawValue, attachments: &[Vec<u8>]) -> Result<Box<RawValue>, PacketError> {
    let mut value: Value =
        serde_json::from_str(arguments.get()).map_err(|_| PacketError::Json("nested too deeply"))?;
    let mut used = vec![false; attachments.len()];
    replace(&mut value, attachments, &mut used)?;
    serde_json::value::to_raw_value(&value).map_err(|_| PacketError::Json("not valid JSON"))
}

/// Recursion is bounded: the parser refused anything deeper than its limit of 128.
fn replace(value: &mut Value, attachments: &[Vec<u8>], used: &mut [bool]) -> Result<(), PacketError> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|value| replace(value, attachments, used)),
        Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number =
                map.get("num").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            let number = number.ok_or(PacketError::Malformed("a placeholder without number"))?;
            let attachment =
                attachments.get(number).ok_or(PacketError::Malformed("a placeholder too many"))?;
            // Each may stand in one place only, or a small packet could grow without bound.
            if std::mem::replace(&mut used[number], true) {
                return Err(PacketError::Malformed("an attachment is used twice"));
            }
            *value = Value::Array(attachment.iter().map(|byte| Value::from(*byte)).collect());
            Ok(())
        }
        Value::Object(map) => map.values_mut().try_for_each(|value| replace(value, attachments, used)),
        _ => Ok(()),
    }
}

/// Standard base64 with padding, as payloads and the bus carry bytes.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
