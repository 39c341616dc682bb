//! The HTTP client that all connections share: sending, time bounds, size bounds, cancellation.

mod admission;
mod failure;
mod resolver;
mod tls;
mod web;

use crate::error::{Label, ProviderError, TimeBound};
use crate::options::{
    BODY_LIMIT, DRAIN_TIMEOUT, ERROR_BODY_LIMIT, ERROR_BODY_TIMEOUT, POOL_IDLE_TIMEOUT, ProviderOptions,
    REDIRECT_LIMIT,
};
use crate::secret::Secret;
use admission::Admission;
pub(crate) use admission::Permit;
use bytes::{Bytes, BytesMut};
use failure::Failed;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, redirect};
use resolver::CachingResolver;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) use failure::upstream_words;
pub use web::WebClient;

/// Whom a request goes to, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) label: Label,
    /// Removed from everything that the upstream sends back in an error.
    pub(crate) secrets: Arc<[Secret]>,
}

impl Target {
    /// Replaces the connection's secrets in a text that the upstream sent back.
    pub(crate) fn scrub(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| secret.scrub(text))
    }
}

/// One request.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// The bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Until the head of the response arrives.
    pub(crate) header: (Duration, TimeBound),
    /// Until the last byte arrives.
    pub(crate) total: Option<(Duration, TimeBound)>,
    /// Between two pieces of the body.
    pub(crate) idle: Option<Duration>,
}

impl Limits {
    /// For replies and embeddings.
    pub(crate) fn of_requests(options: &ProviderOptions) -> Self {
        Self {
            header: options
                .total_timeout
                .map_or((options.header_timeout, TimeBound::Header), |total| (total, TimeBound::Total)),
            total: options.total_timeout.map(|total| (total, TimeBound::Total)),
            idle: options.idle_timeout,
        }
    }

    /// For listings and other questions that are answered at once.
    pub(crate) fn of_listings(options: &ProviderOptions) -> Self {
        let bound = (options.list_timeout, TimeBound::ModelList);
        Self { header: bound, total: Some(bound), idle: None }
    }

    /// The same, but not longer than `time` in all.
    pub(crate) fn within(self, time: Duration) -> Self {
        let bound = (time, TimeBound::Request);
        let total = self.total.filter(|(total, _)| *total <= time).unwrap_or(bound);
        let header = if self.header.0 <= time { self.header } else { bound };
        Self { header, total: Some(total), ..self }
    }
}

/// A response whose status is a success and whose body has not been read.
pub(crate) struct Incoming {
    pub(crate) headers: HeaderMap,
    pub(crate) response: reqwest::Response,
    /// When the body must be complete.
    pub(crate) deadline: Option<(Instant, Duration, TimeBound)>,
    pub(crate) idle: Option<Duration>,
    /// Frees the place in the pool when the body has been read or dropped.
    pub(crate) permit: Option<Permit>,
}

/// The shared client; cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

struct Inner {
    /// For everything that may go through a proxy of the environment.
    outside: Client,
    /// For loopback addresses: a proxy would look for the service on its own machine.
    loopback: Client,
    resolver: Arc<CachingResolver>,
    admission: Admission,
    connect_timeout: Duration,
}

