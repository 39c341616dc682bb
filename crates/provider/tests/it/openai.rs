//! Well-behaved OpenAI-compatible services.

use crate::upstream::{DONE, FINISH, delta, events, pieces, raw, read_request, serve};
use crate::*;
use antiphon_provider::{ConnectionKind, ForwardHeaders, Requester, TextRequest};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A service that streams "Hello wörld" and remembers what it was sent.
async fn mock() -> (String, Seen) {
    let seen = Seen::default();
    let remember = Arc::clone(&seen);
    let chat = move |headers: HeaderMap, Json(body): Json<Value>| async move {
        let stream = body["stream"] == true;
        remember.lock().unwrap().push((headers, body));
        if stream {
            let text = [": hello\n\n", &delta("Hello "), &delta("w\u{f6}rld"), FINISH, DONE].concat();
            // Cut inside of the two bytes of a character, too.
            let cut = text.find('\u{f6}').unwrap() + 1;
            let bytes = text.as_bytes();
            pieces(
                "text/event-stream; charset=utf-8",
                vec![bytes[..20].to_vec(), bytes[20..cut].to_vec(), bytes[cut..].to_vec()],
            )
        } else {
            axum::response::IntoResponse::into_response(Json(json!({"id": "c", "object": "chat.completion",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>hm</think>\n Whole "}}]})))
        }
    };
    let list =
        json!({"object": "list", "data": [{"id": "a", "object": "model", "created": 5, "owned_by": "mock"}]});
    let router = Router::new()
        .route("/models", get(move || async move { Json(list) }))
        .route("/chat/completions", post(chat))
        .route(
            "/embeddings",
            post(|Json(body): Json<Value>| async move {
                Json(json!({"object": "list", "data": [{"embedding": "AAAA"}], "model": body["model"]}))
            }),
        );
    (serve(router).await, seen)
}

#[tokio::test]
async fn a_reply_is_streamed_unchanged() {
    let (base, seen) = mock().await;
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    providers.replace(vec![Connection::openai(0, &base, "sk-1", config(json!({"prefix_id": "p"})))]);
    let (chunks, error) = collect(stream(&providers, "p.a").await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&chunks), "Hello w\u{f6}rld");
    let expected: Vec<String> = [delta("Hello "), delta("w\u{f6}rld"), FINISH.to_owned()]
        .iter()
        .map(|event| event.trim_start_matches("data: ").trim_end().to_owned())
        .collect();
    let raw: Vec<String> =
        chunks.into_iter().map(|chunk| String::from_utf8(chunk.into_raw().to_vec()).unwrap()).collect();
    assert_eq!(raw, expected);

    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer sk-1");
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.keys().any(|name| name.as_str().starts_with("x-openwebui")));
    assert_eq!(body["model"], "a", "the prefix is stripped");
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Hi"}]));
}

#[tokio::test]
async fn a_whole_reply_is_one_object() {
    let (base, _) = mock().await;
    let Reply::Whole(reply) = chat(&one_openai(&base), "m", false).await.unwrap() else { panic!("a stream") };
    assert_eq!(reply["object"], "chat.completion");
}

#[tokio::test]
async fn the_form_of_the_answer_counts_not_the_form_that_was_asked_for() {
    let router = Router::new().route(
        "/chat/completions",
        post(|Json(body): Json<Value>| async move {
            use axum::response::IntoResponse;
            if body["stream"] == true {
                Json(json!({"choices": [{"message": {"content": "whole"}}]})).into_response()
            } else {
                events([&delta("streamed"), FINISH, DONE].concat())
            }
        }),
    );
    let providers = one_openai(&serve(router).await);
    assert!(matches!(chat(&providers, "m", true).await.unwrap(), Reply::Whole(_)));
    let Reply::Stream(stream) = chat(&providers, "m", false).await.unwrap() else { panic!("a whole reply") };
    assert_eq!(text(&collect(stream).await.0), "streamed");
    let request = TextRequest::of_prompt("m", "Name it");
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    assert_eq!(bounded(providers.complete_text(request, &context, &cancel)).await.unwrap(), "streamed");
}

#[tokio::test]
async fn usage_reasoning_and_tool_calls_pass_through() {
    let body = [
        r#"data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#,
        r#"data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"data: {"choices":[],"usage":{"total_tokens":7}}"#,
        "data: [DONE]",
        r#"data: {"choices":[{"delta":{"content":"after the end"}}]}"#,
        "",
    ]
    .join("\r\n\r\n");
    let router = Router::new().route("/chat/completions", post(move || async move { events(body) }));
    let (chunks, error) = collect(stream(&one_openai(&serve(router).await), "m").await).await;
    assert!(error.is_none(), "{error:?}");
    let deltas: Vec<_> = chunks.iter().map(Chunk::delta).collect();
    assert_eq!(deltas.len(), 4);
    assert_eq!(deltas[0].reasoning, Some("hm"));
    assert_eq!(deltas[1].tool_calls, Some(r#"[{"index":0,"function":{"arguments":"{"}}]"#));
    assert_eq!(deltas[2].finish_reason, Some("tool_calls"));
    assert_eq!(deltas[3].usage, Some(r#"{"total_tokens":7}"#));
}

#[tokio::test]
async fn a_stream_may_end_after_its_finish_reason() {
    let router = Router::new()
        .route("/chat/completions", post(|| async { events([&delta("all"), FINISH.trim_end()].concat()) }));
    let (chunks, error) = collect(stream(&one_openai(&serve(router).await), "m").await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&chunks), "all");
}

#[tokio::test]
async fn embeddings_pass_through() {
    let (base, _) = mock().await;
    let providers = one_openai(&base);
    let body = json!({"input": "x", "encoding_format": "base64"}).as_object().cloned().unwrap();
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let answer = bounded(providers.embeddings("m", body, &context, &cancel)).await.unwrap();
    assert_eq!(answer, json!({"object": "list", "data": [{"embedding": "AAAA"}], "model": "m"}));
}

#[tokio::test]
async fn short_texts_come_without_thoughts() {
    let (base, seen) = mock().await;
    let request = TextRequest { max_tokens: Some(50), ..TextRequest::of_prompt("m", "Name it") };
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let text = bounded(one_openai(&base).complete_text(request, &context, &cancel)).await.unwrap();
    assert_eq!(text, "Whole");
    assert_eq!(seen.lock().unwrap()[0].1["max_tokens"], 50);
}

#[tokio::test]
async fn the_user_is_named_when_forwarding_is_on() {
    let (base, seen) = mock().await;
    let options =
        ProviderOptions { forward_headers: Some(ForwardHeaders::default()), ..ProviderOptions::default() };
    let context = RequestContext {
        user: Some(Requester { id: "u1".into(), name: "Zo\u{eb}".into(), ..Requester::default() }),
        chat_id: Some("c1".into()),
        ..RequestContext::default()
    };
    let cancel = CancellationToken::new();
    bounded(with_options(options, &base).chat("m", request(false), &context, &cancel)).await.unwrap();
    let headers = &seen.lock().unwrap()[0].0;
    assert_eq!(headers["x-openwebui-user-id"], "u1");
    assert_eq!(headers["x-openwebui-user-name"], "Zo%C3%AB");
    assert_eq!(headers["x-openwebui-chat-id"], "c1");
}

#[tokio::test]
async fn a_connection_is_tried_out_and_read_as_it_is() {
    let (base, _) = mock().await;
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    let connection = Connection::openai(7, &base, "", ConnectionConfig::default());
    let expected =
        json!({"object": "list", "data": [{"id": "a", "object": "model", "created": 5, "owned_by": "mock"}]});
    assert_eq!(bounded(providers.verify(&connection)).await.unwrap(), expected);
    assert!(bounded(providers.upstream_models(ConnectionKind::OpenAi, 7)).await.is_none());
    providers.replace(vec![connection]);
    assert_eq!(
        bounded(providers.upstream_models(ConnectionKind::OpenAi, 7)).await.unwrap().unwrap(),
        expected
    );
    assert!(bounded(providers.upstream_models(ConnectionKind::Ollama, 7)).await.is_none());
}

#[tokio::test]
async fn connections_are_used_again_after_the_end_mark() {
    let upstream = raw(|mut stream| async move {
        while read_request(&mut stream).await {
            let body = [&delta("x"), FINISH, DONE].concat();
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let answer = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let providers = one_openai(&upstream.base);
    for _ in 0..20 {
        assert_eq!(text(&collect(stream(&providers, "m").await).await.0), "x");
    }
    // A connection goes back to the pool a moment after its reply ended, so a few more than one may be needed.
    assert!(upstream.connections() <= 10, "{} connections for 20 replies", upstream.connections());
}
