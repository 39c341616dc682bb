//! The server's half of WebSocket framing (RFC 6455), made for fan-out.
//!
//! Why not a library: frames from a server are unmasked, so one encoded frame, header included, is the same
//! for every receiver. Here it is made once and shared; libraries copy header and payload into a
//! write buffer of each connection, and that buffer keeps the size of the largest message it ever held.
//! Reading needs no buffer while a connection is idle, and the size limit may change during a
//! connection (small until a socket is authenticated).

use bytes::Bytes;

/// Bytes before the payload in the largest header of a frame without mask.
const MAX_HEADER: usize = 10;
/// Bytes of the largest header a client can send: length of 8 bytes and a mask.
const MAX_CLIENT_HEADER: usize = 14;
/// Payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: usize = 125;
/// Memory set aside at once for an announced payload; the rest follows as bytes really arrive.
const FIRST_RESERVE: usize = 8 * 1024;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Length byte that says: the length follows in 2 bytes.
const LENGTH_16: u8 = 126;
/// Length byte that says: the length follows in 8 bytes.
const LENGTH_64: u8 = 127;

/// One encoded frame; clones share the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    header: u8,
}

impl Frame {
    /// A text frame.
    pub fn text(payload: &str) -> Self {
        let mut builder = FrameBuilder::new(payload.len());
        builder.payload().extend_from_slice(payload.as_bytes());
        builder.finish(TEXT)
    }

    /// A binary frame.
    pub fn binary(payload: &[u8]) -> Self {
        let mut builder = FrameBuilder::new(payload.len());
        builder.payload().extend_from_slice(payload);
        builder.finish(BINARY)
    }

    /// A pong that answers `payload`.
    pub fn pong(payload: &[u8]) -> Self {
        let mut builder = FrameBuilder::new(payload.len());
        builder.payload().extend_from_slice(&payload[..payload.len().min(MAX_CONTROL)]);
        builder.finish(PONG)
    }

    /// A close frame with its code and a short reason.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut builder = FrameBuilder::new(2 + reason.len());
        builder.payload().extend_from_slice(&code.to_be_bytes());
        let room = reason.floor_char_boundary(MAX_CONTROL - 2);
        builder.payload().extend_from_slice(&reason.as_bytes()[..room]);
        builder.finish(CLOSE)
    }

    /// The bytes for the wire.
    pub fn wire(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload alone, for the polling transport.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.header)..]
    }

    /// Whether the payload is binary.
    pub fn is_binary(&self) -> bool {
        self.bytes.first() == Some(&(FINAL | BINARY))
    }
}

/// Writes a payload behind space kept for the header, so that the frame is one allocation.
pub struct FrameBuilder {
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// Starts a frame with room for `payload` bytes.
    pub fn new(payload: usize) -> Self {
        let mut bytes = Vec::with_capacity(MAX_HEADER + payload);
        bytes.resize(MAX_HEADER, 0);
        Self { bytes }
    }

    /// The buffer to append the payload to.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of payload so far.
    pub fn len(&self) -> usize {
        self.bytes.len() - MAX_HEADER
    }

    /// Whether there is no payload yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Completes a text frame. The caller wrote UTF-8.
    pub fn finish_text(self) -> Frame {
        self.finish(TEXT)
    }

    fn finish(mut self, opcode: u8) -> Frame {
        let length = self.len();
        let start = if let Ok(short) = u8::try_from(length)
            && short < LENGTH_16
        {
            self.bytes[MAX_HEADER - 1] = short;
            MAX_HEADER - 2
        } else if let Ok(medium) = u16::try_from(length) {
            self.bytes[MAX_HEADER - 3] = LENGTH_16;
            self.bytes[MAX_HEADER - 2..MAX_HEADER].copy_from_slice(&medium.to_be_bytes());
            MAX_HEADER - 4
        } else {
            self.bytes[1] = LENGTH_64;
            self.bytes[2..MAX_HEADER].copy_from_slice(&(length as u64).to_be_bytes());
            0
        };
        self.bytes[start] = FINAL | opcode;
        let header = [2, 4, 10][usize::from(start < 8) + usize::from(start == 0)];
        Frame { bytes: Bytes::from(self.bytes).slice(start..), header }
    }
}

/// One message of the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, checked to be UTF-8.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A ping to be answered.
    Ping(Vec<u8>),
    /// A pong; counts as a sign of life.
    Pong,
    /// The client closes, with its code if it gave one.
    Close(Option<u16>),
}

/// What is wrong with a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A rule of RFC 6455 was broken; the text says which.
    #[error("not a valid websocket frame: {0}")]
    Protocol(&'static str),
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// The message is larger than the limit at this moment.
    #[error("the message is larger than the limit")]
    TooLarge,
}

/// Takes bytes as they come and gives messages.
///
/// Holds a started message and nothing else: an idle connection costs no buffer.
#[derive(Debug, Default)]
pub struct FrameReader {
    header: [u8; MAX_CLIENT_HEADER],
    have: u8,
    /// The frame whose payload is being read.
    frame: Option<Open>,
    /// Payload of the data message so far, over all its fragments.
    message: Vec<u8>,
    /// Opcode of the message whose fragments are being read.
    fragmented: Option<u8>,
    control: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    opcode: u8,
    last: bool,
    mask: [u8; 4],
    remaining: usize,
    /// Position in the mask of the next payload byte.
    phase: usize,
}

