//! Services that fail in every way that services fail.

use crate::upstream::{
    DONE, FINISH, begin_stream, dead_port, delta, events, raw, read_request, serve, write_piece,
};
use crate::*;
use antiphon_provider::options::LINE_LIMIT;
use antiphon_provider::{TextRequest, TimeBound, UnreachableCause};
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::time::Instant;
use tokio::io::AsyncWriteExt;

/// What a service answers to every chat request.
async fn answering<F>(answer: F) -> Providers
where
    F: Fn() -> Response + Clone + Send + Sync + 'static,
{
    let router = Router::new().route("/chat/completions", post(move || async move { answer() }));
    one_openai(&serve(router).await)
}

/// Every error must hold a sentence for both readers, and no key.
fn check_words(error: &ProviderError) {
    for text in [error.user_message(), error.operator_message(), format!("{error:?}")] {
        assert!(text.len() > 10, "{text:?}");
        assert!(!text.contains("sk-test-key"), "{text}");
    }
    assert!(!error.user_message().contains("127.0.0.1"), "{}", error.user_message());
}

async fn failure(providers: &Providers) -> ProviderError {
    let error = chat(providers, "m", true).await.unwrap_err();
    check_words(&error);
    error
}

/// The text before the failure, and the failure.
async fn broken_stream(providers: &Providers) -> (String, ProviderError) {
    let (chunks, error) = collect(stream(providers, "m").await).await;
    let error = error.expect("an error");
    check_words(&error);
    (text(&chunks), error)
}

