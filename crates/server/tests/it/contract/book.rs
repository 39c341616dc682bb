//! The contract files.

use antiphon_api::openapi::{Shape, Shapes};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every call and event that was recorded, merged over all flows.
pub(super) struct Book {
    pub(super) calls: BTreeMap<String, Call>,
    /// Named shapes of the calls.
    pub(super) call_shapes: Shapes,
    /// What the server emits.
    pub(super) heard: BTreeMap<String, Shape>,
    /// What the client emits.
    pub(super) sent: BTreeMap<String, Shape>,
    /// Named shapes of the events.
    pub(super) event_shapes: Shapes,
}

/// What was recorded of one operation.
pub(super) struct Call {
    /// Roles that made the call, with ` refused` where it was refused.
    pub(super) access: Vec<String>,
    pub(super) query: Vec<String>,
    pub(super) request: Option<Shape>,
    /// By status.
    pub(super) answers: BTreeMap<String, Body>,
}

/// What an answer holds.
pub(super) enum Body {
    Json(Shape),
    /// Something of this media type; `nothing` for no body.
    Other(String),
}

/// One recorded flow: what happened, in order of first occurrence, and the order of events.
pub(super) struct Flow {
    pub(super) name: String,
    /// `A GET /path 200`, `A < event` (heard), `A > event` (sent)
    pub(super) steps: Vec<String>,
    /// Orders of the events of whole turns, told to the sockets of the user.
    pub(super) own_turns: Vec<Vec<String>>,
}

/// The folder of a contract file.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/compat")
}

fn read(name: &str) -> Value {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shape(notation: &Value) -> Shape {
    Shape::parse(notation).unwrap_or_else(|error| panic!("{error}"))
}

fn shapes(tree: &Value) -> BTreeMap<String, Shape> {
    tree.as_object().expect("shapes").iter().map(|(name, notation)| (name.clone(), shape(notation))).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().expect("a text").to_owned()).collect()
}

impl Book {
    pub(super) fn open() -> Self {
        let (http, events) = (read("contracts/http.json"), read("contracts/events.json"));
        let calls = http["calls"].as_object().expect("calls").iter();
        Self {
            calls: calls.map(|(name, call)| (name.clone(), Call::new(call))).collect(),
            call_shapes: shapes(&http["shapes"]),
            heard: shapes(&events["heard"]),
            sent: shapes(&events["sent"]),
            event_shapes: shapes(&events["shapes"]),
        }
    }
}

impl Call {
    fn new(call: &Value) -> Self {
        let fields = call.as_object().expect("a call").iter();
        let answers = fields.filter(|(name, _)| name.parse::<u16>().is_ok());
        Self {
            access: texts(&call["access"]),
            query: texts(&call["query"]),
            request: call.get("request").map(shape),
            answers: answers.map(|(status, body)| (status.clone(), Body::new(body))).collect(),
        }
    }
}

impl Body {
    fn new(notation: &Value) -> Self {
        let media_type = notation.as_str().and_then(|text| text.strip_prefix('<')?.strip_suffix('>'));
        media_type.map_or_else(|| Self::Json(shape(notation)), |name| Self::Other(name.to_owned()))
    }
}

impl Flow {
    pub(super) fn open(name: &str) -> Self {
        let flow = read(&format!("contracts/flows/{name}.json"));
        Self {
            name: name.to_owned(),
            steps: texts(&flow["steps"]),
            own_turns: flow["turns"]["own"].as_array().into_iter().flatten().map(texts).collect(),
        }
    }
}
