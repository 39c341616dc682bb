//! Polls of other nodes that are handled here.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::message::Head;
use super::{Inner, PART};

/// Requests handled at the same time.
const MAX_SERVED: usize = 10_000;

/// The requests under way, by asker and number.
#[derive(Debug, Default)]
pub(super) struct Serving {
    requests: Mutex<HashMap<(String, u64), CancellationToken>>,
}

impl Serving {
    /// Notes a request; `None` when there are too many, or it is there already.
    fn begin(&self, from: &str, id: u64) -> Option<CancellationToken> {
        let mut requests = self.requests.lock();
        let key = (from.to_owned(), id);
        if requests.len() >= MAX_SERVED || requests.contains_key(&key) {
            return None;
        }
        let token = CancellationToken::new();
        requests.insert(key, token.clone());
        Some(token)
    }

    fn end(&self, from: &str, id: u64) {
        self.requests.lock().remove(&(from.to_owned(), id));
    }

    pub(super) fn len(&self) -> usize {
        self.requests.lock().len()
    }

    /// Gives a request up.
    pub(super) fn cancel(&self, from: &str, id: u64) {
        let request = self.requests.lock().get(&(from.to_owned(), id)).cloned();
        if let Some(request) = request {
            request.cancel();
        }
    }
}

impl Inner {
    /// Handles a request of another node, in a task of its own.
    pub(super) fn serve(
        self: &Arc<Self>,
        id: u64,
        from: String,
        method: &str,
        query: &str,
        origin: Option<&str>,
        body: Vec<u8>,
    ) {
        let mut request = Request::builder().method(method).uri(format!("/ws/socket.io/?{query}"));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let Ok(request) = request.body(Body::from(body)) else { return };
        let Some(endpoint) = self.endpoint.get().cloned() else { return };
        let Some(cancelled) = self.serving.begin(&from, id) else { return };
        let relay = self.clone();
        tokio::spawn(async move {
            let asker = relay.channel(&from);
            let taken = Head::Taken { id }.with(b"");
            let handled = async { tokio::time::timeout(relay.limit, endpoint.handle(request)).await };
            // Dropping the handler of a poll ends its session, as when its client goes away.
            let handled = cancelled.run_until_cancelled(handled);
            let (_, handled) = tokio::join!(relay.publish(&asker, &taken), handled);
            if let Some(Ok(Some(response))) = handled {
                relay.answer(&asker, id, response).await;
            }
            relay.serving.end(&from, id);
        });
    }

    async fn answer(&self, asker: &str, id: u64, response: Response) {
        let (parts, body) = response.into_parts();
        // Bounded by what the endpoint puts into one answer.
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return };
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut rest = &body[..];
        loop {
            let (part, after) = rest.split_at(rest.len().min(PART));
            rest = after;
            let head = Head::Answer {
                id,
                status: parts.status.as_u16(),
                content_type: content_type.map(str::to_owned),
                more: !rest.is_empty(),
            };
            if self.publish(asker, &head.with(part)).await.is_none() || rest.is_empty() {
                return;
            }
        }
    }
}
