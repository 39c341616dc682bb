//! A streamed token's way through the node: the provider's chunk is read, joined with its neighbours, encoded.

use crate::measure::Runner;
use antiphon_generation::output::Output;
use antiphon_provider::Chunk;
use anyhow::{Context, Result};
use bytes::Bytes;
use std::hint::black_box;
use std::io::Write;

/// One chunk as OpenAI-compatible services stream it.
const CHUNK: &str = r#"{"id":"chatcmpl-9mQ","object":"chat.completion.chunk","created":1722470400,"model":"gpt-4o-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":" reliable"},"logprobs":null,"finish_reason":null}]}"#;

/// Tokens of the reply that is measured.
const TOKENS: u32 = 256;

pub(crate) fn run<W: Write>(runner: &mut Runner<W>) -> Result<()> {
    let raw = Bytes::from_static(CHUNK.as_bytes());
    runner.run("delta/parse", "token", 1, || Ok(Chunk::parse(black_box(&raw).clone())?))?;
    let chunk = Chunk::parse(raw)?;
    let token = chunk.delta().content.context("the chunk has no text")?;
    for (name, joined) in [("delta/told-at-once", 1), ("delta/joined-by-16", 16)] {
        runner.run(name, "token", TOKENS, || reply(black_box(token), joined))?;
    }
    Ok(())
}

/// Bytes of the events of one reply whose deltas are told after every `joined` tokens.
fn reply(token: &str, joined: u32) -> Result<usize> {
    let mut output = Output::default();
    let mut bytes = 0;
    for number in 1..=TOKENS {
        output.push_text(token)?;
        if number % joined == 0 {
            for update in output.take_updates() {
                bytes += serde_json::value::to_raw_value(&update)?.get().len();
            }
        }
    }
    Ok(bytes)
}
