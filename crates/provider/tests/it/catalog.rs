//! The joined list of models, with connections that hang, fail and come back.

use crate::upstream::{dead_port, raw, read_request, serve};
use crate::*;
use antiphon_provider::{CatalogOptions, ConnectionState, Endpoint, StaticModel};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

/// A service with a list of models that counts how often it is asked for it.
#[derive(Clone)]
struct Service {
    base: String,
    asked: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
    /// Listings wait for a permit.
    gate: Arc<Semaphore>,
}

impl Service {
    async fn start(models: &[&str]) -> Self {
        let service = Self {
            base: String::new(),
            asked: Arc::default(),
            broken: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let entries: Vec<Value> = models.iter().map(|id| json!({"id": id, "object": "model"})).collect();
        let state = service.clone();
        let list = move || async move { state.list(&entries).await };
        let chat = |Json(body): Json<Value>| async move {
            Json(json!({"choices": [{"message": {"content": body["model"]}}]}))
        };
        let router = Router::new().route("/models", get(list)).route("/chat/completions", post(chat));
        Self { base: serve(router).await, ..service }
    }

    async fn list(&self, entries: &[Value]) -> Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        if self.broken.load(Ordering::SeqCst) {
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "broken"}))).into_response();
        }
        Json(json!({"object": "list", "data": entries})).into_response()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn connection(&self, index: usize) -> Connection {
        Connection::openai(index, &self.base, "sk-test-key", ConnectionConfig::default())
    }
}

async fn hanging() -> String {
    raw(|mut stream| async move { while read_request(&mut stream).await {} }).await.base
}

fn providers(catalog: CatalogOptions, connections: Vec<Connection>) -> Providers {
    let providers = Providers::new(ProviderOptions { catalog, ..ProviderOptions::default() }).unwrap();
    providers.replace(connections);
    providers
}

#[tokio::test]
async fn a_dead_and_a_hanging_connection_neither_block_nor_hide_the_others() {
    let good = Service::start(&["a", "b"]).await;
    let openai =
        |index, base: &str| Connection::openai(index, base, "sk-test-key", ConnectionConfig::default());
    let (hanging, (dead, _socket)) = (hanging().await, dead_port());
    let providers =
        providers(CatalogOptions::default(), vec![openai(0, &hanging), openai(1, &dead), good.connection(2)]);
    let start = Instant::now();
    assert_eq!(ids(&providers, Freshness::Cached).await, ["a", "b"]);
    // The bound of a listing is 10 s; the grace is 1 s.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Nobody waits twice for the connection that hangs.
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(ids(&providers, Freshness::Cached).await.len(), 2);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    let statuses = providers.statuses();
    assert_eq!(statuses[0].state, ConnectionState::Unknown);
    assert!(statuses[0].checking);
    assert_eq!(statuses[1].state, ConnectionState::Failing);
    let failure = statuses[1].failure.as_ref().unwrap();
    assert_eq!((failure.of, failure.kind), ("listing", "unreachable"));
    assert!(failure.cause.contains("refused") && failure.at > 0 && !failure.remedy.is_empty(), "{failure:?}");
    assert_eq!((statuses[2].state, statuses[2].models), (ConnectionState::Working, 2));
    assert!(!serde_json::to_string(&statuses).unwrap().contains("sk-test-key"));
}

#[tokio::test]
async fn a_listing_has_a_bound_and_names_its_variable() {
    let options = ProviderOptions { list_timeout: Duration::from_millis(100), ..ProviderOptions::default() };
    let providers = Providers::new(options).unwrap();
    providers.replace(vec![Connection::openai(0, &hanging().await, "", ConnectionConfig::default())]);
    assert!(ids(&providers, Freshness::Cached).await.is_empty());
    let failure = providers.statuses().remove(0).failure.unwrap();
    assert_eq!(failure.kind, "timeout");
    assert!(failure.remedy.contains("AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST"), "{failure:?}");
}

#[tokio::test]
async fn a_slow_connection_is_shown_as_soon_as_it_answers() {
    let (fast, slow) = (Service::start(&["fast"]).await, Service::start(&["slow"]).await);
    slow.gate.forget_permits(Semaphore::MAX_PERMITS);
    let catalog = CatalogOptions { first_grace: Duration::from_millis(50), ..CatalogOptions::default() };
    let providers = providers(catalog, vec![slow.connection(0), fast.connection(1)]);
    assert_eq!(ids(&providers, Freshness::Cached).await, ["fast"]);
    slow.gate.add_permits(1);
    // A request for the model waits for the listing that is under way.
    let Reply::Whole(reply) = chat(&providers, "slow", false).await.unwrap() else { panic!("a stream") };
    assert_eq!(reply["choices"][0]["message"]["content"], "slow");
    assert_eq!(ids(&providers, Freshness::Cached).await, ["slow", "fast"], "in the order of the connections");
    assert_eq!(slow.asked(), 1);
}

