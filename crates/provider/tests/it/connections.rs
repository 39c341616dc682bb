//! The settings of single connections, as services see them.

use crate::upstream::serve;
use crate::*;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use std::sync::{Arc, Mutex};

/// What a service that refuses everything was asked: the path with its query, and the headers.
async fn observed(config: Value, model: &str) -> (String, axum::http::HeaderMap) {
    let seen = Arc::new(Mutex::new(None));
    let remember = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| async move {
        let (parts, _) = request.into_parts();
        *remember.lock().unwrap() = Some((parts.uri.to_string(), parts.headers));
        StatusCode::IM_A_TEAPOT.into_response()
    });
    let base = serve(router).await;
    let base = base.trim_end_matches("/v1");
    let providers = Providers::new(ProviderOptions::default()).unwrap();
    providers.replace(vec![Connection::openai(0, base, "sk-test-key", crate::config(config))]);
    let error = chat(&providers, model, true).await.unwrap_err();
    assert_eq!(error.upstream_answer().unwrap().status, StatusCode::IM_A_TEAPOT);
    let seen = seen.lock().unwrap().take();
    seen.unwrap()
}

#[tokio::test]
async fn azure_gets_its_own_path_version_and_header() {
    let config =
        json!({"model_ids": ["gpt-4o"], "azure": true, "api_version": "2024-10-21", "prefix_id": "az"});
    let (uri, headers) = observed(config, "az.gpt-4o").await;
    assert_eq!(uri, "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21");
    assert_eq!(headers["api-key"], "sk-test-key");
    assert!(!headers.contains_key("authorization"));
}

#[tokio::test]
async fn credentials_can_be_left_out_and_headers_added() {
    let config = json!({"model_ids": ["m"], "auth_type": "none", "headers": {"x-team": "blue", "x-chat": "{{CHAT_ID}}"}});
    let (uri, headers) = observed(config, "m").await;
    assert_eq!(uri, "/chat/completions");
    assert!(!headers.contains_key("authorization"));
    assert_eq!((&headers["x-team"], &headers["x-chat"]), (&"blue".parse().unwrap(), &"".parse().unwrap()));
}
