//! Text to packets. No input panics or allocates more than a small multiple of its own size.

use serde_json::value::RawValue;

use super::{Body, EnginePacket, Packet, PacketError, ROOT};

/// Digits of the largest acknowledgement number taken; JavaScript's integers have 16.
const MAX_ID_DIGITS: usize = 18;
/// Digits of the largest number of attachments that is read at all.
const MAX_ATTACHMENT_DIGITS: usize = 4;

/// Reads the Engine.IO packet of a text frame or of one part of a polling payload.
///
/// A polling payload's `b` is handled by [`super::decode_payload`]: on a websocket it would be malformed.
pub fn decode_engine(mut text: String) -> Result<EnginePacket, PacketError> {
    let kind = *text.as_bytes().first().ok_or(PacketError::Type)?;
    if !kind.is_ascii() {
        return Err(PacketError::Type);
    }
    text.remove(0);
    match kind {
        b'1' => Ok(EnginePacket::Close),
        b'2' => Ok(EnginePacket::Ping(text)),
        b'3' => Ok(EnginePacket::Pong),
        b'4' => Ok(EnginePacket::Message(text)),
        b'5' => Ok(EnginePacket::Upgrade),
        b'6' => Ok(EnginePacket::Noop),
        _ => Err(PacketError::Type),
    }
}

/// Reads a Socket.IO packet: `<type>[<attachments>-][<namespace>,][<id>][<JSON>]`.
pub fn decode(mut text: String) -> Result<Packet, PacketError> {
    let mut head = Cursor { bytes: text.as_bytes(), at: 0 };
    let kind = head.next().ok_or(PacketError::Type)?;
    let binary = matches!(kind, b'5' | b'6');
    let attachments = if binary { head.attachments()? } else { 0 };
    let namespace = head.namespace(&text)?;
    let id = head.id()?;
    let rest = head.at;
    let body = match kind {
        b'0' => {
            reject_id(id)?;
            Body::Connect(connect_data(&text[rest..])?)
        }
        b'1' => {
            reject_id(id)?;
            // Some clients send a reason; the protocol gives it no meaning.
            Body::Disconnect
        }
        b'2' | b'5' => {
            text.drain(..rest);
            let (name, arguments) = event_data(text)?;
            Body::Event { name, arguments, id }
        }
        b'3' | b'6' => {
            let id = id.ok_or(PacketError::Malformed("an acknowledgement without number"))?;
            text.drain(..rest);
            if !text.starts_with('[') {
                return Err(PacketError::Json("an acknowledgement carries an array"));
            }
            Body::Ack { id, arguments: raw(text)? }
        }
        // `4` is what servers answer; clients never send it.
        _ => return Err(PacketError::Type),
    };
    Ok(Packet { namespace, body, attachments })
}

fn reject_id(id: Option<u64>) -> Result<(), PacketError> {
    match id {
        None => Ok(()),
        Some(_) => Err(PacketError::Malformed("this type of packet has no number")),
    }
}

fn raw(text: String) -> Result<Box<RawValue>, PacketError> {
    RawValue::from_string(text).map_err(|_| PacketError::Json("not valid JSON"))
}

/// CONNECT carries an object, `null` or nothing.
fn connect_data(text: &str) -> Result<Option<Box<RawValue>>, PacketError> {
    match text.as_bytes().first() {
        None => Ok(None),
        Some(b'{') => raw(text.to_owned()).map(Some),
        Some(_) if text.trim() == "null" => Ok(None),
        Some(_) => Err(PacketError::Json("CONNECT carries an object")),
    }
}

/// Splits `["name",a,b]` into the name and `[a,b]`, in place.
fn event_data(mut text: String) -> Result<(String, Box<RawValue>), PacketError> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'[') {
        return Err(PacketError::Json("an event carries an array"));
    }
    let start = skip_space(bytes, 1);
    if bytes.get(start) != Some(&b'"') {
        return Err(PacketError::Json("an event's first element is its name"));
    }
    let end = string_end(bytes, start + 1).ok_or(PacketError::Json("the name does not end"))?;
    let name: String = serde_json::from_str(&text[start..end])
        .map_err(|_| PacketError::Json("the name is not a valid string"))?;
    let after = skip_space(bytes, end);
    match bytes.get(after) {
        // The comma becomes the bracket: the rest of the array is the array of arguments.
        Some(b',') if bytes.get(skip_space(bytes, after + 1)) != Some(&b']') => {
            text.replace_range(..=after, "[");
        }
        Some(b']') => {
            text.replace_range(..after, "[");
        }
        _ => return Err(PacketError::Json("an event carries an array")),
    }
    Ok((name, raw(text)?))
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    from + bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|byte| space(byte)).count())
}

/// Position behind the closing quote of a string whose text begins at `from`.
fn string_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        match bytes.get(from)? {
            b'"' => return Some(from + 1),
            b'\\' => from += 2,
            _ => from += 1,
        }
    }
}

/// The part of a packet before its JSON; all of it is ASCII except the namespace.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn digits(&mut self, most: usize) -> Result<Option<u64>, PacketError> {
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > most {
            return Err(PacketError::Malformed("a number is too long"));
        }
        let number = self.bytes[self.at..self.at + digits]
            .iter()
            .fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        self.at += digits;
        Ok((digits > 0).then_some(number))
    }

    fn attachments(&mut self) -> Result<usize, PacketError> {
        let count =
            self.digits(MAX_ATTACHMENT_DIGITS)?.ok_or(PacketError::Malformed("no attachment count"))?;
        if self.next() != Some(b'-') {
            return Err(PacketError::Malformed("no dash after the attachment count"));
        }
        usize::try_from(count).map_err(|_| PacketError::Attachments)
    }

    fn namespace(&mut self, text: &str) -> Result<Option<String>, PacketError> {
        if self.bytes.get(self.at) != Some(&b'/') {
            return Ok(None);
        }
        let start = self.at;
        let length = self.bytes[start..].iter().take_while(|byte| **byte != b',').count();
        self.at = (start + length + 1).min(self.bytes.len());
        let name = text.get(start..start + length).ok_or(PacketError::Malformed("namespace"))?;
        // A query may follow the name; nothing of it is used.
        let name = name.split('?').next().unwrap_or(name);
        Ok((name != ROOT).then(|| name.to_owned()))
    }

    fn id(&mut self) -> Result<Option<u64>, PacketError> {
        self.digits(MAX_ID_DIGITS)
    }
}
