//! Services that speak the OpenAI HTTP API.

pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod stream;
