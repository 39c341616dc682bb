//! Doing again what a recorded flow did, with every exchange compared with the contract.

use super::book::{Body, Book, Flow};
use super::exceptions;
use crate::support::faults::{faults, further_fields, prune};
use crate::support::{Answer, Client, Heard, Socket};
use antiphon_api::openapi::{Shape, Shapes};
use reqwest::{Method, header};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Events that the server acknowledges.
const ACKNOWLEDGED: [&str; 4] = ["user-join", "events:chat join", "events:chat leave", "events:chat typing"];

/// One flow, and what of it has been done so far.
pub(super) struct Walk {
    book: Book,
    flow: Flow,
    /// Routes of this server, with `{}` for captures.
    served: BTreeSet<String>,
    done: Mutex<BTreeSet<String>>,
    /// Departures from the contract.
    wrong: Mutex<BTreeSet<String>>,
}

/// `METHOD path` with `{}` for each capture.
pub(super) fn anonymous(operation: &str) -> String {
    let mut parts = Vec::new();
    for part in operation.split('/') {
        parts.push(if part.starts_with('{') { "{}" } else { part });
    }
    parts.join("/")
}

/// The routes of this server, as [`anonymous`] spells them.
pub(super) fn served() -> BTreeSet<String> {
    let routes = antiphon_api::routes::table();
    routes.iter().map(|route| anonymous(&format!("{} {}", route.method, route.path))).collect()
}

/// The operation without the mark that tells two answers of one route apart: `GET /api/config (public)`.
pub(super) fn unmarked(operation: &str) -> &str {
    operation.split_once(" (").map_or(operation, |(operation, _)| operation)
}

