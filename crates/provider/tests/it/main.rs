//! The crate against real servers on loopback: well-behaved, slow, broken and absent ones.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure in a helper is the message"
)]

mod cancellation;
mod catalog;
mod connections;
mod failures;
mod ollama;
mod openai;
mod tls;
mod upstream;

use antiphon_provider::{
    Chunk, Connection, ConnectionConfig, Freshness, ProviderError, ProviderOptions, Providers, Reply,
    ReplyStream, RequestContext,
};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The bound of everything that a test waits for.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Settings of a connection from their JSON form.
fn config(value: Value) -> ConnectionConfig {
    serde_json::from_value(value).unwrap()
}

/// Providers with the default bounds and one OpenAI-compatible connection whose only model is `m`.
fn one_openai(base: &str) -> Providers {
    with_options(ProviderOptions::default(), base)
}

fn with_options(options: ProviderOptions, base: &str) -> Providers {
    let providers = Providers::new(options).unwrap();
    let config = config(json!({"model_ids": ["m"]}));
    providers.replace(vec![Connection::openai(0, base, "sk-test-key", config)]);
    providers
}

/// A request with one short message.
fn request(stream: bool) -> Map<String, Value> {
    let body = json!({"model": "ignored", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object().cloned().unwrap()
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future).await.expect("within the bound of the tests")
}

async fn chat(providers: &Providers, model: &str, stream: bool) -> Result<Reply, ProviderError> {
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    bounded(providers.chat(model, request(stream), &context, &cancel)).await
}

/// Sends a streamed request that must be answered with a stream.
async fn stream(providers: &Providers, model: &str) -> Box<ReplyStream> {
    match chat(providers, model, true).await.unwrap() {
        Reply::Stream(stream) => stream,
        Reply::Whole(value) => panic!("a whole reply: {value}"),
    }
}

/// All chunks, and the error that ended the stream, if any.
async fn collect(mut stream: Box<ReplyStream>) -> (Vec<Chunk>, Option<ProviderError>) {
    let mut chunks = Vec::new();
    while let Some(chunk) = bounded(stream.next()).await {
        match chunk {
            Ok(chunk) => chunks.push(chunk),
            Err(error) => {
                assert!(bounded(stream.next()).await.is_none(), "nothing may follow an error");
                return (chunks, Some(error));
            }
        }
    }
    assert!(bounded(stream.next()).await.is_none(), "the stream stays ended");
    (chunks, None)
}

/// The text of the answer in the chunks.
fn text(chunks: &[Chunk]) -> String {
    chunks.iter().filter_map(|chunk| chunk.delta().content).collect()
}

async fn ids(providers: &Providers, freshness: Freshness) -> Vec<String> {
    bounded(providers.models(freshness)).await.models.iter().map(|model| model.id.clone()).collect()
}