#[tokio::test]
async fn many_callers_make_one_listing() {
    let service = Service::start(&["a"]).await;
    service.gate.forget_permits(Semaphore::MAX_PERMITS);
    let catalog = CatalogOptions { ttl: None, ..CatalogOptions::default() };
    let providers = providers(catalog, vec![service.connection(0)]);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let providers = providers.clone();
            tokio::spawn(async move { ids(&providers, Freshness::Cached).await })
        })
        .collect();
    bounded(async {
        while service.asked() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    service.gate.add_permits(10);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), ["a"]);
    }
    assert_eq!(service.asked(), 1);
    assert_eq!(ids(&providers, Freshness::Cached).await, ["a"]);
    assert_eq!(service.asked(), 1, "without a time to live the list is kept");
    assert_eq!(ids(&providers, Freshness::Renewed).await, ["a"]);
    assert_eq!(service.asked(), 2, "a renewal asks again");
}

#[tokio::test]
async fn the_version_changes_exactly_when_the_list_does() {
    let (one, two) = (Service::start(&["a"]).await, Service::start(&["b"]).await);
    let providers = providers(CatalogOptions::default(), vec![one.connection(0)]);
    let first = bounded(providers.models(Freshness::Renewed)).await;
    let second = bounded(providers.models(Freshness::Renewed)).await;
    assert_eq!(one.asked(), 2);
    assert_eq!(first.version, second.version);
    assert!(Arc::ptr_eq(&first.models, &second.models));
    providers.replace(vec![one.connection(0), two.connection(1)]);
    let third = bounded(providers.models(Freshness::Cached)).await;
    assert!(third.version > second.version);
    assert_eq!(third.models.len(), 2);
}

#[tokio::test]
async fn the_last_good_list_outlives_a_failure_for_a_time() {
    let service = Service::start(&["a"]).await;
    for (kept, expected) in [(Duration::from_mins(1), vec!["a".to_owned()]), (Duration::ZERO, Vec::new())] {
        service.broken.store(false, Ordering::SeqCst);
        let catalog = CatalogOptions { last_good_kept: kept, ..CatalogOptions::default() };
        let providers = providers(catalog, vec![service.connection(0)]);
        assert_eq!(ids(&providers, Freshness::Cached).await, ["a"]);
        service.broken.store(true, Ordering::SeqCst);
        assert_eq!(ids(&providers, Freshness::Renewed).await, expected);
        let status = providers.statuses().remove(0);
        assert_eq!(status.state, ConnectionState::Failing);
        assert_eq!(status.stale, !expected.is_empty());
        assert!(status.listed_at.is_some());
        assert!(status.failure.unwrap().cause.contains("broken"));

        service.broken.store(false, Ordering::SeqCst);
        assert_eq!(ids(&providers, Freshness::Renewed).await, ["a"], "it comes back");
        assert_eq!(providers.statuses()[0].state, ConnectionState::Working);
    }
}

#[tokio::test]
async fn the_first_connection_wins_and_prefixes_keep_models_apart() {
    let (one, two) = (Service::start(&["a", "a"]).await, Service::start(&["a", "b"]).await);
    let prefixed = Connection::openai(2, &two.base, "", config(json!({"prefix_id": "two"})));
    let providers =
        providers(CatalogOptions::default(), vec![one.connection(0), two.connection(1), prefixed]);
    bounded(async {
        while providers.statuses().iter().any(|status| status.models == 0) {
            providers.models(Freshness::Renewed).await;
        }
    })
    .await;
    assert_eq!(ids(&providers, Freshness::Cached).await, ["a", "b", "two.a", "two.b"]);
    assert_eq!(providers.model("a").unwrap().url_index, 0);
    assert_eq!(providers.model("two.a").unwrap().url_index, 2);
}