impl Walk {
    pub(super) fn begin(flow: &str) -> Self {
        Self {
            book: Book::open(),
            flow: Flow::open(flow),
            served: served(),
            done: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Leaves of `value` what the reference's client would send back, having got it from the reference.
    pub(super) fn as_sent(&self, operation: &str, mut value: Value) -> Value {
        let shape = self.book.calls[operation].request.as_ref().expect("a recorded request");
        prune(shape, &self.book.call_shapes, &mut value);
        value
    }

    /// Whether this server has the operation at all.
    pub(super) fn is_served(&self, operation: &str) -> bool {
        self.served.contains(&anonymous(unmarked(operation)))
    }

    fn mark(&self, step: String) {
        self.done.lock().unwrap().insert(step);
    }

    fn is_done(&self, step: &str) -> bool {
        self.done.lock().unwrap().contains(step)
    }

    /// Notes where `value` departs from its recorded shape.
    fn compare(&self, what: &str, shape: &Shape, shapes: &Shapes, value: &Value, place: &str) {
        let found = faults(shape, shapes, value, place);
        let left = found.into_iter().filter(|fault| !exceptions::allows(what, fault));
        self.wrong.lock().unwrap().extend(left.map(|fault| format!("{what}: {fault}")));
    }

    /// Makes a recorded call: `METHOD /path/{capture}?query`, with something for each capture.
    ///
    /// The body must be what the reference's client was seen to send: every recorded field, and no other.
    #[track_caller]
    pub(super) fn call<'a>(
        &'a self,
        client: &'a Client,
        operation: &str,
        captures: &[&str],
        form: Option<Value>,
        status: u16,
    ) -> impl Future<Output = Answer> + 'a {
        let (operation, query) =
            operation.split_once('?').map_or((operation, ""), |(path, query)| (path, query));
        let call = self.book.calls.get(operation).unwrap_or_else(|| panic!("{operation} was not recorded"));
        for name in query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty())
        {
            assert!(call.query.iter().any(|known| known == name), "{operation} was never asked with {name}");
        }
        if let Some(form) = &form {
            let shape = call.request.as_ref().unwrap_or_else(|| panic!("{operation} took no body"));
            let mut found = faults(shape, &self.book.call_shapes, form, "form");
            found.extend(further_fields(shape, &self.book.call_shapes, form, "form"));
            assert!(found.is_empty(), "{operation}: the client sends something else: {found:#?}");
        }
        let (method, path) = unmarked(operation).split_once(' ').expect("a method and a path");
        let mut captures = captures.iter();
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { captures.next().expect("a capture") } else { part })
            .collect();
        let path = format!("{}{}{query}", path.join("/"), if query.is_empty() { "" } else { "?" });
        let method: Method = method.parse().expect("a method");
        let operation = operation.to_owned();
        async move {
            let answer = client.send(method, &path, form.map(|form| form.to_string().into_bytes())).await;
            let shown = String::from_utf8_lossy(&answer.bytes);
            assert_eq!(answer.status, status, "flow {}, {operation} {path}: {shown}", self.flow.name);
            self.check_answer(&operation, &answer);
            answer
        }
    }

    fn check_answer(&self, operation: &str, answer: &Answer) {
        let status = answer.status.to_string();
        let body = self.book.calls[operation].answers.get(&status);
        let body = body.unwrap_or_else(|| panic!("{operation} was never answered with {status}"));
        let media_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match body {
            Body::Json(shape) => {
                assert_eq!(media_type, Some("application/json"), "of {operation}");
                self.compare(operation, shape, &self.book.call_shapes, &answer.body, &status);
            }
            Body::Other(expected) if expected == "nothing" => {}
            Body::Other(expected) => assert_eq!(media_type, Some(expected.as_str()), "of {operation}"),
        }
        self.mark(format!("{operation} {status}"));
    }

    /// Makes the calls without a body that the flow made and the test did not, as far as this server has them.
    ///
    /// `captures` names what stands for the captures of paths that begin so.
    pub(super) async fn rest(&self, client: &Client, captures: &[(&str, &str)]) {
        for step in &self.flow.steps {
            let Some((operation, status)) = step[2..].rsplit_once(' ') else { continue };
            let (Some(path), Ok(status)) = (operation.strip_prefix("GET "), status.parse::<u16>()) else {
                continue;
            };
            if status == 401 || self.is_done(&step[2..]) || !self.is_served(operation) {
                continue;
            }
            let captures: Vec<&str> =
                captures.iter().filter(|(prefix, _)| path.starts_with(prefix)).map(|(_, id)| *id).collect();
            let query = match path {
                "/api/v1/models/model/profile/image" => "?id=mock&lang=en-US",
                "/api/v1/chats/" => "?page=1",
                _ => "",
            };
            self.call(client, &format!("{operation}{query}"), &captures, None, status).await;
        }
    }

    /// Emits a recorded event.
    pub(super) async fn emit(&self, socket: &Socket, label: &str, argument: Value) {
        let shape = self.book.sent.get(label).unwrap_or_else(|| panic!("{label} was never sent"));
        let mut found = faults(shape, &self.book.event_shapes, &argument, label);
        found.extend(further_fields(shape, &self.book.event_shapes, &argument, label));
        assert!(found.is_empty(), "the client sends something else: {found:#?}");
        let name = label.split(' ').next().unwrap_or_default();
        if ACKNOWLEDGED.contains(&label) {
            socket.call(name, argument).await;
        } else {
            socket.emit(name, argument).await;
            socket.sync().await;
        }
        self.mark(format!("> {label}"));
    }

    /// Compares everything that a socket heard with the recorded shapes.
    #[track_caller]
    pub(super) fn check_heard(&self, socket: &Socket) {
        for event in socket.heard() {
            let label = label(&event);
            let shape = self.book.heard.get(&label);
            let shape = shape.unwrap_or_else(|| panic!("{label} was never recorded: {event:?}"));
            self.compare(&label, shape, &self.book.event_shapes, &event.envelope, "event");
            self.mark(format!("< {label}"));
        }
    }

    /// Compares the order of what a socket heard about one answer with the recorded turns, of which it must be one.
    ///
    /// The title is made beside the answer, so its place says nothing.
    #[track_caller]
    pub(super) fn check_turn(&self, heard: &[Heard]) {
        let about_messages = heard.iter().filter(|event| !event.message_id.is_empty()).map(label);
        let own = about_messages.filter(|label| !label.ends_with(" shared"));
        let told = in_order(own.map(|label| label.trim_start_matches("events ").to_owned()));
        let mut recorded = self.flow.own_turns.iter().map(|turn| in_order(turn.iter().cloned()));
        assert!(
            recorded.any(|turn| turn == told),
            "flow {}: no such turn was recorded: {told:#?}",
            self.flow.name
        );
    }

    /// Fails the test unless everything that the flow did, and that this server has, was done and was as recorded.
    #[track_caller]
    pub(super) fn finish(self) {
        let wrong = self.wrong.into_inner().unwrap();
        assert!(wrong.is_empty(), "flow {} departs from the contract: {wrong:#?}", self.flow.name);
        let (done, served) = (self.done.into_inner().unwrap(), self.served);
        let mut left = Vec::new();
        for step in &self.flow.steps {
            let step = &step[2..];
            let is_call = !step.starts_with(['<', '>']);
            let operation = step.rsplit_once(' ').map_or(step, |(operation, _)| operation);
            // Refusals are tested for all routes at once.
            let is_needless = is_call
                && (step.ends_with(" 401") || !served.contains(&anonymous(unmarked(operation))))
                || !is_call && exceptions::is_unheard(&step[2..])
                || step == "> heartbeat";
            if !is_needless && !done.contains(step) {
                left.push(step);
            }
        }
        assert!(left.is_empty(), "flow {} has more: {left:#?}", self.flow.name);
    }
}

/// Kinds of events without the title, equal neighbours taken together.
fn in_order(kinds: impl Iterator<Item = String>) -> Vec<String> {
    let mut kinds: Vec<String> = kinds.filter(|kind| kind != "chat:title").collect();
    kinds.dedup();
    kinds
}

/// The name of an event in the contract: event, type, and which form its data have.
pub(super) fn label(event: &Heard) -> String {
    let data = &event.data;
    let form = match (data["type"].as_str(), &data["active"]) {
        (Some(kind), _) if kind.contains('.') => kind.to_owned(),
        (_, Value::Bool(active)) => active.to_string(),
        _ => form(&event.kind, data).to_owned(),
    };
    let kind = if event.kind.is_empty() { String::new() } else { format!(" {}", event.kind) };
    let form = if form.is_empty() { form } else { format!("({form})") };
    let shared = if event.envelope["shared"] == true { " shared" } else { "" };
    format!("{}{kind}{form}{shared}", event.name)
}

fn form(kind: &str, data: &Value) -> &'static str {
    let told = ["done", "choices", "sources", "usage", "last_read_at"]
        .into_iter()
        .find(|name| data.get(name).is_some());
    let has_output = matches!(kind, "chat:completion" | "chat:tasks:cancel") && data.get("output").is_some();
    told.unwrap_or(if has_output { "output" } else { "" })
}
