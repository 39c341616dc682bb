//! What a scripted answer consists of.

use serde_json::{Value, json};
use std::time::Duration;

/// Time in which the server of the service writes out what it has; only then is a broken connection a late one.
const FLUSHED: Duration = Duration::from_millis(20);

/// The words in the double brackets of a question.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one word that a question may hold")]
pub(crate) struct Script {
    /// `tokens=N`: says `tok1 tok2 … tokN`.
    tokens: Option<usize>,
    /// `bytes=N`: each token is filled up to this length.
    bytes: usize,
    /// `delay=MS`: pause before each token.
    delay: Option<Duration>,
    /// `hold=N`: waits after N tokens until the test releases it.
    hold: Option<usize>,
    /// `hang=N`: says nothing more after N tokens, and does not end.
    hang: Option<usize>,
    /// `die=N`: breaks the connection after N tokens.
    die: Option<usize>,
    /// `end=N`: ends the stream after N tokens, without a finish reason or an end mark.
    end: Option<usize>,
    /// `garbage=N`: sends something that is no chunk after N tokens.
    garbage: Option<usize>,
    /// `error=N`: reports an error inside the stream after N tokens.
    error: Option<usize>,
    /// `reasoning=N`: thinks N tokens first.
    reasoning: usize,
    /// `usage`: sends token counts in a chunk of their own after the finish reason.
    usage: bool,
    /// `tools`: asks for two tool calls, whose pieces are interleaved.
    tools: bool,
    /// `event`: has an event of its own in the stream.
    event: bool,
    /// `last`: the chunk with the finish reason has text too.
    last: bool,
    /// `unicode`: tokens are of several bytes a letter.
    unicode: bool,
    /// `whole`: answers with one JSON object although a stream was asked for.
    pub(super) whole: bool,
    /// `silent`: never answers.
    pub(super) silent: bool,
    /// `html`: answers with a web page.
    pub(super) html: bool,
    /// `fail=STATUS`: answers with this status and a message.
    pub(super) fail: Option<u16>,
    /// The answer where there are no brackets.
    text: String,
}

/// A piece of an answer.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Pause(Duration),
    Hold,
    Hang,
    Break,
}