#[tokio::test]
async fn error_statuses_pass_through_as_they_are() {
    let long = r#"{"error":{"message":"Incorrect API key provided: sk-test-key.","type":"x"}}"#;
    for (status, content_type, body, words) in [
        (401, "application/json", long, "Incorrect API key provided: ***."),
        (429, "application/json", r#"{"error":{"message":"Slow down"}}"#, "Slow down"),
        (500, "application/json", r#"{"detail":"boom"}"#, "boom"),
        (502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (503, "text/plain", "", "Service Unavailable"),
        (400, "application/json", r#"{"error":"context too long"}"#, "context too long"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let providers =
            answering(move || (status, [("content-type", content_type)], body).into_response()).await;
        let error = failure(&providers).await;
        let ProviderError::Status { message, .. } = &error else { panic!("{error:?}") };
        assert_eq!(message, words);
        let answer = error.upstream_answer().unwrap();
        assert_eq!((answer.status, answer.content_type), (status, content_type));
        assert_eq!(answer.body, &body.replace("sk-test-key", "***"));
    }
}

#[tokio::test]
async fn large_error_bodies_are_cut() {
    let providers = answering(|| (StatusCode::BAD_REQUEST, "x".repeat(1_000_000)).into_response()).await;
    let error = failure(&providers).await;
    assert_eq!(error.upstream_answer().unwrap().body.len(), antiphon_provider::options::ERROR_BODY_LIMIT);
    assert!(error.user_message().len() < 5000);
}

#[tokio::test]
async fn redirects_are_not_followed_but_explained() {
    let elsewhere = "https://login.example.com/?token=t";
    let providers = answering(move || (StatusCode::FOUND, [("location", elsewhere)]).into_response()).await;
    let error = failure(&providers).await;
    let words = error.operator_message();
    assert!(words.contains("https://login.example.com/"), "{words}");
    assert!(words.contains("AIOHTTP_CLIENT_ALLOW_REDIRECTS"), "{words}");
    assert!(!words.contains("token=t"), "{words}");
}

#[tokio::test]
async fn a_web_page_is_no_reply() {
    let providers =
        answering(|| ([("content-type", "text/html")], "<html>Welcome</html>").into_response()).await;
    let error = failure(&providers).await;
    assert_eq!(error.kind(), "malformed");
    assert!(error.operator_message().contains("<html>Welcome"), "{error}");
    assert!(error.operator_message().contains("/v1"), "{error}");
}

#[tokio::test]
async fn an_error_inside_a_success_is_an_error() {
    let providers = answering(|| axum::Json(json!({"error": {"message": "no GPU"}})).into_response()).await;
    let error = failure(&providers).await;
    assert_eq!(error.kind(), "reported");
    assert!(error.user_message().contains("no GPU"));
    assert_eq!(error.upstream_answer().unwrap().body, r#"{"error":{"message":"no GPU"}}"#);
}

#[tokio::test]
async fn an_error_inside_a_stream_is_seen_and_ends_it() {
    for line in ["data: {\"error\":{\"message\":\"no GPU\"}}\n\n", "{\"error\":{\"message\":\"no GPU\"}}\n\n"]
    {
        let providers = answering(move || events([&delta("so far"), line].concat())).await;
        let mut stream = stream(&providers, "m").await;
        assert_eq!(bounded(stream.next()).await.unwrap().unwrap().delta().content, Some("so far"));
        let chunk = bounded(stream.next()).await.unwrap().unwrap();
        assert_eq!(chunk.delta().error, Some(r#"{"message":"no GPU"}"#));
        let error = stream.reported(&chunk).unwrap();
        assert!(error.user_message().contains("no GPU"), "{error}");
        assert!(bounded(stream.next()).await.is_none());
    }
}

#[tokio::test]
async fn garbage_in_the_stream_keeps_the_text_before_it() {
    for garbage in
        ["data: {\"choices\":[{\n\n", "data: hello\n\n", "<html>\n", "Internal Server Error\n", "\u{0}\n"]
    {
        let providers =
            answering(move || events([&delta("so far"), garbage, &delta("more"), DONE].concat())).await;
        let (text, error) = broken_stream(&providers).await;
        assert_eq!((text.as_str(), error.kind()), ("so far", "malformed"), "{garbage:?}");
    }
}

#[tokio::test]
async fn a_huge_line_ends_the_stream() {
    let providers = answering(|| events(delta("so far") + "data: " + &"x".repeat(LINE_LIMIT + 1))).await;
    let (text, error) = broken_stream(&providers).await;
    assert_eq!((text.as_str(), error.kind()), ("so far", "too_large"));
}

#[tokio::test]
async fn a_stream_without_an_end_is_truncated() {
    let providers = answering(|| events(delta("so far"))).await;
    let (text, error) = broken_stream(&providers).await;
    assert_eq!((text.as_str(), error.kind()), ("so far", "truncated"));
    let providers = answering(|| events("")).await;
    assert_eq!(broken_stream(&providers).await.1.kind(), "truncated");
}

#[tokio::test]
async fn a_service_that_dies_midway_leaves_the_text_so_far() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        begin_stream(&mut stream).await;
        write_piece(&mut stream, delta("so far").as_bytes()).await.unwrap();
        write_piece(&mut stream, b"data: {\"choices\":[").await.unwrap();
    })
    .await;
    let (text, error) = broken_stream(&one_openai(&upstream.base)).await;
    assert_eq!((text.as_str(), error.kind()), ("so far", "truncated"));
}

#[tokio::test]
async fn a_break_after_the_finish_reason_loses_nothing() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        begin_stream(&mut stream).await;
        write_piece(&mut stream, [&delta("all"), FINISH].concat().as_bytes()).await.unwrap();
    })
    .await;
    let (chunks, error) = collect(stream(&one_openai(&upstream.base), "m").await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(text(&chunks), "all");
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_unreachable() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let error = failure(&one_openai(&upstream.base)).await;
    assert!(matches!(error, ProviderError::Unreachable { cause: UnreachableCause::Broken, .. }), "{error:?}");
}

#[tokio::test]
async fn something_that_speaks_no_http_is_reported() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    })
    .await;
    let error = failure(&one_openai(&upstream.base)).await;
    assert_eq!(error.kind(), "unreachable");
}