impl FrameReader {
    /// Consumes `input` up to the end of one message and returns it; `None` when more bytes are needed.
    ///
    /// `limit` bounds a data message over all its fragments. After an error the reader must not be used again.
    pub fn read(&mut self, input: &mut &[u8], limit: usize) -> Result<Option<Message>, FrameError> {
        loop {
            if let Some(message) = self.read_payload(input)? {
                return Ok(Some(message));
            }
            if input.is_empty() || self.frame.is_some() {
                return Ok(None);
            }
            if !self.read_header(input, limit)? {
                return Ok(None);
            }
        }
    }

    /// Bytes held for a message that is not complete.
    pub fn held(&self) -> usize {
        self.message.len() + self.control.len()
    }

    fn read_header(&mut self, input: &mut &[u8], limit: usize) -> Result<bool, FrameError> {
        loop {
            let have = usize::from(self.have);
            let need = if have < 2 { 2 } else { header_length(self.header[1])? };
            if have == need {
                break;
            }
            let take = (need - have).min(input.len());
            if take == 0 {
                return Ok(false);
            }
            self.header[have..have + take].copy_from_slice(&input[..take]);
            *input = &input[take..];
            // At most 14.
            self.have += u8::try_from(take).unwrap_or(0);
        }
        self.have = 0;
        self.frame = Some(self.open(limit)?);
        Ok(true)
    }

    /// Checks a complete header.
    fn open(&mut self, limit: usize) -> Result<Open, FrameError> {
        let [first, second, rest @ ..] = self.header;
        if first & 0x70 != 0 {
            return Err(FrameError::Protocol("reserved bits are set"));
        }
        let (opcode, last) = (first & 0x0F, first & FINAL != 0);
        let (length, mask_at) = match second & !MASKED {
            LENGTH_16 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            LENGTH_64 => (
                u64::from_be_bytes([rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], rest[6], rest[7]]),
                8,
            ),
            short => (u64::from(short), 0),
        };
        let mask = [rest[mask_at], rest[mask_at + 1], rest[mask_at + 2], rest[mask_at + 3]];
        let remaining = usize::try_from(length).map_err(|_| FrameError::TooLarge)?;
        match opcode {
            CONTINUATION if self.fragmented.is_none() => {
                return Err(FrameError::Protocol("a continuation without a start"));
            }
            TEXT | BINARY if self.fragmented.is_some() => {
                return Err(FrameError::Protocol("a new message inside a fragmented one"));
            }
            CONTINUATION | TEXT | BINARY => {
                if remaining.checked_add(self.message.len()).is_none_or(|total| total > limit) {
                    return Err(FrameError::TooLarge);
                }
                self.message.reserve(remaining.min(FIRST_RESERVE));
            }
            CLOSE | PING | PONG => {
                if !last || remaining > MAX_CONTROL {
                    return Err(FrameError::Protocol("a control frame is fragmented or too long"));
                }
            }
            _ => return Err(FrameError::Protocol("unknown opcode")),
        }
        Ok(Open { opcode, last, mask, remaining, phase: 0 })
    }

    fn read_payload(&mut self, input: &mut &[u8]) -> Result<Option<Message>, FrameError> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let take = frame.remaining.min(input.len());
        let (data, rest) = input.split_at(take);
        *input = rest;
        let target = if frame.opcode < CLOSE { &mut self.message } else { &mut self.control };
        append_unmasked(target, data, frame.mask, frame.phase);
        frame.phase = (frame.phase + take) % 4;
        frame.remaining -= take;
        if frame.remaining > 0 {
            return Ok(None);
        }
        let frame = *frame;
        self.frame = None;
        self.complete(frame)
    }

    fn complete(&mut self, frame: Open) -> Result<Option<Message>, FrameError> {
        match frame.opcode {
            PING => Ok(Some(Message::Ping(std::mem::take(&mut self.control)))),
            PONG => {
                self.control = Vec::new();
                Ok(Some(Message::Pong))
            }
            CLOSE => close_code(&std::mem::take(&mut self.control)).map(|code| Some(Message::Close(code))),
            opcode => {
                let opcode = self.fragmented.take().unwrap_or(opcode);
                if !frame.last {
                    self.fragmented = Some(opcode);
                    return Ok(None);
                }
                let data = std::mem::take(&mut self.message);
                Ok(Some(match opcode {
                    TEXT => Message::Text(String::from_utf8(data).map_err(|_| FrameError::Utf8)?),
                    _ => Message::Binary(data),
                }))
            }
        }
    }
}

/// Length of a client's header, from its second byte.
fn header_length(second: u8) -> Result<usize, FrameError> {
    if second & MASKED == 0 {
        return Err(FrameError::Protocol("a client's frame has no mask"));
    }
    Ok(match second & !MASKED {
        LENGTH_16 => 8,
        LENGTH_64 => MAX_CLIENT_HEADER,
        _ => 6,
    })
}

fn append_unmasked(target: &mut Vec<u8>, data: &[u8], mask: [u8; 4], phase: usize) {
    let key = [mask[phase % 4], mask[(phase + 1) % 4], mask[(phase + 2) % 4], mask[(phase + 3) % 4]];
    let start = target.len();
    target.extend_from_slice(data);
    let mut chunks = target[start..].chunks_exact_mut(4);
    let key_word = u32::from_ne_bytes(key);
    for chunk in &mut chunks {
        if let Ok(word) = <[u8; 4]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u32::from_ne_bytes(word) ^ key_word).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Checks the payload of a close frame (RFC 6455 §5.5.1, §7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::Protocol("a close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(FrameError::Protocol("a close code that may not be sent"));
            }
            std::str::from_utf8(reason).map_err(|_| FrameError::Utf8)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
