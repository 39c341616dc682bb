//! Ollama, translated to the OpenAI forms.

use crate::upstream::{pieces, serve};
use crate::*;
use antiphon_provider::ConnectionKind;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<Value>>>;

/// An Ollama whose `/api/chat` answers by the model's name.
async fn ollama() -> (String, Seen) {
    let seen = Seen::default();
    let remember = Arc::clone(&seen);
    let chat = move |Json(body): Json<Value>| async move {
        let answer = answer(&body);
        remember.lock().unwrap().push(body);
        answer
    };
    let names = ["llama3:8b", "calls", "dies", "fails", "garbage", "absent"];
    let tags: Vec<Value> = names.iter().map(|name| json!({"name": name, "model": name})).collect();
    let router = Router::new()
        .route("/api/tags", get(move || async move { Json(json!({"models": tags})) }))
        .route("/api/version", get(|| async { Json(json!({"version": "0.9.1"})) }))
        .route("/api/chat", post(chat))
        .route(
            "/api/embed",
            post(|Json(body): Json<Value>| async move {
                Json(json!({"model": body["model"], "embeddings": [[0.5, 1.0]], "prompt_eval_count": 2}))
            }),
        );
    let base = serve(router).await;
    (base.trim_end_matches("/v1").to_owned(), seen)
}

fn answer(body: &Value) -> Response {
    let line = |message: Value| {
        json!({"model": body["model"], "created_at": "2024-05-01T10:00:00.5Z",
        "message": message, "done": false})
    };
    let last = json!({"model": body["model"], "created_at": "2024-05-01T10:00:01Z", "done": true,
        "message": {"role": "assistant", "content": ""}, "done_reason": "length",
        "prompt_eval_count": 3, "eval_count": 4, "eval_duration": 1_000_000_000});
    let lines = match body["model"].as_str().unwrap() {
        "absent" => {
            return (StatusCode::NOT_FOUND, Json(json!({"error": "model 'absent' not found"})))
                .into_response();
        }
        _ if body["stream"] == false => {
            let mut whole = last;
            whole["message"]["content"] = "Whole".into();
            return Json(whole).into_response();
        }
        "calls" => vec![
            line(
                json!({"content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}),
            ),
            line(json!({"content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]})),
            last,
        ],
        "dies" => vec![line(json!({"content": "so far"}))],
        "fails" => vec![line(json!({"content": "so far"})), json!({"error": "out of memory"})],
        "garbage" => vec![line(json!({"content": "so far"})), json!(["what"])],
        _ => vec![
            line(json!({"role": "assistant", "content": "", "thinking": "hm"})),
            line(json!({"role": "assistant", "content": "H\u{e9}l"})),
            line(json!({"role": "assistant", "content": "lo"})),
            last,
        ],
    };
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.push(String::new());
    let text = lines.join("\n");
    // Cut everywhere, also within characters and lines.
    pieces("application/x-ndjson", text.as_bytes().chunks(7).map(<[u8]>::to_vec).collect())
}

async fn providers() -> (Providers, Seen) {
    let (base, seen) = ollama().await;
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    providers.replace(vec![Connection::ollama(0, &base, "", config(json!({"prefix_id": "lab"})))]);
    (providers, seen)
}

#[tokio::test]
async fn models_are_listed_in_the_shape_that_clients_expect() {
    let (providers, _) = providers().await;
    assert_eq!(ids(&providers, Freshness::Cached).await[0], "lab.llama3:8b");
    let model = serde_json::to_value(&*providers.model("lab.llama3:8b").unwrap()).unwrap();
    assert_eq!(model["owned_by"], "ollama");
    assert_eq!(model["ollama"]["urls"], json!([0]));
    assert_eq!(model.get("openai"), None);
}

#[tokio::test]
async fn a_stream_becomes_chunks() {
    let (providers, seen) = providers().await;
    let (chunks, error) = collect(stream(&providers, "lab.llama3:8b").await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&chunks), "H\u{e9}llo");
    assert_eq!(chunks[0].delta().reasoning, Some("hm"));
    let first: Value = serde_json::from_slice(chunks[0].raw()).unwrap();
    assert_eq!(first["object"], "chat.completion.chunk");
    assert_eq!((&first["model"], &first["created"]), (&json!("llama3:8b"), &json!(1_714_557_600)));
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "reasoning_content": "hm"}));
    let last = chunks.last().unwrap();
    assert_eq!(last.delta().finish_reason, Some("length"));
    let usage: Value = serde_json::from_str(last.delta().usage.unwrap()).unwrap();
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"]),
        (&json!(3), &json!(4), &json!(7))
    );
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen[0],
        json!({"model": "llama3:8b", "stream": true, "messages": [{"role": "user", "content": "Hi"}]})
    );
}

