//! The joined list of models: from several services, for whom they are meant.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Account, Place, on_both};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both!(
    the_lists_of_all_services_are_joined,
    a_slow_and_a_dead_service_neither_block_nor_hide_the_others,
    a_new_list_is_fetched_on_request,
    a_model_without_a_record_is_for_administrators,
    grants_decide_who_uses_a_model,
    an_inactive_model_is_offered_to_nobody,
    records_are_made_changed_and_deleted,
    malformed_records_are_refused,
    a_changed_record_counts_at_once,
);

/// Longest that the joined list may take while a service says nothing.
const LIST_LIMIT: Duration = Duration::from_secs(3);

/// A grant to everybody.
fn public() -> Value {
    json!([{ "principal_type": "user", "principal_id": "*", "permission": "read" }])
}

async fn ids(account: &Account) -> Vec<String> {
    let models = account.get("/api/models").await.expect(200)["data"].clone();
    let models = models.as_array().unwrap().iter();
    models.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn the_lists_of_all_services_are_joined(place: Place) {
    let (one, two) =
        (Provider::with_models(&["a", "both"]).await, Provider::with_models(&["both", "b"]).await);
    let urls = format!("{};{}", one.base(), two.base());
    let configs = json!({ "1": { "tags": [{ "name": "fast" }] } }).to_string();
    let variables = [
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", urls.as_str()),
        ("OPENAI_API_CONFIGS", &configs),
    ];
    let node = place.start(&variables).await;
    let ada = node.sign_up("Ada").await;
    let listed = ada.get("/api/models").await.expect(200)["data"].clone();
    assert_eq!(ids(&ada).await, ["a", "both", "b"]);
    assert_eq!(
        listed[0],
        json!({
            "id": "a", "object": "model", "created": 1_700_000_000, "owned_by": "openai",
            "connection_type": "external", "name": "a", "provider": "", "urlIdx": 0, "actions": [], "filters": [],
            "tags": [],
            "openai": { "id": "a", "object": "model", "created": 1_700_000_000, "owned_by": "test", "connection_type": "external" },
        })
    );
    assert_eq!((&listed[1]["urlIdx"], &listed[2]["urlIdx"]), (&json!(0), &json!(1)));
    assert_eq!(listed[2]["tags"], json!([{ "name": "fast" }]));
    assert_eq!(ada.get("/api/v1/models").await.expect(200)["data"], listed);
    assert_eq!(ada.get("/api/models/base").await.expect(200)["data"].as_array().unwrap().len(), 3);
    // Each model is asked where it is.
    let socket = ada.connect(&node).await;
    for (model, provider) in [("a", &one), ("b", &two), ("both", &one)] {
        let question = format!("to {model}");
        let asked = Question::new(&question).to(&[model]).ask(&ada, &socket).await;
        socket.end_of_turn(&asked.chat_id, 1).await;
        assert_eq!(provider.request(&question).body["model"], model);
    }
    node.stop().await;
}

async fn a_slow_and_a_dead_service_neither_block_nor_hide_the_others(place: Place) {
    let (good, hanging) = (Provider::with_models(&["good"]).await, Provider::with_models(&["hanging"]).await);
    hanging.hang_listing();
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead_base = format!("http://{}/v1", dead.local_addr().unwrap());
    let urls = format!("{};{dead_base};{}", hanging.base(), good.base());
    let variables = [
        ("ENABLE_OPENAI_API", "true"),
        ("OPENAI_API_BASE_URLS", urls.as_str()),
        ("AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST", "2"),
    ];
    let node = place.start(&variables).await;
    let ada = node.sign_up("Ada").await;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(ids(&ada).await, ["good"]);
        assert!(began.elapsed() < LIST_LIMIT, "{:?}", began.elapsed());
    }
    // The failures are visible to administrators, each with its cause and what to do.
    let statuses = crate::support::eventually("all services were tried", async || {
        let statuses = ada.get("/api/v1/antiphon/providers").await.expect(200).clone();
        (statuses[0]["state"] == "failing" && statuses[1]["state"] == "failing").then_some(statuses)
    })
    .await;
    let cause = |index: usize| statuses[index]["error"].as_str().unwrap();
    assert!(cause(0).contains("within 2 s"), "{}", cause(0));
    assert!(cause(1).contains("refused"), "{}", cause(1));
    assert!(statuses[1]["hint"].as_str().unwrap().contains("Start the model service"));
    for (index, (url, ok, models)) in
        [(hanging.base(), false, 0), (dead_base.as_str(), false, 0), (good.base(), true, 1)]
            .iter()
            .enumerate()
    {
        let status = &statuses[index];
        assert_eq!(
            (&status["url"], &status["ok"], &status["models"]),
            (&json!(url), &json!(ok), &json!(models))
        );
    }
    assert!(statuses[2]["error"].is_null());
    let bob = node.add(&ada, "Bob", "user").await;
    bob.get("/api/v1/antiphon/providers").await.expect_plain(401);
    // The good one answers meanwhile.
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").to(&["good"]).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(good.requests().len(), 1);
    node.stop().await;
}

