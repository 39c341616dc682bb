//! A small HTTP client: JSON in, status, headers and body out; follows no redirect and keeps no cookie by itself.

use super::surface;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Method, redirect};
use serde_json::Value;
use std::ops::Deref;
use std::time::Duration;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// Fails the test unless the answer has this status. Every refusal must carry a `detail`.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        if status >= 400 {
            assert!(!self.body["detail"].is_null(), "a refusal without a detail: {}", self.body);
        }
        &self.body
    }

    /// Fails the test unless the answer has this status and a `detail` of one text, which it gives.
    #[track_caller]
    pub(crate) fn expect_plain(&self, status: u16) -> &str {
        self.expect(status)["detail"]
            .as_str()
            .unwrap_or_else(|| panic!("the detail is no text: {}", self.body))
    }

    /// A header that is there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}"));
        value.to_str().expect("a header of ASCII")
    }

    /// The token in the cookie that the answer sets, and the cookie's attributes in lower case.
    #[track_caller]
    pub(crate) fn cookie(&self) -> (String, Vec<String>) {
        let mut parts = self.header(&header::SET_COOKIE).split(';').map(str::trim);
        let token = parts.next().and_then(|pair| pair.strip_prefix("token=")).expect("a cookie named token");
        (token.to_owned(), parts.map(str::to_lowercase).collect())
    }
}

/// Sends requests to a node, as nobody or with a token. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
}

impl Client {
    pub(super) fn new(base: &str) -> Self {
        // Already set by an earlier test of this process, perhaps.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_TIMEOUT)
            .build()
            .expect("a client");
        Self { http, base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// The same client with one more header.
    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// The same client with a token or API key in `Authorization`.
    #[must_use]
    pub(crate) fn with_token(self, token: &str) -> Self {
        self.with_header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The same client with a token in the cookie.
    #[must_use]
    pub(crate) fn with_cookie(self, token: &str) -> Self {
        self.with_header(header::COOKIE, &format!("token={token}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string().into_bytes())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Only the status of an answer, which may have no end.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        let request = self.http.get(format!("{}{path}", self.base)).headers(self.headers.clone());
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Sends exactly these bytes as `application/json`.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Answer {
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole answer").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        let answer = Answer { status, headers, bytes, body };
        surface::check(&method, path, &answer);
        answer
    }
}

/// An account with one of its sessions; sends requests with that session's token.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
    /// The answer to the sign-up or sign-in.
    pub(crate) session: Value,
    pub(super) client: Client,
}

impl Account {
    /// Fails the test unless the session is good (or, with false, no longer good).
    #[track_caller]
    pub(crate) fn check(&self, good: bool) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.get("/api/v1/auths/").await;
            assert_eq!(answer.status, if good { 200 } else { 401 }, "of the session checked at {caller}");
        }
    }
}

impl Deref for Account {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