impl HttpClient {
    /// Builds the client; fails when the certificate file cannot be used.
    pub(crate) fn new(options: &ProviderOptions) -> Result<Self, ProviderError> {
        let tls = tls::client_config(&options.tls)?;
        let resolver = Arc::new(CachingResolver::new(options.dns_ttl));
        let build = |proxied: bool| {
            let builder = Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Arc::clone(&resolver))
                .user_agent(concat!("Antiphon/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(options.connect_timeout)
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .tcp_nodelay(true)
                .referer(false)
                .redirect(if options.follow_redirects {
                    redirect::Policy::limited(REDIRECT_LIMIT)
                } else {
                    redirect::Policy::none()
                });
            let builder = match options.pool_connections_per_host {
                Some(limit) if limit > 0 => builder.pool_max_idle_per_host(limit),
                _ => builder,
            };
            if proxied { builder } else { builder.no_proxy() }.build().map_err(|error| {
                ProviderError::Configuration {
                    connection: Label::new("HTTP client"),
                    problem: format!("it could not be set up: {}", failure::chain(&error)),
                    remedy: "Check HTTP_PROXY, HTTPS_PROXY and AIOHTTP_CLIENT_SESSION_SSL".into(),
                }
            })
        };
        Ok(Self(Arc::new(Inner {
            outside: build(options.proxy_from_environment)?,
            loopback: build(false)?,
            resolver,
            admission: Admission::new(options.pool_connections, options.pool_connections_per_host),
            connect_timeout: options.connect_timeout,
        })))
    }

    /// Sends a request and waits for the head of the response; an error status is an error.
    pub(crate) async fn send(
        &self,
        target: &Target,
        outgoing: Outgoing,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Incoming, ProviderError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ProviderError::Cancelled),
            answer = self.send_bounded(target, outgoing, limits) => answer,
        }
    }

    async fn send_bounded(
        &self,
        target: &Target,
        outgoing: Outgoing,
        limits: Limits,
    ) -> Result<Incoming, ProviderError> {
        let start = Instant::now();
        let permit = self.0.admission.enter(&outgoing.url, &target.label).await?;
        let client = if is_loopback(&outgoing.url) { &self.0.loopback } else { &self.0.outside };
        let host = outgoing.url.host_str().unwrap_or_default().to_owned();
        let mut request = client.request(outgoing.method, outgoing.url).headers(outgoing.headers);
        if let Some(body) = outgoing.body {
            request = request.body(body);
        }
        let (header, bound) = limits.header;
        let response = match tokio::time::timeout_at(start + header, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                if error.is_connect() {
                    // The address may have moved; the next attempt asks again.
                    self.0.resolver.forget(&host);
                }
                return Err(Failed { target, error: &error }.sending(self.0.connect_timeout));
            }
            Err(_) => {
                return Err(ProviderError::Timeout {
                    connection: target.label.clone(),
                    bound,
                    after: header,
                });
            }
        };
        let mut incoming = Incoming {
            headers: response.headers().clone(),
            deadline: limits.total.map(|(total, bound)| (start + total, total, bound)),
            idle: limits.idle,
            response,
            permit,
        };
        let status = incoming.response.status();
        if status.is_success() {
            return Ok(incoming);
        }
        let content_type = incoming.content_type().map(str::to_owned);
        let location = incoming.header("location").map(str::to_owned);
        let body = incoming.excerpt(ERROR_BODY_LIMIT, ERROR_BODY_TIMEOUT).await;
        Err(failure::status(target, status, &body, content_type, location.as_deref()))
    }
}

impl Incoming {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without parameters, in the upstream's case.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Whether the media type is `wanted`, whatever its parameters.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        self.content_type()
            .and_then(|full| full.split(';').next())
            .is_some_and(|media| media.trim().eq_ignore_ascii_case(wanted))
    }

    /// Reads the whole body, within its bounds.
    pub(crate) async fn whole(
        self,
        target: &Target,
        limit: usize,
        cancel: &CancellationToken,
    ) -> Result<Bytes, ProviderError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ProviderError::Cancelled),
            body = self.whole_bounded(target, limit) => body,
        }
    }

    async fn whole_bounded(mut self, target: &Target, limit: usize) -> Result<Bytes, ProviderError> {
        let too_large =
            || ProviderError::TooLarge { connection: target.label.clone(), what: "the answer", limit };
        if self.response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let (until, bound, after) = next_bound(self.idle, self.deadline);
            let piece = match until {
                None => self.response.chunk().await,
                Some(until) => match tokio::time::timeout_at(until, self.response.chunk()).await {
                    Ok(piece) => piece,
                    Err(_) => {
                        return Err(ProviderError::Timeout {
                            connection: target.label.clone(),
                            bound,
                            after,
                        });
                    }
                },
            };
            match piece {
                Ok(Some(piece)) if first.len() + rest.len() + piece.len() > limit => return Err(too_large()),
                Ok(Some(piece)) if first.is_empty() => first = piece,
                Ok(Some(piece)) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&first);
                        first = Bytes::new();
                    }
                    rest.extend_from_slice(&piece);
                }
                Ok(None) => return Ok(if rest.is_empty() { first } else { rest.freeze() }),
                Err(error) => return Err(Failed { target, error: &error }.reading()),
            }
        }
    }

    /// Reads up to `limit` bytes for at most `time`; what cannot be read is left out.
    async fn excerpt(&mut self, limit: usize, time: Duration) -> Bytes {
        let mut body = BytesMut::new();
        let read = async {
            while let Ok(Some(piece)) = self.response.chunk().await {
                let room = limit - body.len();
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                if body.len() == limit {
                    break;
                }
            }
        };
        // A body that never ends must not hold up the report of its status.
        let _ = tokio::time::timeout(time, read).await;
        body.freeze()
    }
}