#[tokio::test]
async fn known_models_are_routed_without_asking_anybody() {
    let service = Service::start(&["a"]).await;
    let catalog = CatalogOptions { ttl: Some(Duration::ZERO), ..CatalogOptions::default() };
    let providers = providers(catalog, vec![service.connection(0)]);
    // The very first request needs the list.
    chat(&providers, "a", false).await.unwrap();
    assert_eq!(service.asked(), 1);
    for _ in 0..5 {
        chat(&providers, "a", false).await.unwrap();
    }
    assert_eq!(service.asked(), 1);
    let error = chat(&providers, "unknown", false).await.unwrap_err();
    assert!(matches!(&error, ProviderError::ModelNotFound { model } if model == "unknown"), "{error:?}");
    assert_eq!(service.asked(), 2, "an unknown model may be a new one");
}

#[tokio::test]
async fn named_models_and_disabled_connections_are_not_asked() {
    let service = Service::start(&["a"]).await;
    let named = Connection::openai(
        0,
        &service.base,
        "",
        config(json!({"model_ids": ["x"], "tags": [{"name": "t"}]})),
    );
    let off = Connection::openai(1, &service.base, "", config(json!({"enable": false})));
    let providers = providers(CatalogOptions::default(), vec![named, off]);
    assert_eq!(ids(&providers, Freshness::Renewed).await, ["x"]);
    assert_eq!(service.asked(), 0);
    assert_eq!(providers.model("x").unwrap().tags[0].name, "t");
    let statuses = providers.statuses();
    assert_eq!((statuses[0].state, statuses[1].state), (ConnectionState::Working, ConnectionState::Off));
    assert!(statuses[0].named_models);
}

#[tokio::test]
async fn unchanged_connections_keep_what_is_known_when_others_change() {
    let (one, two) = (Service::start(&["a"]).await, Service::start(&["b"]).await);
    let catalog = CatalogOptions { ttl: None, ..CatalogOptions::default() };
    let providers = providers(catalog, vec![one.connection(0)]);
    assert_eq!(ids(&providers, Freshness::Cached).await, ["a"]);
    providers.replace(vec![one.connection(0), two.connection(1)]);
    assert_eq!(providers.known_models().models.len(), 1, "nothing is lost in between");
    assert_eq!(ids(&providers, Freshness::Cached).await, ["a", "b"]);
    assert_eq!((one.asked(), two.asked()), (1, 1));
    providers.replace(vec![two.connection(1)]);
    assert_eq!(ids(&providers, Freshness::Cached).await, ["b"]);
    assert!(matches!(chat(&providers, "a", false).await, Err(ProviderError::ModelNotFound { .. })));
}

#[tokio::test]
async fn the_local_model_is_started_by_its_first_request_and_not_by_the_list() {
    let service = Service::start(&[]).await;
    let started = Arc::new(AtomicUsize::new(0));
    let base: url::Url = service.base.parse().unwrap();
    let counter = Arc::clone(&started);
    let model = StaticModel { id: "smol".into(), name: "Small demonstration model".into() };
    let local = Connection::local(
        0,
        Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let base = base.clone();
            Box::pin(async move { Ok(base) })
        }),
        vec![model],
    );
    let providers = providers(CatalogOptions::default(), vec![local]);
    assert_eq!(ids(&providers, Freshness::Renewed).await, ["smol"]);
    assert_eq!(started.load(Ordering::SeqCst), 0);
    let model = serde_json::to_value(&*providers.model("smol").unwrap()).unwrap();
    assert_eq!(
        (&model["name"], &model["connection_type"]),
        (&json!("Small demonstration model"), &json!("local"))
    );
    let Reply::Whole(reply) = chat(&providers, "smol", false).await.unwrap() else { panic!("a stream") };
    assert_eq!(reply["choices"][0]["message"]["content"], "smol");
    assert_eq!((started.load(Ordering::SeqCst), service.asked()), (1, 0));
}

#[tokio::test]
async fn a_failing_start_is_reported_and_shown() {
    let endpoint = Endpoint::Lazy(Arc::new(|| {
        Box::pin(async {
            Err(ProviderError::Configuration {
                connection: antiphon_provider::Label::new("The local model"),
                problem: "the file of the model is missing".into(),
                remedy: "Run make model".into(),
            })
        })
    }));
    let mut connection = Connection::openai(0, "http://unused", "", config(json!({"model_ids": ["m"]})));
    connection.endpoint = endpoint;
    let providers = providers(CatalogOptions::default(), vec![connection]);
    let error = chat(&providers, "m", true).await.unwrap_err();
    assert!(error.operator_message().contains("Run make model"), "{error}");
    let status = providers.statuses().remove(0);
    assert_eq!(status.state, ConnectionState::Failing);
    assert_eq!(status.failure.unwrap().of, "request");
}
