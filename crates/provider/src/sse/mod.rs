//! Server-sent events, as the HTML standard defines them, out of a body that may be cut anywhere.
//!
//! Two liberties are taken with streams that break the standard in known ways: an event whose data is already a
//! complete JSON text ends at the next `data:` line even without an empty line between them, and the last event
//! counts even when the empty line after it is missing.

pub(crate) mod lines;

use bytes::{Bytes, BytesMut};
use lines::{LineEnds, LineSplitter, LineTooLong};
use serde::de::IgnoredAny;

/// Longest field name that is taken for an unknown field rather than for garbage.
const FIELD_NAME_LENGTH: usize = 32;

/// One event: the data lines joined by line feeds, and the event's name when it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) data: Bytes,
    pub(crate) name: Option<Box<str>>,
}

/// Why the stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SseError {
    /// A line, or the data of one event, is longer than the limit.
    TooLong,
    /// A line that belongs to no event stream.
    Garbage(Bytes),
}

impl From<LineTooLong> for SseError {
    fn from(_: LineTooLong) -> Self {
        Self::TooLong
    }
}

/// Turns pieces of a body into events.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    lines: LineSplitter,
    limit: usize,
    at_start: bool,
    data: Option<Data>,
    name: Option<Box<str>>,
}

/// The data of the event that is being read; most have one line, which is not copied.
#[derive(Debug)]
enum Data {
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::One(line) => line,
            Self::Many(lines) => lines,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(line) => line,
            Self::Many(lines) => lines.freeze(),
        }
    }
}

impl SseDecoder {
    /// A decoder that accepts lines and events of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lines: LineSplitter::new(LineEnds::Any, limit), limit, at_start: true, data: None, name: None }
    }

    /// Adds the next piece of the body; call [`Self::next`] until it is empty before the next one.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.lines.push(piece);
    }

    /// The next complete event.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(line) = self.lines.next_line()? {
            if let Some(event) = self.line(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The event that the end of the body completes, if any; call until it is empty.
    pub(crate) fn finish(&mut self) -> Result<Option<Event>, SseError> {
        let line = self.lines.rest();
        if !line.is_empty()
            && let Some(event) = self.line(line)?
        {
            return Ok(Some(event));
        }
        Ok(self.dispatch())
    }

    fn line(&mut self, line: Bytes) -> Result<Option<Event>, SseError> {
        let line = if self.at_start {
            self.at_start = false;
            if line.starts_with(b"\xEF\xBB\xBF") { line.slice(3..) } else { line }
        } else {
            line
        };
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (name, value) = match memchr::memchr(b':', &line) {
            Some(0) => return Ok(None), // a comment
            Some(colon) => {
                let value = if line.get(colon + 1) == Some(&b' ') { colon + 2 } else { colon + 1 };
                (&line[..colon], line.slice(value..))
            }
            None => (&line[..], Bytes::new()),
        };
        match name {
            b"data" => self.add(value),
            b"event" => {
                self.name = (!value.is_empty()).then(|| String::from_utf8_lossy(&value).into());
                Ok(None)
            }
            b"id" | b"retry" => Ok(None),
            // The standard says that unknown fields are skipped. A line that does not even look like a field is
            // a sign that this is no event stream, and skipping it would hide the failure.
            name if value_follows(&line, name) && is_field_name(name) => Ok(None),
            // Some servers report an error as a bare JSON line in the middle of the stream.
            _ if line[0] == b'{' && is_json(&line) => Ok(Some(Event { data: line, name: self.name.take() })),
            _ => Err(SseError::Garbage(line)),
        }
    }

    fn add(&mut self, value: Bytes) -> Result<Option<Event>, SseError> {
        let Some(data) = &mut self.data else {
            self.data = Some(Data::One(value));
            return Ok(None);
        };
        if is_json(data.bytes()) {
            let event = self.dispatch();
            self.data = Some(Data::One(value));
            return Ok(event);
        }
        if data.bytes().len() + value.len() + 1 > self.limit {
            return Err(SseError::TooLong);
        }
        let mut lines = match self.data.take() {
            Some(Data::Many(lines)) => lines,
            Some(Data::One(line)) => BytesMut::from(&line[..]),
            None => BytesMut::new(),
        };
        lines.extend_from_slice(b"\n");
        lines.extend_from_slice(&value);
        self.data = Some(Data::Many(lines));
        Ok(None)
    }

    /// Ends the event that is being read; events without data do not count.
    fn dispatch(&mut self) -> Option<Event> {
        let name = self.name.take();
        self.data.take().map(|data| Event { data: data.into_bytes(), name })
    }
}

