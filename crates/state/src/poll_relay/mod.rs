//! Long polls that reach another node than the one that has their session: taken there and back over Redis.
//!
//! Each node listens on `{prefix}:antiphon:node:{mark}`, the mark being that of its engine ids. A request goes to the owner's
//! channel, the answer comes to the asker's, in parts. The owner makes the same checks as for a request of its own. When the
//! client of the asker goes away the owner learns of it and ends the session, as it does with a client of its own.

mod message;
mod serving;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use antiphon_realtime::{NodeTag, PollEndpoint, PollForward};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::exchange::{Exchange, Listener};
use crate::redis::{Batch, Reach, Repeat, cmd};
use message::Head;
use serving::Serving;

/// Bytes of a request that is taken to another node.
pub const MAX_REQUEST: usize = 4 * 1024 * 1024;
/// Bytes of one part of an answer.
const PART: usize = 1024 * 1024;
/// Requests that wait for other nodes.
const MAX_ASKED: usize = 10_000;
/// Parts of an answer that wait to be put together.
const PARTS: usize = 64;
/// Time in which a client must have sent its request.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// Time in which the owner must say that it has the request.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);
/// Time beyond the longest poll after which an answer is not waited for any more.
const MARGIN: Duration = Duration::from_secs(10);

/// Takes polls to the nodes that own their sessions, and handles those of other nodes.
pub struct PollRelay {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    tag: NodeTag,
    /// Longest wait for an answer.
    limit: Duration,
    next_id: AtomicU64,
    asked: Mutex<HashMap<u64, mpsc::Sender<Said>>>,
    endpoint: OnceLock<PollEndpoint>,
    serving: Serving,
}

/// What the owner said.
enum Said {
    Taken,
    Part { status: u16, content_type: Option<String>, bytes: Vec<u8>, more: bool },
}

struct Ear(Weak<Inner>);

impl PollRelay {
    /// The relay of the node with this mark, whose polls wait up to `longest_poll`.
    pub fn new(exchange: Exchange, tag: NodeTag, longest_poll: Duration) -> Self {
        let inner = Inner {
            exchange,
            tag,
            limit: longest_poll + MARGIN,
            next_id: AtomicU64::new(1),
            asked: Mutex::default(),
            endpoint: OnceLock::new(),
            serving: Serving::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins to handle what other nodes ask and tell, and does not wait for Redis. Must be called inside a Tokio runtime.
    pub fn serve(&self, endpoint: PollEndpoint) {
        if self.inner.endpoint.set(endpoint).is_err() {
            return;
        }
        let ear = Arc::new(Ear(Arc::downgrade(&self.inner)));
        let (exchange, channel) =
            (self.inner.exchange.clone(), self.inner.channel(&self.inner.tag.to_string()));
        tokio::spawn(async move { exchange.listen(&channel, ear).await });
    }

    /// Requests of other nodes that are handled here now.
    pub fn serving(&self) -> usize {
        self.inner.serving.len()
    }
}

impl PollForward for PollRelay {
    fn forward(&self, owner: NodeTag, request: Request) -> BoxFuture<'_, Option<Response>> {
        Box::pin(self.inner.ask(owner, request))
    }
}

impl Listener for Ear {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(inner) = self.0.upgrade() else { return };
        let Some((head, body)) = Head::parse(payload) else {
            tracing::debug!(channel, "a message that is no poll was left out");
            return;
        };
        let (id, said) = match head {
            Head::Ask { id, from, method, query, origin } => {
                inner.serve(id, from, &method, &query, origin.as_deref(), body.to_vec());
                return;
            }
            Head::Cancel { id, from } => {
                inner.serving.cancel(&from, id);
                return;
            }
            Head::Taken { id } => (id, Said::Taken),
            Head::Answer { id, status, content_type, more } => {
                (id, Said::Part { status, content_type, bytes: body.to_vec(), more })
            }
        };
        let waiting = inner.asked.lock().get(&id).cloned();
        if let Some(waiting) = waiting
            && waiting.try_send(said).is_err()
        {
            // Gone, or more parts than fit: the request fails, and its client opens another session.
            inner.asked.lock().remove(&id);
        }
    }