/// When the wait for the next piece ends: the nearer of silence and deadline.
pub(crate) fn next_bound(
    idle: Option<Duration>,
    deadline: Option<(Instant, Duration, TimeBound)>,
) -> (Option<Instant>, TimeBound, Duration) {
    let silence = idle.map(|idle| (Instant::now() + idle, idle, TimeBound::Idle));
    let nearest = match (silence, deadline) {
        (Some(silence), Some(deadline)) => Some(if deadline.0 < silence.0 { deadline } else { silence }),
        (one, other) => one.or(other),
    };
    match nearest {
        Some((until, after, bound)) => (Some(until), bound, after),
        None => (None, TimeBound::Idle, Duration::ZERO),
    }
}

/// Reads the few bytes after an end mark, so that the connection goes back to the pool instead of being closed.
pub(crate) fn drain(
    mut response: impl futures_util::Stream + Send + Unpin + 'static,
    permit: Option<Permit>,
) {
    use futures_util::StreamExt;
    tokio::spawn(async move {
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, async { while response.next().await.is_some() {} }).await;
        drop(permit);
    });
}

/// A whole JSON answer of up to [`BODY_LIMIT`] bytes.
pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(
    target: &Target,
    body: &Bytes,
    what: &str,
) -> Result<T, ProviderError> {
    debug_assert!(body.len() <= BODY_LIMIT);
    serde_json::from_slice(body).map_err(|error| ProviderError::Malformed {
        connection: target.label.clone(),
        problem: format!("{what} was expected as JSON, but it does not parse ({error})"),
        excerpt: failure::excerpt(target, body),
    })
}

/// The same for a JSON object; a list would otherwise be taken for the members in their order.
pub(crate) fn parse_object<T: serde::de::DeserializeOwned>(
    target: &Target,
    body: &Bytes,
    what: &str,
) -> Result<T, ProviderError> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return parse_json(target, body, what);
    }
    Err(ProviderError::Malformed {
        connection: target.label.clone(),
        problem: format!("{what} was expected as a JSON object"),
        excerpt: failure::excerpt(target, body),
    })
}

/// The first characters of what came, for a message.
pub(crate) fn excerpt(target: &Target, body: &[u8]) -> String {
    failure::excerpt(target, body)
}

/// The error of reading a body, seen from the place that reads it piece by piece.
pub(crate) fn reading_failed(target: &Target, error: &reqwest::Error) -> ProviderError {
    Failed { target, error }.reading()
}

/// Appends path segments to a base URL; its query, if any, stays.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Fails only for URLs that cannot be a base, which `Endpoint::parse` refuses.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_with_and_without_a_trailing_slash() {
        let join = |base: &str| join(&Url::parse(base).unwrap(), &["chat", "completions"]).to_string();
        assert_eq!(join("http://h/v1"), "http://h/v1/chat/completions");
        assert_eq!(join("http://h/v1/"), "http://h/v1/chat/completions");
        assert_eq!(join("http://h"), "http://h/chat/completions");
        assert_eq!(join("http://h/v1?key=a"), "http://h/v1/chat/completions?key=a");
    }

    #[test]
    fn loopback_is_recognised() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:1/", true),
            ("http://api.localhost", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_request_bound_only_shortens() {
        let options = ProviderOptions::default();
        let limits = Limits::of_requests(&options).within(Duration::from_secs(5));
        assert_eq!(limits.header, (Duration::from_secs(5), TimeBound::Request));
        let options = ProviderOptions { total_timeout: Some(Duration::from_secs(2)), ..options };
        let limits = Limits::of_requests(&options).within(Duration::from_secs(5));
        assert_eq!(limits.total, Some((Duration::from_secs(2), TimeBound::Total)));
    }
}
