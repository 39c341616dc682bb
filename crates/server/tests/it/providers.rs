//! Connections to model services as administrators set them up.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Account, Place, on_both};
use serde_json::{Value, json};

on_both!(
    a_new_connection_counts_at_once_and_for_good,
    connections_have_settings_of_their_own,
    a_malformed_form_changes_nothing,
    changes_at_once_end_in_one_state,
    a_connection_is_tried_out,
    an_ollama_server_is_listed_and_asked,
    where_there_is_no_ollama_there_is_no_version,
    the_environment_counts_where_settings_are_not_kept,
);

async fn ids(account: &Account) -> Vec<String> {
    let models = account.get("/api/models?refresh=true").await.expect(200)["data"].clone();
    let models = models.as_array().unwrap().iter();
    models.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn a_new_connection_counts_at_once_and_for_good(place: Place) {
    let (old, new) = (Provider::with_models(&["old"]).await, Provider::with_models(&["new"]).await);
    new.require_key("sk-new");
    let node = start(&place, &old, &[]).await;
    let ada = node.sign_up("Ada").await;
    assert_eq!(ids(&ada).await, ["old"]);
    let config = ada.get("/openai/config").await.expect(200).clone();
    assert_eq!(
        config,
        json!({
            "ENABLE_OPENAI_API": true, "OPENAI_API_BASE_URLS": [old.base()], "OPENAI_API_KEYS": ["sk-test"],
            "OPENAI_API_CONFIGS": {},
        })
    );
    let form = json!({
        "ENABLE_OPENAI_API": true, "OPENAI_API_BASE_URLS": [new.base()], "OPENAI_API_KEYS": ["sk-new"],
        "OPENAI_API_CONFIGS": { "0": { "enable": true } },
    });
    let updated = ada.post("/openai/config/update", form.clone()).await;
    assert_eq!(updated.expect(200), &form);
    assert_eq!(ids(&ada).await, ["new"]);
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").to(&["new"]).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(new.request("hello").headers["authorization"], "Bearer sk-new");
    let gone = Question::new("hello").to(&["old"]).form(&socket.sid);
    ada.post("/api/chat/completions", gone).await.expect_plain(400);
    // A reply that runs is not disturbed when its connection goes.
    let running = Question::new("[[tokens=4 hold=2]]").to(&["new"]).ask(&ada, &socket).await;
    socket.said(running.answer(), "tok1 tok2").await;
    ada.post("/openai/config/update", json!({ "ENABLE_OPENAI_API": false })).await.expect(200);
    assert!(ids(&ada).await.is_empty());
    new.release();
    socket.end_of_turn(&running.chat_id, 1).await;
    assert_eq!(ada.message(&running.chat_id, running.answer()).await["content"], "tok1 tok2 tok3 tok4");
    ada.post("/openai/config/update", json!({ "ENABLE_OPENAI_API": true })).await.expect(200);
    node.stop().await;

    // What was set counts more than the environment.
    let node = start(&place, &old, &[]).await;
    let ada = node.sign_in("Ada").await;
    assert_eq!(ada.get("/openai/config").await.expect(200), &form);
    assert_eq!(ids(&ada).await, ["new"]);
    node.stop().await;
}

async fn connections_have_settings_of_their_own(place: Place) {
    let (one, two) = (Provider::with_models(&["m"]).await, Provider::with_models(&["m", "n"]).await);
    let node = start(&place, &one, &[]).await;
    let ada = node.sign_up("Ada").await;
    let with = |configs: Value| json!({ "OPENAI_API_BASE_URLS": [one.base(), two.base()], "OPENAI_API_KEYS": ["a", "b"], "OPENAI_API_CONFIGS": configs });
    for (configs, expected) in [
        (json!({ "1": { "prefix_id": "two" } }), vec!["m", "two.m", "two.n"]),
        (json!({ "0": { "enable": false } }), vec!["m", "n"]),
        (json!({ "0": { "model_ids": ["x", "y"] }, "1": { "model_ids": ["n"] } }), vec!["x", "y", "n"]),
        (json!({ "0": { "enable": false }, "1": { "enable": false } }), vec![]),
        // What cannot be understood counts as not set, and the connection goes on.
        (json!({ "0": { "prefix_id": 7 }, "1": { "enable": false } }), vec!["m"]),
    ] {
        ada.post("/openai/config/update", with(configs.clone())).await.expect(200);
        assert_eq!(ids(&ada).await, expected, "{configs}");
    }
    ada.post("/openai/config/update", with(json!({ "1": { "prefix_id": "two" } }))).await.expect(200);
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").to(&["two.m"]).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(two.request("hello").body["model"], "m", "the service knows no prefix");
    let listed = ada.get("/openai/models/1").await;
    assert_eq!(listed.expect(200)["data"].as_array().unwrap().len(), 2);
    ada.get("/openai/models/7").await.expect_plain(404);
    node.stop().await;
}

async fn a_malformed_form_changes_nothing(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let before = ada.get("/openai/config").await.expect(200).clone();
    for form in [
        json!([]),
        json!("text"),
        json!({ "ENABLE_OPENAI_API": "perhaps", "OPENAI_API_KEYS": [] }),
        json!({ "OPENAI_API_KEYS": [], "OPENAI_API_BASE_URLS": "ftp://x" }),
        json!({ "OPENAI_API_KEYS": [], "OPENAI_API_BASE_URLS": { "0": "http://x" } }),
        json!({ "OPENAI_API_KEYS": [], "OPENAI_API_BASE_URLS": [7] }),
        json!({ "OPENAI_API_KEYS": [7] }),
        json!({ "OPENAI_API_KEYS": [], "OPENAI_API_CONFIGS": [] }),
        json!({ "OPENAI_API_KEYS": {}, "ENABLE_OPENAI_API": false }),
    ] {
        let answer = ada.post("/openai/config/update", form.clone()).await;
        assert_eq!(answer.status, 422, "{form} -> {}", answer.body);
        assert!(!answer.body["detail"].is_null());
    }
    assert_eq!(ada.get("/openai/config").await.expect(200), &before);
    assert_eq!(ids(&ada).await, ["mock", "mock-two"]);

    // An address that is none is kept as it was entered, disturbs nobody, and is shown for what it is.
    let form = json!({ "OPENAI_API_BASE_URLS": [provider.base(), "no address"] });
    ada.post("/openai/config/update", form).await.expect(200);
    assert_eq!(ids(&ada).await, ["mock", "mock-two"]);
    let status = ada.get("/api/v1/antiphon/providers").await.expect(200)[1].clone();
    assert_eq!((&status["name"], &status["ok"]), (&json!("OpenAI-compatible service"), &json!(false)));
    assert!(status["hint"].as_str().unwrap().contains("http://"), "{status}");
    node.stop().await;
}

async fn changes_at_once_end_in_one_state(place: Place) {
    let providers = [
        Provider::with_models(&["p0"]).await,
        Provider::with_models(&["p1"]).await,
        Provider::with_models(&["p2"]).await,
    ];
    let node = start(&place, &providers[0], &[]).await;
    let ada = node.sign_up("Ada").await;
    for _ in 0..5 {
        let changing = providers.iter().map(|provider| {
            let (ada, form) = (ada.clone(), json!({ "OPENAI_API_BASE_URLS": [provider.base()] }));
            tokio::spawn(async move { ada.post("/openai/config/update", form).await.status })
        });
        for change in changing.collect::<Vec<_>>() {
            assert_eq!(change.await.unwrap(), 200);
        }
        // What is stored is what is used, whoever came last.
        let stored = ada.get("/openai/config").await.expect(200)["OPENAI_API_BASE_URLS"][0].clone();
        let last = providers.iter().position(|provider| stored == provider.base()).unwrap();
        assert_eq!(ids(&ada).await, [format!("p{last}")]);
    }
    node.stop().await;
}

async fn a_connection_is_tried_out(place: Place) {
    let provider = Provider::start().await;
    provider.require_key("sk-right");
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let config = json!({ "auth_type": "bearer", "forward_cookies": false, "api_version": "", "passthrough_params": false });
    let form = |url: &str, key: &str| json!({ "url": url, "key": key, "config": config });
    let listed = ada.post("/openai/verify", form(provider.base(), "sk-right")).await;
    assert_eq!(
        (&listed.expect(200)["object"], listed.body["data"].as_array().unwrap().len()),
        (&json!("list"), 2)
    );
    let wrong = ada.post("/openai/verify", form(provider.base(), "sk-wrong")).await;
    let detail = wrong.expect_plain(400);
    assert!(detail.contains("401") && detail.contains("API key") && !detail.contains("sk-wrong"), "{detail}");
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}/v1", dead.local_addr().unwrap());
    let refused = ada.post("/openai/verify", form(&address, "")).await;
    assert!(refused.expect_plain(400).contains("refused"));
    // Our own page is no list of models.
    let page = ada.post("/openai/verify", form(node.base(), "")).await;
    page.expect_plain(400);
    for url in ["", "no address", "ftp://x/v1", "http://"] {
        ada.post("/openai/verify", form(url, "")).await.expect_plain(400);
        ada.post("/ollama/verify", form(url, "")).await.expect_plain(400);
    }
    for form in [
        json!({}),
        json!({ "url": 7 }),
        json!({ "url": "http://x", "key": 7 }),
        json!({ "url": "http://x", "config": [] }),
    ] {
        ada.post("/openai/verify", form.clone()).await.expect(422);
        ada.post("/ollama/verify", form).await.expect(422);
    }
    // Trying out changes nothing.
    assert!(ids(&ada).await.is_empty());
    node.stop().await;
}

