//! The real binary with the real weights.
//!
//! The weights come from `scripts/fetch-local-model`. Without them these tests fail and say so, unless
//! `ANTIPHON_WITHOUT_MODEL=1` tells that it is on purpose.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure in a test is the message"
)]

mod chat;
mod embeddings;
mod fetch;
mod process;
mod server;
mod tokenizer;