/// The last thing that a user said in a request.
pub(super) fn question(body: &Value) -> String {
    let mut messages = body["messages"].as_array().into_iter().flatten();
    let last = messages.rfind(|message| message["role"] == "user");
    let content = last.map(|message| message["content"].clone()).unwrap_or_default();
    match content {
        Value::String(text) => text,
        parts => parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// The answer to the helper questions of this server, which ask for JSON; none for any other question.
fn helper_answer(question: &str) -> Option<String> {
    let answer = if question.contains("{\"title\"") {
        json!({ "title": "Mock Title" })
    } else if question.contains("{\"tags\"") {
        json!({ "tags": ["Mocktag", "General"] })
    } else if question.contains("{\"follow_ups\"") {
        json!({ "follow_ups": ["Mock follow up one?", "Mock follow up two?"] })
    } else {
        return None;
    };
    Some(answer.to_string())
}

impl Script {
    /// The script of a request.
    pub(super) fn of(body: &Value) -> Self {
        let question = question(body);
        if let Some(text) = helper_answer(&question) {
            return Self { text, ..Self::default() };
        }
        let Some((words, _)) = question.split_once("[[").and_then(|(_, rest)| rest.split_once("]]")) else {
            return Self { text: format!("Echo: {question}"), ..Self::default() };
        };
        let mut script = Self::default();
        for word in words.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, "0"));
            let number: usize = value.parse().unwrap_or_else(|_| panic!("no number in {word:?}"));
            match name {
                "tokens" => script.tokens = Some(number),
                "bytes" => script.bytes = number,
                "delay" => script.delay = Some(Duration::from_millis(number as u64)),
                "hold" => script.hold = Some(number),
                "hang" => script.hang = Some(number),
                "die" => script.die = Some(number),
                "end" => script.end = Some(number),
                "garbage" => script.garbage = Some(number),
                "error" => script.error = Some(number),
                "reasoning" => script.reasoning = number,
                "usage" => script.usage = true,
                "tools" => script.tools = true,
                "event" => script.event = true,
                "last" => script.last = true,
                "unicode" => script.unicode = true,
                "whole" => script.whole = true,
                "silent" => script.silent = true,
                "html" => script.html = true,
                "fail" => script.fail = Some(u16::try_from(number).unwrap()),
                _ => panic!("unknown word {name:?} in a script"),
            }
        }
        script
    }

    /// The tokens of the answer.
    fn tokens(&self) -> Vec<String> {
        let Some(count) = self.tokens else {
            return self.text.split_inclusive(' ').map(str::to_owned).collect();
        };
        let word = |number: usize| {
            let space = if number == 1 { "" } else { " " };
            let stem = if self.unicode { "é🙂" } else { "tok" };
            let mut word = format!("{space}{stem}{number}");
            word.extend(std::iter::repeat_n('x', self.bytes.saturating_sub(word.len())));
            word
        };
        (1..=count).map(word).collect()
    }

    /// What goes over the wire.
    pub(super) fn pieces(&self, body: &Value, wants_stream: bool) -> Vec<Piece> {
        if !wants_stream {
            return vec![Piece::Bytes(self.completion(body).to_string().into_bytes())];
        }
        let model = &body["model"];
        let event = |data: Value| Piece::Bytes(format!("data: {data}\n\n").into_bytes());
        let chunk = |delta: Value, finish: Value| {
            json!({
                "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
                "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
            })
        };
        let say = |delta: Value| event(chunk(delta, Value::Null));
        let mut pieces = vec![say(json!({ "role": "assistant", "content": "" }))];
        for number in 1..=self.reasoning {
            pieces.push(say(json!({ "reasoning_content": format!("think{number} ") })));
        }
        if self.event {
            pieces.push(event(json!({ "event": { "type": "status", "data": { "description": "Searching", "done": true } } })));
        }
        let mut tokens = self.tokens();
        let last = if self.last { tokens.pop() } else { None };
        for (said, token) in tokens.iter().map(Some).chain([None]).enumerate() {
            if self.hold == Some(said) {
                pieces.push(Piece::Hold);
            }
            if self.hang == Some(said) {
                pieces.push(Piece::Hang);
            }
            if self.die == Some(said) {
                // What was said before leaves the buffers in the pause.
                pieces.extend([Piece::Pause(FLUSHED), Piece::Break]);
            }
            if self.end == Some(said) {
                return pieces;
            }
            if self.garbage == Some(said) {
                pieces.push(Piece::Bytes(b"data: {\"choices\":[{\"delta\":\n\n".to_vec()));
            }
            if self.error == Some(said) {
                pieces.push(event(json!({ "error": { "message": "mock trouble inside", "code": 500 } })));
            }
            if let Some(token) = token {
                pieces.extend(self.delay.map(Piece::Pause));
                pieces.push(say(json!({ "content": token })));
            }
        }
        if self.tools {
            let calls = |calls: Value| say(json!({ "tool_calls": calls }));
            pieces.push(calls(json!([{ "index": 0, "id": "call_a", "type": "function", "function": { "name": "weather", "arguments": "" } }])));
            pieces.push(calls(json!([{ "index": 1, "id": "call_b", "type": "function", "function": { "name": "clock", "arguments": "{\"zone\"" } }])));
            pieces.push(calls(json!([{ "index": 0, "function": { "arguments": "{\"city\":\"Zürich\"}" } }])));
            pieces.push(calls(json!([{ "index": 1, "function": { "arguments": ":\"UTC\"}" } }])));
        }
        let finish = if self.tools { "tool_calls" } else { "stop" };
        let delta = last.map_or_else(|| json!({}), |token| json!({ "content": token }));
        pieces.push(event(chunk(delta, finish.into())));
        if self.usage {
            let mut counts = chunk(json!({}), Value::Null);
            counts["choices"] = json!([]);
            counts["usage"] = usage();
            pieces.push(event(counts));
        }
        pieces.push(Piece::Bytes(b"data: [DONE]\n\n".to_vec()));
        pieces
    }

    /// The answer in one object.
    fn completion(&self, body: &Value) -> Value {
        let mut message = json!({ "role": "assistant", "content": self.tokens().concat() });
        let thoughts: Vec<String> = (1..=self.reasoning).map(|number| format!("think{number} ")).collect();
        if !thoughts.is_empty() {
            message["reasoning_content"] = thoughts.concat().into();
        }
        json!({
            "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000, "model": body["model"],
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }], "usage": usage(),
        })
    }
}

/// Token counts with a part that only this service has.
pub(crate) fn usage() -> Value {
    json!({ "prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18, "prompt_tokens_details": { "cached_tokens": 3 } })
}

/// The text of `tokens=N`.
pub(crate) fn tokens(count: usize) -> String {
    (1..=count).map(|number| format!("tok{number}")).collect::<Vec<_>>().join(" ")
}