#[tokio::test]
async fn a_dead_port_is_refused() {
    let (base, _socket) = dead_port();
    let error = failure(&one_openai(&base)).await;
    assert!(
        matches!(error, ProviderError::Unreachable { cause: UnreachableCause::Refused, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_name_without_address_is_a_matter_of_dns() {
    // A label of more than 63 characters cannot exist, so no name server is asked.
    let error = failure(&one_openai(&format!("http://{}/v1", "a".repeat(64)))).await;
    assert!(matches!(error, ProviderError::Unreachable { cause: UnreachableCause::Dns, .. }), "{error:?}");
}

#[tokio::test]
async fn silence_before_the_answer_has_a_bound() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        // Holds the connection open until the client gives up.
        read_request(&mut stream).await;
    })
    .await;
    let header = Duration::from_millis(100);
    let options = ProviderOptions { header_timeout: header, ..ProviderOptions::default() };
    let start = Instant::now();
    let error = failure(&with_options(options, &upstream.base)).await;
    assert!(
        matches!(error, ProviderError::Timeout { bound: TimeBound::Header, after, .. } if after == header),
        "{error:?}"
    );
    assert!(start.elapsed() >= header);
    assert!(error.operator_message().contains("AIOHTTP_CLIENT_TIMEOUT (now 0.1 s)"), "{error}");

    let request = TextRequest { timeout: header, ..TextRequest::of_prompt("m", "x") };
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let error =
        bounded(one_openai(&upstream.base).complete_text(request, &context, &cancel)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Timeout { bound: TimeBound::Request, .. }), "{error:?}");
}

/// A service that sends one piece and then nothing for as long as the client stays.
async fn falls_silent() -> String {
    raw(|mut stream| async move {
        read_request(&mut stream).await;
        begin_stream(&mut stream).await;
        write_piece(&mut stream, delta("so far").as_bytes()).await.unwrap();
        read_request(&mut stream).await;
    })
    .await
    .base
}

#[tokio::test]
async fn silence_inside_a_reply_has_a_bound() {
    let options =
        ProviderOptions { idle_timeout: Some(Duration::from_millis(100)), ..ProviderOptions::default() };
    let (text, error) = broken_stream(&with_options(options, &falls_silent().await)).await;
    assert_eq!(text, "so far");
    assert!(matches!(error, ProviderError::Timeout { bound: TimeBound::Idle, .. }), "{error:?}");
    assert!(error.operator_message().contains("AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT"), "{error}");
}

#[tokio::test]
async fn the_whole_reply_has_a_bound_however_lively_it_is() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        begin_stream(&mut stream).await;
        while write_piece(&mut stream, delta("x").as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let options = ProviderOptions {
        total_timeout: Some(Duration::from_millis(1500)),
        idle_timeout: Some(Duration::from_secs(1)),
        ..ProviderOptions::default()
    };
    let (text, error) = broken_stream(&with_options(options, &upstream.base)).await;
    assert!(text.len() > 1, "{text}");
    assert!(matches!(error, ProviderError::Timeout { bound: TimeBound::Total, .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_without_end_has_a_bound_when_it_is_read_whole() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    let options =
        ProviderOptions { idle_timeout: Some(Duration::from_millis(100)), ..ProviderOptions::default() };
    let error = chat(&with_options(options, &upstream.base), "m", false).await.unwrap_err();
    assert!(matches!(error, ProviderError::Timeout { bound: TimeBound::Idle, .. }), "{error:?}");
}

#[tokio::test]
async fn a_whole_reply_that_is_announced_too_large_is_not_read() {
    let upstream = raw(|mut stream| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    let error = chat(&one_openai(&upstream.base), "m", false).await.unwrap_err();
    assert_eq!(error.kind(), "too_large");
}

#[tokio::test]
async fn unusable_connections_are_explained_without_sending_anything() {
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    for (base, settings, words) in [
        ("localhost:8000", json!({"model_ids": ["m"]}), "http://"),
        ("http://127.0.0.1:1", json!({"model_ids": ["m"], "auth_type": "session"}), "\"session\""),
    ] {
        providers.replace(vec![Connection::openai(0, base, "sk-test-key", config(settings))]);
        let error = failure(&providers).await;
        assert_eq!(error.kind(), "configuration");
        assert!(error.operator_message().contains(words), "{error}");
    }
}