#[tokio::test]
async fn tool_calls_are_numbered_and_named() {
    let (providers, _) = providers().await;
    let (chunks, error) = collect(stream(&providers, "lab.calls").await).await;
    assert!(error.is_none(), "{error:?}");
    let calls: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| chunk.delta().tool_calls)
        .map(|calls| serde_json::from_str(calls).unwrap())
        .collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0][0]["function"], json!({"name": "add", "arguments": "{\"a\":1}"}));
    assert_eq!((&calls[0][0]["index"], &calls[1][0]["index"]), (&json!(0), &json!(1)));
    assert_ne!(calls[0][0]["id"], calls[1][0]["id"]);
    assert_eq!(chunks.last().unwrap().delta().finish_reason, Some("tool_calls"));
}

#[tokio::test]
async fn a_whole_reply_becomes_a_completion() {
    let (providers, _) = providers().await;
    let Reply::Whole(reply) = chat(&providers, "lab.llama3:8b", false).await.unwrap() else {
        panic!("a stream")
    };
    assert_eq!(reply["object"], "chat.completion");
    assert_eq!(reply["choices"][0]["message"], json!({"role": "assistant", "content": "Whole"}));
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn failures_keep_the_text_before_them() {
    let (providers, _) = providers().await;
    for (model, kind) in [("lab.dies", "truncated"), ("lab.garbage", "malformed")] {
        let (chunks, error) = collect(stream(&providers, model).await).await;
        assert_eq!((text(&chunks).as_str(), error.unwrap().kind()), ("so far", kind));
    }
    let (chunks, error) = collect(stream(&providers, "lab.fails").await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&chunks), "so far");
    assert_eq!(chunks.last().unwrap().delta().error, Some(r#""out of memory""#));
}

#[tokio::test]
async fn the_words_of_an_error_status_are_kept() {
    let (providers, _) = providers().await;
    let error = chat(&providers, "lab.absent", true).await.unwrap_err();
    assert!(error.user_message().contains("model 'absent' not found"), "{error}");
    assert_eq!(error.upstream_answer().unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn embeddings_come_in_the_openai_form() {
    let (providers, _) = providers().await;
    let body = json!({"input": ["x"]}).as_object().cloned().unwrap();
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let answer = bounded(providers.embeddings("lab.llama3:8b", body, &context, &cancel)).await.unwrap();
    assert_eq!(answer["data"], json!([{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}]));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
}

#[tokio::test]
async fn the_version_and_the_list_are_read_as_they_are() {
    let (providers, _) = providers().await;
    assert_eq!(bounded(providers.ollama_version(0)).await.unwrap().unwrap(), json!({"version": "0.9.1"}));
    assert!(bounded(providers.ollama_version(1)).await.is_none());
    let list = bounded(providers.upstream_models(ConnectionKind::Ollama, 0)).await.unwrap().unwrap();
    assert_eq!(list["models"][0], json!({"name": "llama3:8b", "model": "llama3:8b"}));
}

#[tokio::test]
async fn equal_models_on_several_machines_share_the_load() {
    let ((one, seen_one), (two, seen_two)) = (ollama().await, ollama().await);
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    let connection = |index, base: &str| Connection::ollama(index, base, "", ConnectionConfig::default());
    providers.replace(vec![connection(0, &one), connection(1, &two)]);
    bounded(async {
        while providers
            .model("calls")
            .is_none_or(|model| model.ollama.as_ref().unwrap()["urls"] != json!([0, 1]))
        {
            providers.models(Freshness::Renewed).await;
        }
    })
    .await;
    for _ in 0..4 {
        chat(&providers, "llama3:8b", false).await.unwrap();
    }
    assert_eq!((seen_one.lock().unwrap().len(), seen_two.lock().unwrap().len()), (2, 2));
}

#[tokio::test]
async fn a_failing_machine_is_passed_over_for_a_while() {
    let (good, seen) = ollama().await;
    let (other, seen_by_other) = ollama().await;
    // The first lists the model, too, but lets no chat through.
    let gate = Router::new()
        .route(
            "/api/tags",
            get(|| async { Json(json!({"models": [{"name": "llama3:8b", "model": "llama3:8b"}]})) }),
        )
        .fallback(|| async { StatusCode::BAD_GATEWAY });
    let gate = serve(gate).await;
    let connection = |index, base: &str| Connection::ollama(index, base, "", ConnectionConfig::default());
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    providers.replace(vec![
        connection(0, gate.trim_end_matches("/v1")),
        connection(1, &good),
        connection(2, &other),
    ]);
    bounded(async {
        while providers.statuses().iter().any(|status| status.models == 0) {
            providers.models(Freshness::Renewed).await;
        }
    })
    .await;
    let mut refused = 0;
    for _ in 0..9 {
        refused += usize::from(chat(&providers, "llama3:8b", false).await.is_err());
    }
    assert_eq!(refused, 1);
    assert_eq!(seen.lock().unwrap().len() + seen_by_other.lock().unwrap().len(), 8);
}
