//! The plain OpenAI form, as API clients use it.

use crate::support::chat::start;
use crate::support::provider::{Fate, LIMIT, Provider};
use crate::support::script::{tokens, usage};
use crate::support::{Account, Place, Site, on_both};
use futures_util::StreamExt as _;
use reqwest::header::{self, HeaderName};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both!(
    a_whole_answer_is_passed_on,
    a_stream_is_passed_on_chunk_by_chunk,
    only_what_providers_understand_is_sent,
    errors_pass_through_with_status_and_body,
    trouble_in_the_middle_is_an_error_chunk,
    a_client_that_leaves_cuts_the_provider,
    api_keys_are_accepted,
    parameters_of_a_record_are_defaults,
    embeddings_are_passed_on,
    malformed_requests_are_refused,
);

fn form(question: &str) -> Value {
    json!({ "model": "mock", "messages": [{ "role": "user", "content": question }] })
}

fn streamed(question: &str) -> Value {
    let mut form = form(question);
    form["stream"] = json!(true);
    form
}

/// Posts a form and gives the response as it begins.
async fn begin(site: &Site, account: &Account, form: &Value) -> reqwest::Response {
    let request = reqwest::Client::new().post(format!("{}/api/chat/completions", site.base()));
    let request = request.header(header::CONTENT_TYPE, "application/json").bearer_auth(&account.token);
    request.body(form.to_string()).send().await.expect("an answer")
}

/// The data of the events of a stream.
fn events(text: &str) -> Vec<&str> {
    text.split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| event.strip_prefix("data: ").expect(event))
        .collect()
}

async fn a_whole_answer_is_passed_on(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    for path in ["/api/chat/completions", "/api/v1/chat/completions", "/openai/chat/completions"] {
        let answer = ada.post(path, form("hello")).await;
        assert_eq!(
            answer.expect(200),
            &json!({
                "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000, "model": "mock",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Echo: hello" }, "finish_reason": "stop" }],
                "usage": usage(),
            })
        );
    }
    assert_eq!(ada.get("/api/v1/chats/?page=1").await.expect(200), &json!([]), "nothing is stored");
    node.stop().await;
}

async fn a_stream_is_passed_on_chunk_by_chunk(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let response = begin(&node, &ada, &streamed("[[tokens=3 reasoning=1 tools usage hold=2]]")).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert!(response.headers().get("content-encoding").is_none());
    // What is there arrives while the rest is held back.
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("tok2") {
        let piece = tokio::time::timeout(LIMIT, stream.next()).await.expect("a piece").unwrap().unwrap();
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(!text.contains("tok3"));
    provider.release();
    while let Some(piece) = stream.next().await {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    let events = events(&text);
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let joined = |name: &str| -> String {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][name].as_str()).collect()
    };
    assert_eq!((joined("content"), joined("reasoning_content")), (tokens(3), "think1 ".to_owned()));
    let calls = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array()).count();
    assert_eq!(calls, 4);
    assert_eq!(chunks.last().unwrap()["usage"], usage());
    node.stop().await;
}

async fn only_what_providers_understand_is_sent(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let mut form = form("hello");
    for (name, value) in [
        ("temperature", json!(0.5)),
        ("anything_new", json!({ "deep": true })),
        ("params", json!({ "x": 1 })),
        ("variables", json!({})),
        ("features", json!({})),
        ("files", json!([])),
        ("background_tasks", json!({ "title_generation": true })),
        ("model_item", json!({})),
        ("parent_id", json!(null)),
    ] {
        form[name] = value;
    }
    ada.post("/api/chat/completions", form).await.expect(200);
    let expected = json!({
        "model": "mock", "messages": [{ "role": "user", "content": "hello" }], "temperature": 0.5,
        "anything_new": { "deep": true },
    });
    assert_eq!(provider.requests().len(), 1);
    assert_eq!(provider.request("hello").body, expected);
    node.stop().await;
}

async fn errors_pass_through_with_status_and_body(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("AIOHTTP_CLIENT_TIMEOUT", "1")]).await;
    let ada = node.sign_up("Ada").await;
    for status in [400, 401, 404, 429, 500, 503] {
        for form in [form(&format!("[[fail={status}]]")), streamed(&format!("[[fail={status}]]"))] {
            let answer = ada.post("/api/chat/completions", form).await;
            assert_eq!(answer.status, status);
            let message = format!("mock failure {status}");
            assert_eq!(
                answer.body,
                json!({ "error": { "message": message, "type": "mock_error", "code": status } })
            );
        }
    }
    assert!(ada.post("/api/chat/completions", form("[[silent]]")).await.expect_plain(504).contains("1 s"));
    ada.post("/api/chat/completions", form("[[html]]")).await.expect_plain(502);
    let mut unknown = form("hello");
    unknown["model"] = json!("no-such-model");
    assert_eq!(ada.post("/api/chat/completions", unknown).await.expect_plain(400), "Model not found");
    node.stop().await;
}

