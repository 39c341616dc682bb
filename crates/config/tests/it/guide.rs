//! The environments of the reference server's guide to Redis and websockets.

use std::time::Duration;

use antiphon_config::{Secret, SocketManager, Topology};

use crate::{attempt, effective, loaded, notices};

#[test]
fn the_complete_example_works() {
    let loaded = loaded(&[
        ("REDIS_URL", "redis://redis-valkey:6379/0"),
        ("ENABLE_WEBSOCKET_SUPPORT", "true"),
        ("WEBSOCKET_MANAGER", "redis"),
        ("WEBSOCKET_REDIS_URL", "redis://redis-valkey:6379/1"),
        ("REDIS_SOCKET_CONNECT_TIMEOUT", "5"),
        ("REDIS_SENTINEL_MAX_RETRY_COUNT", "5"),
        ("REDIS_RECONNECT_DELAY", "1000"),
        ("REDIS_KEY_PREFIX", "open-webui"),
        ("UVICORN_WORKERS", "4"),
        ("CORS_ALLOW_ORIGIN", "https://my-open-webui.com"),
        ("WEBSOCKET_REDIS_OPTIONS", r#"{"socket_connect_timeout": 5}"#),
    ]);
    let config = &loaded.config;
    assert_eq!(config.redis.topology(), Topology::Standalone);
    assert_eq!(config.redis.sentinel_max_retry_count, 5);
    assert_eq!(config.redis.reconnect_delay, Some(Duration::from_secs(1)));
    assert_eq!(config.websocket.manager, SocketManager::Redis);
    assert_eq!(config.websocket.redis_url.as_ref().map(|url| url.database), Some(1));
    let options = config.websocket.redis_options.as_ref().expect("options");
    assert_eq!(options["socket_connect_timeout"], 5);
    assert!(config.cors.origins.allows("https://my-open-webui.com"));
    assert!(!config.cors.origins.allows("https://other.example"));
    assert_eq!(config.server.workers, 4);
    let texts: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["UVICORN_WORKERS: 4 worker threads serve in one process. They need no Redis."]);
}

#[test]
fn the_cluster_example_works() {
    let url = "rediss://your-cluster-endpoint:6379/0";
    let loaded = loaded(&[
        ("REDIS_URL", url),
        ("REDIS_CLUSTER", "true"),
        ("WEBSOCKET_MANAGER", "redis"),
        ("WEBSOCKET_REDIS_URL", url),
        ("WEBSOCKET_REDIS_CLUSTER", "true"),
    ]);
    assert_eq!(loaded.config.redis.topology(), Topology::Cluster);
    assert!(loaded.config.redis.url.is_some_and(|url| url.tls.is_some()));
}

#[test]
fn the_socket_variables_follow_the_main_ones() {
    let loaded =
        loaded(&[("REDIS_URL", "redis://a/2"), ("REDIS_CLUSTER", "True"), ("WEBSOCKET_MANAGER", "redis")]);
    assert!(loaded.config.websocket.redis_cluster);
    assert_eq!(
        effective(&loaded, "WEBSOCKET_REDIS_URL"),
        ("redis://a:6379/2".to_owned(), "derived".to_owned())
    );
    assert_eq!(
        notices(&loaded, "REDIS_URL"),
        ["a cluster has database 0 only, so /2 has no effect. Write /0."]
    );
}

#[test]
fn sentinel_wins_over_cluster_and_needs_a_master() {
    let loaded = loaded(&[
        ("REDIS_URL", "redis://MyMaster/0"),
        ("REDIS_SENTINEL_HOSTS", "one, two ,three"),
        ("REDIS_CLUSTER", "true"),
        ("WEBSOCKET_MANAGER", "redis"),
    ]);
    assert_eq!(loaded.config.redis.topology(), Topology::Sentinel);
    let hosts: Vec<_> = loaded.config.redis.sentinel_hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(hosts, ["one", "two", "three"]);
    assert_eq!(loaded.config.redis.url.as_ref().map(|url| url.host.as_str()), Some("MyMaster"));
    assert_eq!(notices(&loaded, "REDIS_CLUSTER").len(), 1);

    let errors = attempt(&[("REDIS_SENTINEL_HOSTS", "one")]).expect_err("no master").0;
    assert_eq!(errors[0].variable, "REDIS_SENTINEL_HOSTS");
}

