//! Packets of Engine.IO and Socket.IO and the websocket frames around them, both ways.

use crate::measure::Runner;
use antiphon_realtime::frame::{FrameReader, Message};
use antiphon_realtime::packet;
use anyhow::{Context, Result};
use serde_json::value::RawValue;
use std::hint::black_box;
use std::io::Write;

/// What a client sends while somebody types in a channel.
pub(crate) const TYPING: &str = r#"42["events:channel",{"channel_id":"0b5b2c0e-8c0f-4c55-9b8e-8d2e6f0f8d11","data":{"type":"typing","data":{"typing":true}}}]"#;

/// What every member of the channel is sent then: an array of arguments.
const TYPING_EVENT: &str = r#"[{"channel_id":"0b5b2c0e-8c0f-4c55-9b8e-8d2e6f0f8d11","message_id":null,"data":{"type":"typing","data":{"typing":true}},"user":{"id":"6f1b3f0e-54a5-4b5e-9d21-5a8f0d4d7c02","name":"Somebody","email":"somebody@example.org","role":"user"}}]"#;

/// Largest message that the reader of these benchmarks takes.
const LIMIT: usize = 64 * 1024;

/// A frame as a client sends it, masked; for payloads below 64 KiB.
pub(crate) fn client_frame(payload: &str) -> Vec<u8> {
    /// The flag of a mask, alone and with the length byte that says: the length follows in 2 bytes.
    const MASKED: u8 = 0x80;
    const MASKED_16: u8 = 0xFE;
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(MASKED | short),
        _ => {
            frame.push(MASKED_16);
            frame.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

pub(crate) fn run<W: Write>(runner: &mut Runner<W>) -> Result<()> {
    let arguments = RawValue::from_string(TYPING_EVENT.to_owned())?;
    runner.run("packet/encode", "event", 1, || {
        Ok(packet::event("events:channel", black_box(&arguments), None, 0))
    })?;
    runner.run("packet/decode", "event", 1, || {
        let packet::EnginePacket::Message(text) = packet::decode_engine(black_box(TYPING).to_owned())? else {
            anyhow::bail!("not a message");
        };
        Ok(packet::decode(text)?)
    })?;
    let wire = client_frame(TYPING);
    let mut reader = FrameReader::default();
    runner.run("packet/read-frame", "frame", 1, || {
        match reader.read(&mut black_box(&*wire), LIMIT)?.context("the frame is not complete")? {
            Message::Text(text) => Ok(text),
            other => anyhow::bail!("not a text: {other:?}"),
        }
    })
}
