//! Model services for Antiphon: OpenAI-compatible connections, Ollama, and the local model.
//!
//! [`Providers`] is the whole face: it joins the models of all connections ([`Providers::models`]), sends chat requests
//! and streams their replies ([`Providers::chat`]), and knows how each connection fares ([`Providers::statuses`]).
//! A reply is a stream of [`Chunk`]s: the upstream's own JSON texts, unchanged, each with a borrowed view of what
//! matters ([`Chunk::delta`]). All bounds of time and size are named in [`options`], all failures in [`ProviderError`].
//!
//! Nothing here is process-wide: two instances with different settings run side by side.

mod catalog;
mod chunk;
mod connection;
mod context;
mod error;
mod exchange;
mod http;
mod model;
mod ollama;
mod openai;
pub mod options;
mod providers;
mod reply;
mod secret;
mod sse;
mod text;

pub use catalog::{ConnectionState, ConnectionStatus, FailureReport, Freshness};
pub use chunk::{Chunk, Delta, NotAChunk};
pub use connection::{
    AuthType, Connection, ConnectionConfig, ConnectionKind, Endpoint, StartEndpoint, StaticModel,
};
pub use context::{RequestContext, Requester};
pub use error::{Label, ProviderError, TimeBound, UnreachableCause, UpstreamAnswer};
pub use http::WebClient;
pub use model::{Model, ModelList, Tag};
pub use options::{CatalogOptions, ForwardHeaders, ProviderOptions, TlsVerification};
pub use providers::Providers;
pub use reply::{Reply, ReplyStream};
pub use secret::Secret;
pub use text::{TEXT_LIMIT, TEXT_TIMEOUT, TextRequest};
