//! The routes on a model of random numbers.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::engine::CHAT_QUEUE;
use crate::engine::tests::{engine_with, small_chat_model};

const PATIENCE: Duration = Duration::from_mins(1);

fn router(token: Option<&str>) -> Router {
    Service::new(engine_with(|| Ok(small_chat_model())), token.map(str::to_owned)).router()
}

fn post(path: &str, body: impl Into<Body>) -> Request {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

fn chat(body: &Value) -> Request {
    let mut whole = json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 6, "seed": 3 });
    for (key, value) in body.as_object().unwrap() {
        whole[key] = value.clone();
    }
    post("/v1/chat/completions", whole.to_string())
}

async fn send(router: &Router, request: Request) -> (StatusCode, String) {
    let response = tokio::time::timeout(PATIENCE, router.clone().oneshot(request)).await.unwrap().unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn send_json(router: &Router, request: Request) -> (u16, Value) {
    let (status, text) = send(router, request).await;
    (status.as_u16(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
}

/// The `data:` lines of a stream of events; anything else than data and comments fails.
fn data_lines(stream: &str) -> Vec<&str> {
    stream
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(':'))
        .map(|line| line.strip_prefix("data: ").unwrap_or_else(|| panic!("odd line {line}")))
        .collect()
}

#[tokio::test]
async fn the_models_are_listed() {
    let router = router(None);
    let (status, body) = send_json(&router, Request::get("/v1/models").body(Body::empty()).unwrap()).await;
    assert_eq!((status, body["object"].as_str()), (200, Some("list")));
    let ids: Vec<_> =
        body["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["smollm2-135m-instruct", "all-minilm-l6-v2"]);
    assert_eq!(body["data"][0]["name"], "SmolLM2 135M (demonstration)");
    let one = Request::get("/v1/models/all-minilm-l6-v2").body(Body::empty()).unwrap();
    assert_eq!(send_json(&router, one).await.1["type"], "embedding");
    let none = Request::get("/v1/models/gpt-9").body(Body::empty()).unwrap();
    assert_eq!(send_json(&router, none).await.1["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn a_whole_answer_has_the_known_form() {
    let (status, body) = send_json(&router(None), chat(&json!({ "model": models::CHAT_MODEL }))).await;
    assert_eq!((status, body["object"].as_str()), (200, Some("chat.completion")));
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(body["choices"][0]["message"]["role"], "assistant");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 6);
    let prompt = body["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(body["usage"]["total_tokens"], prompt + 6);
}

#[tokio::test]
async fn a_stream_has_the_known_form_and_the_text_of_the_whole() {
    let router = router(None);
    let whole = send_json(&router, chat(&json!({}))).await.1;
    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let (_, stream) = send(&router, chat(&options)).await;
    let lines = data_lines(&stream);
    assert_eq!(lines.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        lines[..lines.len() - 1].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!((&chunk["id"], &chunk["created"]), (&chunks[0]["id"], &chunks[0]["created"]));
    }
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, whole["choices"][0]["message"]["content"]);
    let [.., last, usage] = chunks.as_slice() else { panic!("{stream}") };
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);

    let (_, stream) = send(&router, chat(&json!({ "stream": true }))).await;
    assert!(!stream.contains("usage"), "{stream}");
}

#[tokio::test]
async fn bad_requests_get_the_right_status_and_code() {
    let router = router(None);
    let too_large = format!("{{\"messages\": \"{}\"}}", "x".repeat(BODY_LIMIT));
    for (request, status, code) in [
        (post("/v1/chat/completions", "{"), 400, "invalid_request"),
        (post("/v1/chat/completions", "[]"), 400, "invalid_request"),
        (post("/v1/chat/completions", "{\"messages\": 3}"), 400, "invalid_request"),
        (post("/v1/chat/completions", vec![0xff, 0xfe]), 400, "invalid_request"),
        (post("/v1/chat/completions", too_large), 413, "request_too_large"),
        (chat(&json!({ "messages": [] })), 400, "invalid_request"),
        (chat(&json!({ "model": "gpt-9" })), 404, "model_not_found"),
        (chat(&json!({ "model": models::EMBEDDING_MODEL })), 404, "model_not_found"),
        (chat(&json!({ "temperature": 9 })), 400, "invalid_request"),
        (
            chat(&json!({ "messages": [{ "role": "user", "content": "x ".repeat(2_000) }], "stream": true })),
            400,
            "context_length_exceeded",
        ),
        (post("/v1/embeddings", "{\"input\": []}"), 400, "invalid_request"),
        (post("/v1/embeddings", "{\"input\": \"a\"}"), 503, "model_not_installed"),
        (post("/v1/nothing", "{}"), 404, "unknown_route"),
        (
            Request::builder()
                .method(Method::DELETE)
                .uri("/v1/chat/completions")
                .body(Body::empty())
                .unwrap(),
            404,
            "unknown_route",
        ),
    ] {
        let asked = format!("{} {}", request.method(), request.uri());
        let (seen, body) = send_json(&router, request).await;
        assert_eq!((seen, body["error"]["code"].as_str()), (status, Some(code)), "{asked}: {body}");
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
        assert!(body["error"]["type"].is_string());
    }
}

#[tokio::test]
async fn the_token_is_asked_for_everywhere_but_at_the_health_check() {
    let router = router(Some("secret"));
    let models = |token: Option<&str>| {
        let request = Request::get("/v1/models");
        let request = match token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        };
        request.body(Body::empty()).unwrap()
    };
    for wrong in
        [None, Some("secret"), Some("Bearer"), Some("Bearer "), Some("Bearer secret2"), Some("Bearer secre")]
    {
        let (status, body) = send_json(&router, models(wrong)).await;
        assert_eq!((status, body["error"]["code"].as_str()), (401, Some("invalid_api_key")), "{wrong:?}");
    }
    assert_eq!(send(&router, models(Some("Bearer secret"))).await.0, StatusCode::OK);
    assert_eq!(send(&router, chat(&json!({}))).await.0, StatusCode::UNAUTHORIZED);
    let (status, body) = send_json(&router, Request::get("/health").body(Body::empty()).unwrap()).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("ok")));
    assert_eq!(body["engine"]["chat"], "not_installed");
    let service = Service::new(engine_with(|| Ok(small_chat_model())), Some("secret".into()));
    assert!(!format!("{service:?}").contains("secret"));
}

#[tokio::test]
async fn a_busy_model_says_when_to_come_again() {
    let (release, wait) = std_mpsc::channel::<()>();
    let (loading, started) = std_mpsc::channel::<()>();
    let (wait, loading) = (Mutex::new(wait), Mutex::new(loading));
    let engine = engine_with(move || {
        loading.lock().send(()).unwrap();
        wait.lock().recv_timeout(PATIENCE).unwrap();
        Ok(small_chat_model())
    });
    let service = Service::new(engine, None);
    let (engine, router) = (service.engine.clone(), service.router());
    let mut answers = tokio::task::JoinSet::new();
    let first = router.clone();
    answers.spawn(async move { send(&first, chat(&json!({}))).await.0 });
    tokio::task::spawn_blocking(move || started.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    for waiting in 1..=CHAT_QUEUE {
        let router = router.clone();
        answers.spawn(async move { send(&router, chat(&json!({ "stream": true }))).await.0 });
        while engine.status().chat_waiting < waiting {
            tokio::task::yield_now().await;
        }
    }
    let response = router.oneshot(chat(&json!({}))).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    release.send(()).unwrap();
    while let Some(status) = tokio::time::timeout(PATIENCE, answers.join_next()).await.unwrap() {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
}
