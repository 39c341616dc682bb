//! The life of the process.

use std::process::Stdio;

use serde_json::Value;

use crate::server::{PATIENCE, Server, command};

#[tokio::test]
async fn the_end_of_standard_input_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path()).await;
    assert_eq!(server.get("/health").await.status(), 200);
    assert!(server.child.try_wait().unwrap().is_none(), "it runs while the parent holds the pipe");
    drop(server.child.stdin.take());
    let status = tokio::time::timeout(PATIENCE, server.child.wait()).await.expect("it lives on").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn sigterm_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path()).await;
    let process = server.child.id().unwrap().to_string();
    let killed =
        std::process::Command::new("sh").args(["-c", "kill -TERM \"$0\"", &process]).status().unwrap();
    assert!(killed.success());
    let status = tokio::time::timeout(PATIENCE, server.child.wait()).await.expect("it lives on").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn without_weights_it_starts_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path()).await;
    let body = serde_json::json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let response = server.post("/v1/chat/completions", &body).await;
    assert_eq!(response.status(), 503);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "model_not_installed");
    assert!(body["error"]["message"].as_str().unwrap().contains("scripts/fetch-local-model"), "{body}");
    assert_eq!(server.get("/v1/models").await.status(), 401, "the token is asked for");
    let check = command(folder.path()).arg("--check").stderr(Stdio::piped()).output().await.unwrap();
    assert!(!check.status.success());
    assert!(String::from_utf8_lossy(&check.stderr).contains("scripts/fetch-local-model"));
}

#[tokio::test]
async fn addresses_of_the_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        command(folder.path()).args(["--host", "0.0.0.0"]).stderr(Stdio::piped()).output().await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("loopback"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn each_computation_has_one_thread() {
    let Some(server) = Server::start().await else { return };
    server.ask("Hello", 2).await;
    let process = server.child.id().unwrap();
    let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
    assert!(environment.split(|byte| *byte == 0).any(|entry| entry == b"RAYON_NUM_THREADS=1"));
    let names: Vec<String> = std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap().trim().to_owned())
        .collect();
    // The main thread, the one that watches the parent, and the two workers: no pool beside them.
    assert_eq!(names.len(), 4, "{names:?}");
}