#[test]
fn sentinels_have_ports_credentials_and_a_nameless_master() {
    let loaded = loaded(&[
        ("REDIS_URL", "rediss://:pw@/0"),
        ("REDIS_SENTINEL_HOSTS", "one:26380,[::1]:26381"),
        ("ANTIPHON_REDIS_SENTINEL_USERNAME", "watcher"),
        ("ANTIPHON_REDIS_SENTINEL_PASSWORD", "hunter2"),
        ("ANTIPHON_REDIS_SENTINEL_TLS", "false"),
    ]);
    let redis = &loaded.config.redis;
    assert_eq!(redis.url.as_ref().map(|url| url.host.as_str()), Some(""));
    let ports: Vec<_> = redis.sentinel_hosts.iter().map(|host| host.port).collect();
    assert_eq!(ports, [Some(26380), Some(26381)]);
    assert_eq!(redis.sentinel_username.as_deref(), Some("watcher"));
    assert_eq!(redis.sentinel_password.as_ref().map(Secret::reveal), Some("hunter2"));
    assert_eq!(redis.sentinel_tls, Some(false));
    assert!(!loaded.report.to_string().contains("hunter2"));

    let errors = attempt(&[("REDIS_URL", "redis:///0"), ("WEBSOCKET_REDIS_URL", "redis://a/0")]);
    let errors = errors.expect_err("a host is missing").0;
    assert_eq!((errors.len(), errors[0].variable.as_str()), (1, "REDIS_URL"));
    assert!(attempt(&[("REDIS_URL", "redis://m/0"), ("REDIS_SENTINEL_HOSTS", "one:x")]).is_err());
}

#[test]
fn defaults_without_redis() {
    let config = loaded(&[]).config;
    assert_eq!(config.redis.topology(), Topology::Memory);
    assert_eq!(config.redis.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.redis.socket_timeout, Duration::from_secs(5));
    assert_eq!(config.redis.task_ttl, Some(Duration::from_mins(5)));
    assert_eq!(config.redis.health_check_interval, None);
    assert_eq!(config.websocket.manager, SocketManager::Memory);
    assert_eq!(config.websocket.heartbeat_interval, None);
    assert_eq!(config.websocket.presence_timeout(), Duration::from_mins(2));
    assert!(config.websocket.enabled && config.websocket.room_channels);
}

#[test]
fn empty_texts_mean_the_same_as_none() {
    let loaded =
        loaded(&[("REDIS_URL", ""), ("REDIS_HEALTH_CHECK_INTERVAL", ""), ("REDIS_RECONNECT_DELAY", "")]);
    assert_eq!(loaded.config.redis.health_check_interval, None);
    assert_eq!(loaded.config.redis.reconnect_delay, None);
    assert!(
        loaded.notices.iter().all(|notice| notice.subject == "CORS_ALLOW_ORIGIN"),
        "{:?}",
        loaded.notices
    );
}

#[test]
fn a_manager_without_redis_stops_the_start() {
    let errors = attempt(&[("WEBSOCKET_MANAGER", "redis")]).expect_err("no Redis").0;
    assert_eq!(errors.len(), 1);
    assert!(errors[0].fix.contains("REDIS_URL"), "{}", errors[0]);
}

#[test]
fn misspelt_names_are_noticed() {
    let loaded = loaded(&[
        ("REDIS_ULR", "x"),
        ("WEBSOCKET_REDIS_OPTION", "{}"),
        ("WEBUI_SECRET", "x"),
        ("REDIS_COMPLETELY_DIFFERENT_THING", "x"),
        ("OTHER_NAME", "x"),
    ]);
    assert!(notices(&loaded, "REDIS_ULR")[0].ends_with("Did you mean REDIS_URL?"));
    assert!(notices(&loaded, "WEBSOCKET_REDIS_OPTION")[0].ends_with("Did you mean WEBSOCKET_REDIS_OPTIONS?"));
    assert_eq!(notices(&loaded, "REDIS_COMPLETELY_DIFFERENT_THING").len(), 1);
    assert_eq!(notices(&loaded, "WEBUI_SECRET").len(), 1);
    assert_eq!(notices(&loaded, "OTHER_NAME").len(), 0);
}

#[test]
fn variables_that_kubernetes_sets_do_no_harm() {
    let loaded = loaded(&[
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_SENTINEL_PORT", "tcp://10.0.0.2:26379"),
        ("DATABASE_PORT", "tcp://10.0.0.3:5432"),
    ]);
    assert_eq!(loaded.config.redis.sentinel_port, 26379);
    assert!(
        loaded.notices.iter().all(|notice| notice.subject == "CORS_ALLOW_ORIGIN"),
        "{:?}",
        loaded.notices
    );
}
