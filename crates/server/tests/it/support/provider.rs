//! A scripted OpenAI-compatible service on loopback.
//!
//! What a question says in double brackets decides the answer: `[[tokens=5 hold=2]]` says `tok1` to `tok5`, but waits
//! after the second until [`Provider::release`]. Without brackets the answer is `Echo: ` and the question. See
//! [`Script`](super::script::Script) for all words.

use super::script::{self, Script};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

/// Longest wait for anything that must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Permits that make every wait of a script end at once.
const OPEN: usize = 1_000_000;

/// One request for a completion, and what became of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) fate: Fate,
}

impl Request {
    /// The last thing that a user said.
    pub(crate) fn question(&self) -> String {
        script::question(&self.body)
    }

    /// Roles and texts of the conversation.
    pub(crate) fn conversation(&self) -> Vec<(String, String)> {
        let messages = self.body["messages"].as_array().expect("messages");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not complete yet.
    Running,
    /// It was sent to its end.
    Sent,
    /// The other side closed the connection before.
    Cut,
}

#[derive(Default)]
struct Log {
    requests: Mutex<Vec<Request>>,
    changed: Notify,
}

impl Log {
    fn settle(&self, index: usize, fate: Fate) {
        let mut requests = self.requests.lock().unwrap();
        if requests[index].fate == Fate::Running {
            requests[index].fate = fate;
        }
        drop(requests);
        self.changed.notify_waiters();
    }
}

/// Settles the fate of an answer as cut, unless it was settled before.
struct Watch(Arc<Log>, usize);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.settle(self.1, Fate::Cut);
    }
}

#[derive(Clone)]
struct Service {
    log: Arc<Log>,
    gate: Arc<Semaphore>,
    models: Arc<Mutex<Vec<String>>>,
    listing: Arc<Semaphore>,
    key: Arc<Mutex<Option<String>>>,
}

/// A running service. It ends with the runtime of the test.
pub(crate) struct Provider {
    base: String,
    service: Service,
}

impl Provider {
    /// Starts a service with the models `mock` and `mock-two`.
    pub(crate) async fn start() -> Self {
        Self::with_models(&["mock", "mock-two"]).await
    }

    /// Starts a service with these models.
    pub(crate) async fn with_models(models: &[&str]) -> Self {
        let service = Service {
            log: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            models: Arc::new(Mutex::new(models.iter().map(ToString::to_string).collect())),
            listing: Arc::new(Semaphore::new(OPEN)),
            key: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/models", get(list))
            .route("/v1/chat/completions", post(complete))
            .route("/v1/embeddings", post(embed))
            .with_state(service.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, service }
    }

    /// Base URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Lets one wait of a script end.
    pub(crate) fn release(&self) {
        self.service.gate.add_permits(1);
    }

    /// Lets all waits of scripts end, now and later.
    pub(crate) fn release_all(&self) {
        self.service.gate.add_permits(OPEN);
    }

    /// Lists other models from now on.
    pub(crate) fn set_models(&self, models: &[&str]) {
        *self.service.models.lock().unwrap() = models.iter().map(ToString::to_string).collect();
    }

    /// Lets nobody list the models any more: whoever asks waits.
    pub(crate) fn hang_listing(&self) {
        self.service.listing.forget_permits(OPEN);
    }

    /// Refuses everybody without this key from now on.
    pub(crate) fn require_key(&self, key: &str) {
        *self.service.key.lock().unwrap() = Some(key.to_owned());
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.service.log.requests.lock().unwrap().clone()
    }

    /// The one request whose question is this.
    #[track_caller]
    pub(crate) fn request(&self, question: &str) -> Request {
        let found = self.requests().into_iter().find(|request| request.question() == question);
        found.unwrap_or_else(|| panic!("nobody asked {question:?}"))
    }

    /// Waits until the requests are as `find` wants them.
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Request]) -> Option<T>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            let found = async {
                loop {
                    let changed = self.service.log.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    if let Some(found) = find(&self.requests()) {
                        return found;
                    }
                    changed.await;
                }
            };
            let found = tokio::time::timeout(LIMIT, found).await;
            found.unwrap_or_else(|_| panic!("{caller}: never came true at the provider: {what}"))
        }
    }

    /// Waits until the request with this question has arrived.
    #[track_caller]
    pub(crate) fn asked(&self, question: &str) -> impl Future<Output = Request> {
        let question = question.to_owned();
        self.wait_for("the question arrived", move |requests| {
            requests.iter().find(|request| request.question() == question).cloned()
        })
    }

    /// Waits until the answer to this question met its fate, whichever.
    #[track_caller]
    pub(crate) fn fate(&self, question: &str) -> impl Future<Output = Fate> {
        let question = question.to_owned();
        self.wait_for("the answer met its fate", move |requests| {
            let request = requests.iter().find(|request| request.question() == question)?;
            Some(request.fate).filter(|fate| *fate != Fate::Running)
        })
    }
}