    /// Answers may have been missed; whoever waits for them gives up in time.
    fn resumed(&self, _gap: Duration) {}
}

impl Inner {
    fn channel(&self, tag: &str) -> String {
        self.exchange.channel(&format!("antiphon:node:{tag}"))
    }

    async fn ask(self: &Arc<Self>, owner: NodeTag, request: Request) -> Option<Response> {
        let (parts, body) = request.into_parts();
        let body = match tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, MAX_REQUEST)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Some(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            Err(_) => return Some(StatusCode::REQUEST_TIMEOUT.into_response()),
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, mut said) = mpsc::channel(PARTS);
        {
            let mut asked = self.asked.lock();
            if asked.len() >= MAX_ASKED {
                return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
            asked.insert(id, sender);
        }
        let owner = self.channel(&owner.to_string());
        let mut question = Question { relay: self.clone(), id, owner: owner.clone(), open: true };
        let origin = parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let ask = Head::Ask {
            id,
            from: self.tag.to_string(),
            method: parts.method.to_string(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            origin: origin.map(str::to_owned),
        };
        let heard = self.publish(&owner, &ask.with(&body)).await?;
        if heard == 0 && !self.in_cluster() {
            return None;
        }
        let answer = async {
            let first = tokio::time::timeout(TAKEN_WITHIN, said.recv()).await.ok()??;
            gather(first, &mut said).await
        };
        let answer = tokio::time::timeout(self.limit, answer).await.ok().flatten();
        if answer.is_some() {
            question.open = false;
        }
        answer
    }

    /// Publishes once: what a poll brings or fetches must not come twice. Gives how many subscriptions got it.
    async fn publish(&self, channel: &str, message: &[u8]) -> Option<u64> {
        let sockets = self.exchange.connections().ok()?.sockets().clone();
        // By one way, or the parts of an answer overtake each other in a cluster.
        let batch = Batch::new()
            .by_way_of(self.exchange.node_id())
            .with(cmd("PUBLISH").arg(channel).arg(message).take());
        match sockets.batch::<Vec<u64>>(Repeat::Once, batch).await {
            Ok(heard) => heard.first().copied(),
            Err(error) => {
                tracing::debug!(channel, %error, "a poll could not be taken to its node; its client opens another session");
                None
            }
        }
    }

    fn in_cluster(&self) -> bool {
        self.exchange
            .connections()
            .is_ok_and(|connections| matches!(connections.options().sockets.reach, Reach::Cluster(_)))
    }
}

/// Puts the parts of an answer together.
async fn gather(first: Said, rest: &mut mpsc::Receiver<Said>) -> Option<Response> {
    let (mut body, mut next) = (Vec::new(), first);
    loop {
        let (status, content_type) = match next {
            Said::Part { status, content_type, bytes, more } => {
                body.extend_from_slice(&bytes);
                if more {
                    next = rest.recv().await?;
                    continue;
                }
                (status, content_type)
            }
            Said::Taken => {
                next = rest.recv().await?;
                continue;
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).ok()?;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(content_type) = content_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        return Some(response);
    }
}

/// A request that was asked. When it is dropped without an answer the owner is told.
struct Question {
    relay: Arc<Inner>,
    id: u64,
    owner: String,
    open: bool,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.relay.asked.lock().remove(&self.id);
        if self.open {
            let (relay, owner) = (self.relay.clone(), std::mem::take(&mut self.owner));
            let cancel = Head::Cancel { id: self.id, from: relay.tag.to_string() };
            tokio::spawn(async move { relay.publish(&owner, &cancel.with(b"")).await });
        }
    }
}