async fn a_new_list_is_fetched_on_request(place: Place) {
    let provider = Provider::with_models(&["before"]).await;
    // Kept for good, unless somebody asks.
    let node = start(&place, &provider, &[("MODELS_CACHE_TTL", "")]).await;
    let ada = node.sign_up("Ada").await;
    assert_eq!(ids(&ada).await, ["before"]);
    provider.set_models(&["after", "more"]);
    assert_eq!(ids(&ada).await, ["before"]);
    let renewed = ada.get("/api/models?refresh=true").await;
    assert_eq!(renewed.expect(200)["data"].as_array().unwrap().len(), 2);
    assert_eq!(ids(&ada).await, ["after", "more"]);
    ada.get("/api/models?refresh=perhaps").await.expect(422);
    node.stop().await;
}

async fn a_model_without_a_record_is_for_administrators(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    assert_eq!(ids(&ada).await, ["mock", "mock-two"]);
    assert!(ids(&bob).await.is_empty());
    let bobs = bob.connect(&node).await;
    let refused = bob.post("/api/chat/completions", Question::new("hello").form(&bobs.sid)).await;
    assert_eq!(refused.expect_plain(400), "Model not found");
    let plain = json!({ "model": "mock", "messages": [{ "role": "user", "content": "hello" }] });
    assert_eq!(bob.post("/api/chat/completions", plain.clone()).await.expect_plain(400), "Model not found");
    assert_eq!(
        bob.post("/api/embeddings", json!({ "model": "mock", "input": "x" })).await.expect_plain(400),
        "Model not found"
    );
    assert!(provider.requests().is_empty());
    node.stop().await;

    let node = start(&place, &provider, &[("BYPASS_MODEL_ACCESS_CONTROL", "true")]).await;
    let bob = node.sign_in("Bob").await;
    assert_eq!(ids(&bob).await, ["mock", "mock-two"]);
    bob.post("/api/chat/completions", plain).await.expect(200);
    node.stop().await;
}

async fn grants_decide_who_uses_a_model(place: Place) {
    let provider = Provider::with_models(&["everybody", "bobs", "nobodys"]).await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let (bob, cid) = (node.add(&ada, "Bob", "user").await, node.add(&ada, "Cid", "user").await);
    let bobs = json!([{ "principal_type": "user", "principal_id": bob.id, "permission": "read" }]);
    for (id, grants) in [("everybody", public()), ("bobs", bobs.clone()), ("nobodys", json!([]))] {
        let record = json!({ "id": id, "name": format!("The model {id}"), "access_grants": grants });
        ada.post("/api/v1/models/create", record).await.expect(200);
    }
    let derived =
        json!({ "id": "poet", "base_model_id": "nobodys", "name": "A poet", "access_grants": bobs });
    ada.post("/api/v1/models/create", derived).await.expect(200);
    assert_eq!(ids(&ada).await, ["everybody", "bobs", "nobodys", "poet"]);
    assert_eq!(ids(&bob).await, ["everybody", "bobs", "poet"]);
    assert_eq!(ids(&cid).await, ["everybody"]);
    let listed = bob.get("/api/models").await.expect(200)["data"].clone();
    assert_eq!(listed[0]["name"], "The model everybody");
    assert_eq!(
        (&listed[2]["preset"], &listed[2]["info"]["base_model_id"]),
        (&json!(true), &json!("nobodys"))
    );
    let asks = async |account: &Account, model: &str| {
        let form = json!({ "model": model, "messages": [{ "role": "user", "content": model }] });
        account.post("/api/chat/completions", form).await.status
    };
    for (model, bobs, cids) in
        [("everybody", 200, 200), ("bobs", 200, 400), ("poet", 200, 400), ("nobodys", 400, 400)]
    {
        assert_eq!((asks(&bob, model).await, asks(&cid, model).await), (bobs, cids), "{model}");
    }
    node.stop().await;
}

async fn an_inactive_model_is_offered_to_nobody(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let record = json!({ "id": "mock", "name": "Mock", "access_grants": public() });
    ada.post("/api/v1/models/create", record).await.expect(200);
    let toggled = ada.post("/api/v1/models/model/toggle?id=mock", json!({})).await;
    assert_eq!(toggled.expect(200)["is_active"], false);
    assert_eq!(ids(&ada).await, ["mock-two"]);
    let plain = json!({ "model": "mock", "messages": [{ "role": "user", "content": "hello" }] });
    ada.post("/api/chat/completions", plain).await.expect_plain(400);
    ada.post("/api/v1/models/model/toggle?id=mock", json!({})).await.expect(200);
    assert_eq!(ids(&ada).await, ["mock", "mock-two"]);
    node.stop().await;
}

