//! Decodes the event stream of the OpenAI chat API.

use crate::chunk::Chunk;
use crate::error::ProviderError;
use crate::http::{self, Target};
use crate::options::LINE_LIMIT;
use crate::reply::Decoded;
use crate::sse::{Event, SseDecoder, SseError};
use bytes::Bytes;

/// The data of the event that ends a stream.
const END_MARK: &[u8] = b"[DONE]";

/// From bytes to chunks.
#[derive(Debug)]
pub(crate) struct OpenAiDecoder(SseDecoder);

impl OpenAiDecoder {
    pub(crate) fn new() -> Self {
        Self(SseDecoder::new(LINE_LIMIT))
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.0.push(piece);
    }

    pub(crate) fn next(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        while let Some(event) = self.0.next().map_err(|error| unreadable(target, error))? {
            if let Some(decoded) = decode(target, event)? {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    pub(crate) fn finish(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        while let Some(event) = self.0.finish().map_err(|error| unreadable(target, error))? {
            if let Some(decoded) = decode(target, event)? {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }
}

fn decode(target: &Target, event: Event) -> Result<Option<Decoded>, ProviderError> {
    let text = event.data.trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    if text == END_MARK {
        return Ok(Some(Decoded::End));
    }
    // Kept aside, because the chunk takes the bytes over; a reference count, no copy.
    let data = event.data.clone();
    match Chunk::named(event.data, event.name) {
        Ok(chunk) => Ok(Some(Decoded::Chunk(chunk))),
        Err(error) => Err(ProviderError::Malformed {
            connection: target.label.clone(),
            problem: format!("an event of the stream is not a chunk of a chat reply ({error})"),
            excerpt: http::excerpt(target, &data),
        }),
    }
}

fn unreadable(target: &Target, error: SseError) -> ProviderError {
    match error {
        SseError::TooLong => ProviderError::TooLarge {
            connection: target.label.clone(),
            what: "a line of the stream",
            limit: LINE_LIMIT,
        },
        SseError::Garbage(line) => ProviderError::Malformed {
            connection: target.label.clone(),
            problem: "a line of the stream is not a server-sent event".into(),
            excerpt: http::excerpt(target, &line),
        },
    }
}
