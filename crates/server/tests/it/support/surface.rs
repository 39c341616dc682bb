//! What the server says about its own surface, compared with every answer that a test gets.

use super::Answer;
use super::faults::faults;
use antiphon_api::openapi::{Body, Operation, Surface};
use reqwest::{Method, header};
use std::sync::LazyLock;

static SURFACE: LazyLock<Surface> =
    LazyLock::new(|| Surface::read().unwrap_or_else(|error| panic!("the descriptions: {error}")));

/// Whether a path is one of those that a route has, with its captures or without the slash at its end.
fn fits(template: &str, path: &str) -> Option<usize> {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let template = if template.len() > 1 { template.trim_end_matches('/') } else { template };
    if let Some((before, _)) = template.split_once("{*") {
        return path.starts_with(before).then_some(1);
    }
    let (expected, found) = (template.split('/'), path.split('/'));
    if expected.clone().count() != found.clone().count() {
        return None;
    }
    let mut captures = 0;
    for (expected, found) in expected.zip(found) {
        match expected.starts_with('{') {
            true if !found.is_empty() => captures += 1,
            false if expected == found => {}
            _ => return None,
        }
    }
    Some(captures)
}

/// The operation that answers a request, if a route does. The path is looked for first, as the router does.
fn operation(method: &Method, path: &str) -> Option<&'static Operation> {
    let operations = SURFACE.operations.iter();
    let fitting = operations.filter_map(|operation| Some((fits(operation.path, path)?, operation)));
    let is_other = |operation: &Operation| operation.method != *method;
    let best = fitting.min_by_key(|(captures, operation)| (*captures, is_other(operation)));
    best.map(|(_, operation)| operation).filter(|operation| !is_other(operation))
}

/// Fails the test where an answer is not as the document says.
#[track_caller]
pub(super) fn check(method: &Method, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(operation) = operation(method, path) else { return };
    let (name, status) = (operation.name(), answer.status);
    // A path of the reference's surface that is kept free, though a capture of the route would fit it.
    if status == 404 && answer.body["detail"] == "Not Found" {
        return;
    }
    let Some(body) = operation.answers.get(&status) else {
        let shown = String::from_utf8_lossy(&answer.bytes);
        assert!(operation.passes_on, "{name} is not described to answer {status}: {shown}");
        return;
    };
    let media_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match body {
        Body::Json(shape) => {
            let found = faults(shape, &SURFACE.shapes, &answer.body, &status.to_string());
            assert!(found.is_empty(), "{name} is not as described: {found:#?}\nin {:#}", answer.body);
        }
        Body::Refusal if operation.passes_on => {}
        Body::Refusal => {
            let detail = &answer.body["detail"];
            assert!(
                detail.is_string() || detail.is_array(),
                "{name}: {status} without a detail: {}",
                answer.body
            );
        }
        Body::Media(types) => {
            let kind = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
            let is_described = types.iter().any(|known| match known.strip_suffix('*') {
                Some("*/") => true,
                Some(family) => kind.starts_with(family),
                None => known == kind,
            });
            assert!(is_described, "{name} answers {kind:?}, not one of {types:?}");
        }
        Body::Nothing => assert!(answer.bytes.is_empty(), "{name}: {status} with a body"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderValue};
    use serde_json::{Value, json};

    fn answer(status: u16, body: Value) -> Answer {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Answer { status, headers, bytes: body.to_string().into_bytes(), body }
    }

    #[test]
    fn operations_are_found_as_the_router_finds_them() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/chats", Some("GET /api/v1/chats/")),
            (Method::GET, "/api/v1/chats/pinned", Some("GET /api/v1/chats/pinned")),
            (Method::GET, "/api/v1/chats/a", Some("GET /api/v1/chats/{id}")),
            (Method::POST, "/api/v1/chats/pinned", None),
            (Method::GET, "/cache/a/b.png", Some("GET /cache/{*path}")),
            (Method::GET, "/auth", None),
        ] {
            let found = operation(&method, path).map(Operation::name);
            assert_eq!(found.as_deref(), expected, "{method} {path}");
        }
    }

    #[test]
    fn what_is_described_passes() {
        check(&Method::GET, "/health", &answer(200, json!({ "status": true, "more": 1 })));
        check(&Method::GET, "/api/v1/users/x?a=b", &answer(400, json!({ "detail": "unknown" })));
    }

    #[test]
    #[should_panic(expected = "200.status is missing")]
    fn another_shape_fails() {
        check(&Method::GET, "/health", &answer(200, json!({ "state": "fine" })));
    }

    #[test]
    #[should_panic(expected = "is not described to answer 418")]
    fn another_status_fails() {
        check(&Method::GET, "/health", &answer(418, json!({ "detail": "tea" })));
    }
}