fn value_follows(line: &[u8], name: &[u8]) -> bool {
    line.len() > name.len()
}

fn is_field_name(name: &[u8]) -> bool {
    name.len() <= FIELD_NAME_LENGTH
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_pieces<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<(String, Option<String>)>, SseError> {
        let mut decoder = SseDecoder::new(64);
        let mut events = Vec::new();
        let text = |event: Event| {
            (String::from_utf8(event.data.to_vec()).unwrap(), event.name.map(str::into_string))
        };
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(event) = decoder.next()? {
                events.push(text(event));
            }
        }
        while let Some(event) = decoder.finish()? {
            events.push(text(event));
        }
        Ok(events)
    }

    /// Decodes the text whole, in every way of cutting it in two, and byte by byte; all must agree.
    fn decode(text: &str) -> Result<Vec<(String, Option<String>)>, SseError> {
        let bytes = text.as_bytes();
        let whole = decode_pieces([bytes].into_iter());
        for cut in 0..=bytes.len() {
            assert_eq!(
                decode_pieces([&bytes[..cut], &bytes[cut..]].into_iter()),
                whole,
                "cut at {cut}: {text:?}"
            );
        }
        assert_eq!(decode_pieces(bytes.chunks(1)), whole, "byte by byte: {text:?}");
        whole
    }

    fn data(text: &str) -> Vec<String> {
        decode(text).unwrap().into_iter().map(|(data, _)| data).collect()
    }

    #[test]
    fn events_are_separated_by_empty_lines_of_any_kind() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["data: {\"a\":1}", "", "data:{\"b\":2}", "", "data: [DONE]", "", ""].join(end);
            assert_eq!(data(&text), [r#"{"a":1}"#, r#"{"b":2}"#, "[DONE]"], "{end:?}");
        }
    }

    #[test]
    fn comments_ids_and_unknown_fields_are_skipped() {
        let text = ": OPENROUTER PROCESSING\n\nid: 7\nretry: 10\nx-other: y\ndata: 1\n\n:\n\n";
        assert_eq!(data(text), ["1"]);
    }

    #[test]
    fn data_of_several_lines_is_joined() {
        assert_eq!(data("data: {\"a\":\ndata:  1\ndata: }\n\n"), ["{\"a\":\n 1\n}"]);
        assert_eq!(data("data\n\ndata:\n\n"), ["", ""]);
    }

    #[test]
    fn a_byte_order_mark_and_characters_of_several_bytes_survive_any_cut() {
        assert_eq!(data("\u{FEFF}data: \"h\u{e9}\u{1F600}\"\n\n"), ["\"h\u{e9}\u{1F600}\""]);
    }

    #[test]
    fn the_name_belongs_to_its_event_only() {
        let events = decode("event: error\ndata: 1\n\ndata: 2\n\nevent: lost\n\ndata: 3\n\n").unwrap();
        assert_eq!(events[0], ("1".into(), Some("error".into())));
        assert_eq!(events[1], ("2".into(), None));
        assert_eq!(events[2], ("3".into(), None));
    }

    #[test]
    fn missing_empty_lines_do_not_join_complete_json_texts() {
        assert_eq!(
            data("data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]"),
            [r#"{"a":1}"#, r#"{"b":2}"#, "[DONE]"]
        );
    }

    #[test]
    fn a_bare_json_line_is_an_event_and_other_garbage_an_error() {
        assert_eq!(data("{\"error\":\"x: y\"}\n"), ["{\"error\":\"x: y\"}"]);
        for text in ["<html>\n", "Internal Server Error\n", "{\"broken: 1\n", "hello\n", "caf\u{e9}: x\n"] {
            assert!(matches!(decode(text), Err(SseError::Garbage(_))), "{text:?}");
        }
    }

    #[test]
    fn the_limit_holds_for_lines_and_for_joined_data() {
        let long = format!("data: {}\n\n", "x".repeat(60));
        assert_eq!(decode(&long), Err(SseError::TooLong));
        let many = "data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(3);
        assert_eq!(decode(&many), Err(SseError::TooLong));
    }
}
