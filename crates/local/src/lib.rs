//! A small language model and sentence embeddings on the CPU, served with the OpenAI API on loopback.
//!
//! The first run of Antiphon should answer without any account elsewhere, so the server starts this binary when no
//! provider is configured. It is a process of its own: its memory, its dependencies and its faults stay out of the server.
//! SmolLM2 has 135 million parameters, so it demonstrates the way of an answer, not the quality of one.
//!
//! How a reply flows: [`http`] parses the request and puts a job in a bounded [`engine::queue`]; a worker thread takes it,
//! encodes it with [`text`], runs [`model`] token by token and sends text back over a channel. When the client goes away
//! the channel closes, which the worker sees before its next step.

pub mod engine;
pub mod error;
pub mod http;
pub mod layout;
pub mod lifecycle;
pub mod model;
pub mod sampling;
pub mod text;