async fn an_ollama_server_is_listed_and_asked(place: Place) {
    use axum::routing::{get, post};
    let tags = json!({ "models": [{ "name": "llama:1b", "model": "llama:1b", "size": 1, "details": { "family": "llama" } }] });
    let lines = [
        json!({ "model": "llama:1b", "message": { "role": "assistant", "content": "Hel" }, "done": false }),
        json!({ "model": "llama:1b", "message": { "role": "assistant", "content": "lo" }, "done": false }),
        json!({ "model": "llama:1b", "message": { "role": "assistant", "content": "" }, "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2 }),
    ];
    let text = lines.map(|line| line.to_string()).join("\n") + "\n";
    let router = axum::Router::new()
        .route("/api/version", get(async || axum::Json(json!({ "version": "0.9.9" }))))
        .route("/api/tags", get(async move || axum::Json(tags)))
        .route("/api/chat", post(async move || ([("content-type", "application/x-ndjson")], text)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let node = place.start(&[("ENABLE_OLLAMA_API", "true"), ("OLLAMA_BASE_URLS", &base)]).await;
    let ada = node.sign_up("Ada").await;
    assert_eq!(ada.get("/ollama/api/version").await.expect(200), &json!({ "version": "0.9.9" }));
    assert_eq!(ada.get("/ollama/config").await.expect(200)["OLLAMA_BASE_URLS"], json!([base]));
    let tried = ada.post("/ollama/verify", json!({ "url": base })).await;
    assert_eq!(tried.expect(200), &json!({ "version": "0.9.9" }));
    assert_eq!(ids(&ada).await, ["llama:1b"]);
    let socket = ada.connect(&node).await;
    let asked = Question::new("hi").to(&["llama:1b"]).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!("Hello"), &json!(true)));
    node.stop().await;
}

async fn where_there_is_no_ollama_there_is_no_version(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    assert_eq!(ada.get("/ollama/api/version").await.expect(200), &json!({ "version": false }));
    node.stop().await;
}

async fn the_environment_counts_where_settings_are_not_kept(place: Place) {
    let (old, new) = (Provider::with_models(&["old"]).await, Provider::with_models(&["new"]).await);
    let not_kept = [("ENABLE_PERSISTENT_CONFIG", "false")];
    let node = start(&place, &old, &not_kept).await;
    let ada = node.sign_up("Ada").await;
    ada.post("/openai/config/update", json!({ "OPENAI_API_BASE_URLS": [new.base()] })).await.expect(200);
    assert_eq!(ids(&ada).await, ["new"]);
    node.stop().await;
    let node = start(&place, &old, &not_kept).await;
    let ada = node.sign_in("Ada").await;
    assert_eq!(ids(&ada).await, ["old"]);
    node.stop().await;
}
