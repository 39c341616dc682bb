//! One chunk of a streamed reply: the upstream's JSON text unchanged, with a view of the parts that matter.
//!
//! The text is parsed once, when it arrives. The view borrows from it: a text without escapes is a slice of the
//! upstream's own bytes.

mod wire;

use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// Why a text is no chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAChunk(String);

/// One chunk of a streamed reply.
#[derive(Debug, Clone)]
pub struct Chunk {
    raw: Bytes,
    content: Option<Span>,
    reasoning: Option<Span>,
    finish_reason: Option<Span>,
    /// What most chunks do not have, kept apart so that they stay small.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Clone, Default)]
struct Rare {
    tool_calls: Option<Span>,
    usage: Option<Span>,
    error: Option<Span>,
    event: Option<Span>,
    event_name: Option<Box<str>>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        matches!(self, Self { tool_calls: None, usage: None, error: None, event: None, event_name: None })
    }
}

/// A text inside the chunk, or one that had to be put together.
#[derive(Debug, Clone)]
enum Span {
    Inside(Range<usize>),
    Apart(Box<str>),
}

/// What a chunk brings; everything borrows from the chunk. Of several choices only the first is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delta<'a> {
    /// The next piece of the answer.
    pub content: Option<&'a str>,
    /// The next piece of the model's thoughts (`reasoning_content`, `reasoning` or `thinking`).
    pub reasoning: Option<&'a str>,
    /// JSON text of the list of tool-call deltas.
    pub tool_calls: Option<&'a str>,
    /// Why the model stopped: `stop`, `length`, `tool_calls`, `content_filter` …
    pub finish_reason: Option<&'a str>,
    /// JSON text of the token counts.
    pub usage: Option<&'a str>,
    /// JSON text of an error that the upstream reports inside the stream.
    pub error: Option<&'a str>,
    /// JSON text of the member `event`, by which some services send events of their own.
    pub event: Option<&'a str>,
    /// The name of the server-sent event, when it has one.
    pub event_name: Option<&'a str>,
}

impl Chunk {
    /// Reads the JSON text of one chunk.
    pub fn parse(raw: Bytes) -> Result<Self, NotAChunk> {
        Self::named(raw, None)
    }

    pub(crate) fn named(raw: Bytes, event_name: Option<Box<str>>) -> Result<Self, NotAChunk> {
        // The event-stream standard replaces bytes that are no UTF-8 instead of failing.
        let raw = match String::from_utf8_lossy(&raw) {
            Cow::Borrowed(_) => raw,
            Cow::Owned(repaired) => Bytes::from(repaired),
        };
        let text = std::str::from_utf8(&raw).map_err(|error| NotAChunk(error.to_string()))?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(NotAChunk("it is not a JSON object".into()));
        }
        let wire: wire::WireChunk<'_> =
            serde_json::from_str(text).map_err(|error| NotAChunk(error.to_string()))?;
        let member = |raw: Option<&RawValue>| raw.map(|raw| inside(text, raw.get()));
        let mut rare = Rare {
            tool_calls: None,
            usage: member(wire.usage),
            error: member(wire.error),
            event: member(wire.event),
            event_name,
        };
        if rare.error.is_none() && rare.event_name.as_deref() == Some("error") {
            rare.error = Some(Span::Inside(0..text.len()));
        }
        let (mut content, mut reasoning, mut finish_reason) = (None, None, None);
        if let Some(choice) = wire.choices.0 {
            finish_reason = span(text, choice.finish_reason.text);
            if let Some(delta) = choice.delta.or(choice.message) {
                content = span(text, delta.content.text);
                reasoning = [delta.reasoning_content, delta.reasoning, delta.thinking]
                    .into_iter()
                    .find_map(|part| span(text, part.text))
                    .or_else(|| delta.content.thoughts.map(|thoughts| Span::Apart(thoughts.into())));
                rare.tool_calls = member(delta.tool_calls);
            }
        }
        let rare = (!rare.is_empty()).then(|| Box::new(rare));
        Ok(Self { raw, content, reasoning, finish_reason, rare })
    }

    /// The JSON text as the upstream sent it.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The JSON text, taken out.
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// What the chunk brings.
    pub fn delta(&self) -> Delta<'_> {
        // The text was checked when the chunk was made.
        let text = std::str::from_utf8(&self.raw).unwrap_or_default();
        let mut delta = Delta {
            content: resolve(text, self.content.as_ref()),
            reasoning: resolve(text, self.reasoning.as_ref()),
            finish_reason: resolve(text, self.finish_reason.as_ref()),
            ..Delta::default()
        };
        if let Some(rare) = &self.rare {
            delta.tool_calls = resolve(text, rare.tool_calls.as_ref());
            delta.usage = resolve(text, rare.usage.as_ref());
            delta.error = resolve(text, rare.error.as_ref());
            delta.event = resolve(text, rare.event.as_ref());
            delta.event_name = rare.event_name.as_deref();
        }
        delta
    }

    /// Whether the model says that it has finished.
    pub(crate) fn has_finish_reason(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Whether the upstream reports an error.
    pub(crate) fn has_error(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.error.is_some())
    }
}