async fn records_are_made_changed_and_deleted(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let form = json!({
        "id": "mock", "base_model_id": null, "name": "Mock", "params": { "temperature": 0.2 },
        "meta": { "description": "A mock", "profile_image_url": "/static/favicon.png" }, "access_grants": public(),
    });
    let made = ada.post("/api/v1/models/create", form.clone()).await.expect(200).clone();
    for key in ["id", "base_model_id", "name", "params"] {
        assert_eq!(made[key], form[key], "{key}");
    }
    for key in ["description", "profile_image_url"] {
        assert_eq!(made["meta"][key], form["meta"][key], "{key}");
    }
    assert_eq!((&made["user_id"], &made["is_active"]), (&json!(ada.id), &json!(true)));
    let grant = &made["access_grants"][0];
    assert_eq!((&grant["principal_id"], &grant["permission"]), (&json!("*"), &json!("read")));
    ada.post("/api/v1/models/create", form.clone()).await.expect_plain(400);
    assert_eq!(ada.get("/api/v1/models/model?id=mock").await.expect(200), &made);
    assert_eq!(ada.get("/api/v1/models/all").await.expect(200), &json!([made]));
    let entry = ada.get("/api/models").await.expect(200)["data"][0].clone();
    assert!(
        entry["info"]["meta"]["profile_image_url"].is_null() && entry["info"]["params"] == form["params"]
    );
    let picture = ada.get("/api/v1/models/model/profile/image?id=mock&lang=en").await;
    assert_eq!((picture.status, picture.headers["location"].to_str().unwrap()), (302, "/static/favicon.png"));

    // Whoever bases on themselves is the provider's model, and listed once.
    let changed = json!({ "id": "mock", "base_model_id": "mock", "name": "Changed", "params": {} });
    let updated = ada.post("/api/v1/models/model/update", changed).await.expect(200).clone();
    assert_eq!(
        (&updated["name"], &updated["access_grants"][0]["principal_id"]),
        (&json!("Changed"), &json!("*"))
    );
    assert_ne!(updated["version_id"], made["version_id"]);
    assert_eq!((&updated["base_model_id"], ids(&ada).await.len()), (&json!(null), 2));
    assert_eq!(
        ada.post("/api/v1/models/model/delete", json!({ "id": "mock" })).await.expect(200),
        &json!(true)
    );
    ada.post("/api/v1/models/model/delete", json!({ "id": "mock" })).await.expect_plain(404);
    ada.get("/api/v1/models/model?id=mock").await.expect_plain(404);
    ada.post("/api/v1/models/model/toggle?id=mock", json!({})).await.expect_plain(404);
    ada.post("/api/v1/models/model/update", json!({ "id": "mock", "name": "x" })).await.expect_plain(404);
    assert_eq!(ids(&ada).await.len(), 2, "the model itself is still there");
    node.stop().await;
}

async fn malformed_records_are_refused(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    for (form, status) in [
        (json!({}), 422),
        (json!({ "id": "x" }), 422),
        (json!({ "id": 7, "name": "x" }), 422),
        (json!({ "id": "x", "name": "x", "params": [] }), 422),
        (json!({ "id": "x", "name": "x", "meta": "text" }), 422),
        (json!({ "id": "x", "name": "x", "access_grants": {} }), 422),
        (
            json!({ "id": "x", "name": "x", "access_grants": [{ "principal_type": "robot", "principal_id": "*", "permission": "read" }] }),
            422,
        ),
        (json!({ "id": "x", "name": "x", "is_active": "yes" }), 422),
        (json!({ "id": "", "name": "x" }), 400),
        (json!({ "id": "x".repeat(300), "name": "x" }), 400),
        (json!({ "id": "x", "name": "x", "meta": { "big": "x".repeat(5 * 1024 * 1024) } }), 413),
    ] {
        let answer = ada.post("/api/v1/models/create", form.clone()).await;
        let shown: String = form.to_string().chars().take(200).collect();
        assert_eq!(answer.status, status, "{shown} -> {}", answer.body);
        answer.expect(status);
    }
    assert_eq!(ada.get("/api/v1/models/all").await.expect(200), &json!([]));
    node.stop().await;
}

async fn a_changed_record_counts_at_once(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    ada.post("/api/v1/models/create", json!({ "id": "mock", "name": "Mock" })).await.expect(200);
    // Readers all the while, so that every change meets a list that is being read.
    let reading = tokio::spawn({
        let bob = bob.clone();
        async move {
            loop {
                ids(&bob).await;
            }
        }
    });
    for round in 0..20 {
        let grants = if round % 2 == 0 { public() } else { json!([]) };
        let form = json!({ "id": "mock", "name": format!("Mock {round}"), "access_grants": grants });
        ada.post("/api/v1/models/model/update", form).await.expect(200);
        assert_eq!(ids(&bob).await.len(), usize::from(round % 2 == 0), "round {round}");
        assert_eq!(ada.get("/api/models").await.expect(200)["data"][0]["name"], format!("Mock {round}"));
    }
    reading.abort();
    node.stop().await;
}
