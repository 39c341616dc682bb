//! The HTTP client of the node, lent to those who call services that are no model services.

use super::{HttpClient, is_loopback};
use reqwest::{RequestBuilder, Response};
use url::Url;

/// The node's one HTTP client: its pool, trusted certificates, proxy and cache of names. Cheap to clone.
#[derive(Clone)]
pub struct WebClient(HttpClient);

impl WebClient {
    pub(crate) fn new(client: HttpClient) -> Self {
        Self(client)
    }

    /// Sends a request to `url`, to which `fill` adds headers and a body, and gives the response whatever its status.
    ///
    /// The wait has the bounds that `fill` sets, and that of a connection (`CONNECT_TIMEOUT`).
    pub async fn send(
        &self,
        method: reqwest::Method,
        url: Url,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, reqwest::Error> {
        let inner = &self.0.0;
        let client = if is_loopback(&url) { &inner.loopback } else { &inner.outside };
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = fill(client.request(method, url)).send().await;
        if answer.as_ref().is_err_and(reqwest::Error::is_connect) {
            // The address may have moved; the next attempt asks again.
            inner.resolver.forget(&host);
        }
        answer
    }
}

impl std::fmt::Debug for WebClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WebClient").finish_non_exhaustive()
    }
}