/// Where `part`, a slice of `whole`, lies in it.
fn inside(whole: &str, part: &str) -> Span {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    Span::Inside(start..start + part.len())
}

/// A text that is not empty.
fn span(whole: &str, text: Option<Cow<'_, str>>) -> Option<Span> {
    match text? {
        Cow::Borrowed("") => None,
        Cow::Borrowed(part) => Some(inside(whole, part)),
        Cow::Owned(text) if text.is_empty() => None,
        Cow::Owned(text) => Some(Span::Apart(text.into())),
    }
}

fn resolve<'a>(whole: &'a str, span: Option<&'a Span>) -> Option<&'a str> {
    match span? {
        Span::Inside(range) => whole.get(range.clone()),
        Span::Apart(text) => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str) -> Chunk {
        Chunk::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn content_is_a_slice_of_the_upstreams_text() {
        let text = r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi there"},"finish_reason":null}]}"#;
        let chunk = chunk(text);
        assert_eq!(chunk.raw(), text);
        let delta = chunk.delta();
        assert_eq!(delta, Delta { content: Some("Hi there"), ..Delta::default() });
        assert!(chunk.raw().as_ptr_range().contains(&delta.content.unwrap().as_ptr()));
    }

    #[test]
    fn escapes_are_resolved_and_the_text_stays_as_it_was() {
        let text = r#"{"choices":[{"delta":{"content":"a\n\"b\" \u00e9 \ud83d\ude00"}}]}"#;
        assert_eq!(chunk(text).delta().content, Some("a\n\"b\" \u{e9} \u{1F600}"));
        assert_eq!(chunk(text).raw(), text);
    }

    #[test]
    fn reasoning_has_three_names_and_empty_texts_count_as_absent() {
        for name in ["reasoning_content", "reasoning", "thinking"] {
            let chunk = chunk(&format!(r#"{{"choices":[{{"delta":{{"content":"","{name}":"hm"}}}}]}}"#));
            assert_eq!(chunk.delta(), Delta { reasoning: Some("hm"), ..Delta::default() });
        }
    }

    #[test]
    fn raw_members_are_kept_as_text() {
        let chunk = chunk(
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]},"finish_reason":"tool_calls"}],
                "usage":{"total_tokens":3},"error":null,"event":{"type":"status"}}"#,
        );
        let delta = chunk.delta();
        assert_eq!(delta.tool_calls, Some(r#"[{"index":0,"id":"a"}]"#));
        assert_eq!(delta.finish_reason, Some("tool_calls"));
        assert_eq!(delta.usage, Some(r#"{"total_tokens":3}"#));
        assert_eq!((delta.error, delta.event), (None, Some(r#"{"type":"status"}"#)));
    }

    #[test]
    fn lists_of_parts_become_text_and_thoughts() {
        let chunk = chunk(
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm "},"so"]},
                {"type":"text","text":"Hi"},{"type":"reference","reference_ids":[1]},7]}}]}"#,
        );
        assert_eq!(
            chunk.delta(),
            Delta { content: Some("Hi"), reasoning: Some("hm so"), ..Delta::default() }
        );
    }

    #[test]
    fn unexpected_types_count_as_absent() {
        for text in [
            "{}",
            r#"{"choices":null,"usage":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":null,"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{"content":{"a":[1]},"reasoning":true,"tool_calls":null},"finish_reason":0}]}"#,
        ] {
            assert_eq!(chunk(text).delta(), Delta::default(), "{text}");
        }
    }

    #[test]
    fn an_event_named_error_is_an_error() {
        let text = r#"{"message":"no GPU"}"#;
        let chunk = Chunk::named(Bytes::from_static(text.as_bytes()), Some("error".into())).unwrap();
        assert_eq!(chunk.delta(), Delta { error: Some(text), event_name: Some("error"), ..Delta::default() });
    }

    #[test]
    fn a_message_stands_in_for_a_delta() {
        let chunk = chunk(r#"{"choices":[{"message":{"content":"all"},"finish_reason":"stop"}]}"#);
        assert_eq!(chunk.delta().content, Some("all"));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let chunk =
            Chunk::parse(Bytes::from_static(b"{\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}")).unwrap();
        assert_eq!(chunk.delta().content, Some("a\u{FFFD}"));
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for text in ["", "[DONE]", "[]", "1", "\"x\"", "{", "{\"choices\":[{]}", "ping"] {
            assert!(Chunk::parse(Bytes::copy_from_slice(text.as_bytes())).is_err(), "{text}");
        }
    }
}