async fn trouble_in_the_middle_is_an_error_chunk(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT", "1")]).await;
    let ada = node.sign_up("Ada").await;
    for trouble in ["die=2", "end=2", "garbage=2", "hang=2"] {
        let response = begin(&node, &ada, &streamed(&format!("[[tokens=5 {trouble}]]"))).await;
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        let last = *events(&text).last().unwrap();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{trouble}: {last}"));
        assert!(!error["error"]["message"].as_str().unwrap().is_empty(), "{trouble}: {error}");
        assert!(text.contains("tok2") && !text.contains("[DONE]"), "{trouble}: {text}");
    }
    // An error that the provider itself reports is passed on as it is.
    let text = begin(&node, &ada, &streamed("[[tokens=5 error=2]]")).await.text().await.unwrap();
    assert!(text.contains("mock trouble inside"), "{text}");
    node.stop().await;
}

async fn a_client_that_leaves_cuts_the_provider(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let mut stream = begin(&node, &ada, &streamed("[[tokens=5 hang=2]]")).await.bytes_stream();
    stream.next().await.unwrap().unwrap();
    let began = Instant::now();
    drop(stream);
    assert_eq!(provider.fate("[[tokens=5 hang=2]]").await, Fate::Cut);
    // Before the first word, in both forms.
    for (question, form) in
        [("[[silent]] a", form("[[silent]] a")), ("[[silent]] b", streamed("[[silent]] b"))]
    {
        let waiting = tokio::spawn({
            let (url, token) = (format!("{}/api/chat/completions", node.base()), ada.token.clone());
            async move {
                let request = reqwest::Client::new().post(url).bearer_auth(token);
                let request = request.header(header::CONTENT_TYPE, "application/json").body(form.to_string());
                request.send().await.map(drop)
            }
        });
        provider.asked(question).await;
        waiting.abort();
        assert_eq!(provider.fate(question).await, Fate::Cut);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    node.stop().await;
}

async fn api_keys_are_accepted(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_API_KEYS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let key = ada.post("/api/v1/auths/api_key", json!({})).await.expect(200)["api_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_bearer = node.client().with_token(&key);
    let by_header = node.client().with_header(HeaderName::from_static("x-api-key"), &key);
    for client in [by_bearer, by_header] {
        let answer = client.post("/api/chat/completions", form("hello")).await;
        assert_eq!(answer.expect(200)["choices"][0]["message"]["content"], "Echo: hello");
        assert_eq!(client.get("/api/models").await.expect(200)["data"].as_array().unwrap().len(), 2);
    }
    let wrong = node.client().with_token("sk-wrong").post("/api/chat/completions", form("hello")).await;
    wrong.expect_plain(401);
    node.client().post("/api/chat/completions", form("hello")).await.expect_plain(401);
    node.stop().await;
}

async fn parameters_of_a_record_are_defaults(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let params = json!({ "system": "Be brief.", "temperature": 0.1, "seed": 1, "function_calling": "native", "custom_params": { "top_a": 2 } });
    ada.post("/api/v1/models/create", json!({ "id": "mock", "name": "Mock", "params": params }))
        .await
        .expect(200);
    let mut asked = form("hello");
    asked["seed"] = json!(5);
    ada.post("/api/chat/completions", asked).await.expect(200);
    let expected = json!({
        "model": "mock", "temperature": 0.1, "seed": 5, "top_a": 2,
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "hello" }],
    });
    assert_eq!(provider.request("hello").body, expected);
    node.stop().await;
}

async fn embeddings_are_passed_on(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    for path in ["/api/embeddings", "/api/v1/embeddings", "/openai/embeddings"] {
        let answer = ada.post(path, json!({ "model": "mock", "input": "text" })).await;
        assert_eq!(answer.expect(200)["data"][0]["embedding"], json!([0.5, -0.25]));
    }
    for form in [json!({}), json!({ "model": 7 }), json!({ "model": "unknown", "input": "x" })] {
        ada.post("/api/embeddings", form).await.expect_plain(400);
    }
    node.stop().await;
}

async fn malformed_requests_are_refused(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    for form in [
        json!([]),
        json!({}),
        json!({ "model": "mock" }),
        json!({ "model": 7, "messages": [] }),
        json!({ "model": "mock", "messages": "hello" }),
        json!({ "model": "mock", "messages": {} }),
        json!({ "model": "mock", "messages": [], "stream": "yes" }),
        json!({ "model": "x".repeat(1000), "messages": [] }),
        json!({ "model": "mock", "messages": [], "session_id": 7 }),
        json!({ "model": "mock", "messages": [], "message_ids": [{ "model_id": 1 }] }),
        json!({ "model": "mock", "messages": [], "background_tasks": [] }),
    ] {
        let answer = ada.post("/api/chat/completions", form.clone()).await;
        assert_eq!(answer.status, 422, "{form} -> {}", answer.body);
    }
    assert!(provider.requests().is_empty());
    node.stop().await;
}