fn refused(service: &Service, headers: &HeaderMap) -> Option<Response> {
    let key = service.key.lock().unwrap().clone()?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    (given != Some(&format!("Bearer {key}"))).then(|| failure(401, "wrong key"))
}

async fn list(State(service): State<Service>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refused(&service, &headers) {
        return refusal;
    }
    drop(service.listing.acquire().await);
    let models = service.models.lock().unwrap().clone();
    let data = models
        .into_iter()
        .map(|id| json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "test" }));
    Json(json!({ "object": "list", "data": data.collect::<Vec<_>>() })).into_response()
}

async fn embed(State(service): State<Service>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = refused(&service, &headers) {
        return refusal;
    }
    let embedding = json!({ "object": "embedding", "index": 0, "embedding": [0.5, -0.25] });
    Json(json!({ "object": "list", "model": body["model"], "data": [embedding] })).into_response()
}

async fn complete(State(service): State<Service>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = refused(&service, &headers) {
        return refusal;
    }
    let script = Script::of(&body);
    let index = {
        let mut requests = service.log.requests.lock().unwrap();
        requests.push(Request { headers, body: body.clone(), fate: Fate::Running });
        requests.len() - 1
    };
    service.log.changed.notify_waiters();
    let watch = Watch(service.log.clone(), index);
    if script.silent {
        std::future::pending::<()>().await;
    }
    if let Some(status) = script.fail {
        service.log.settle(index, Fate::Sent);
        return failure(status, &format!("mock failure {status}"));
    }
    if script.html {
        service.log.settle(index, Fate::Sent);
        return ([(header::CONTENT_TYPE, "text/html")], "<html>Sign in to the proxy</html>").into_response();
    }
    let wants_stream = body["stream"] == true && !script.whole;
    let pieces = script.pieces(&body, wants_stream);
    let pieces = play(pieces, service, watch);
    let kind = if wants_stream { "text/event-stream" } else { "application/json" };
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}

fn failure(status: u16, message: &str) -> Response {
    let error = json!({ "error": { "message": message, "type": "mock_error", "code": status } });
    (StatusCode::from_u16(status).unwrap(), Json(error)).into_response()
}

/// The pieces of an answer, one after the other; where it breaks off, the connection breaks.
fn play(
    pieces: Vec<script::Piece>,
    service: Service,
    watch: Watch,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let pieces = stream::iter(pieces).then(move |piece| {
        let gate = service.gate.clone();
        async move {
            match piece {
                script::Piece::Bytes(bytes) => Some(Ok(Bytes::from(bytes))),
                script::Piece::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    None
                }
                script::Piece::Hold => {
                    gate.acquire().await.unwrap().forget();
                    None
                }
                script::Piece::Hang => std::future::pending().await,
                script::Piece::Break => Some(Err(std::io::Error::other("the script says so"))),
            }
        }
    });
    let end = async move {
        watch.0.settle(watch.1, Fate::Sent);
        None
    };
    pieces.chain(stream::once(end)).filter_map(std::future::ready)
}
