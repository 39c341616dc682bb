//! Requests to a provider, bounded in time and size.

use std::time::Duration;

use antiphon_provider::WebClient;
use antiphon_telemetry::causes;
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::error::{OidcError, Result};

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// How requests to one provider are made.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    pub(crate) web: WebClient,
    /// From the first byte sent to the last one read.
    pub(crate) timeout: Duration,
}

impl Fetcher {
    /// The JSON at an address.
    pub(crate) async fn document(
        &self,
        what: &'static str,
        url: &Url,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value> {
        let (status, body) = self.send(what, Method::GET, url, fill).await?;
        if !status.is_success() {
            return Err(OidcError::Unusable { what, problem: format!("it answers {}", status.as_u16()) });
        }
        body.ok_or(OidcError::Unusable { what, problem: "its answer is no JSON".to_owned() })
    }

    /// Sends a request; the body is there when it is JSON.
    pub(crate) async fn send(
        &self,
        what: &'static str,
        method: Method,
        url: &Url,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(StatusCode, Option<Value>)> {
        let unreachable = |cause: String| OidcError::Unreachable { what, address: without_query(url), cause };
        let asking = async {
            let fill = |request: RequestBuilder| fill(request.header(header::ACCEPT, "application/json"));
            let mut response = self
                .web
                .send(method, url.clone(), fill)
                .await
                .map_err(|error| unreachable(reasons(&error)))?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(|error| unreachable(reasons(&error)))? {
                if body.len() + piece.len() > MAX_ANSWER_BYTES {
                    let problem = format!("its answer is larger than {MAX_ANSWER_BYTES} bytes");
                    return Err(OidcError::Unusable { what, problem });
                }
                body.extend_from_slice(&piece);
            }
            Ok((response.status(), serde_json::from_slice(&body).ok()))
        };
        let seconds = self.timeout.as_secs_f32();
        let answer = tokio::time::timeout(self.timeout, asking).await;
        answer.unwrap_or_else(|_| Err(unreachable(format!("no answer within {seconds} s"))))
    }
}

/// An address as it may stand in a log.
fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    // Addresses without a host have no user to be hidden.
    let _ = shown.set_password(None);
    shown.to_string()
}

/// What led to an error, without the error itself: `reqwest` names the address there, which may have parameters.
fn reasons(error: &reqwest::Error) -> String {
    let words: Vec<String> = causes(error).map(ToString::to_string).collect();
    if words.is_empty() { "the request could not be made".to_owned() } else { words.join(": ") }
}
