//! Services that speak Ollama's own HTTP API, translated from and to the OpenAI forms.

pub(crate) mod embed;
pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;
