//! Values, wrong values, and what is said about them.

use std::time::Duration;

use antiphon_config::{
    DatabaseUrl, LogFormat, LogLevel, Mode, Origin, PasswordHash, ProviderTls, SameSite, Secret, Severity,
    SqliteFile,
};

use crate::{attempt, effective, loaded, notices};

#[test]
fn the_defaults_are_those_of_the_reference() {
    let config = loaded(&[]).config;
    assert_eq!(
        (config.server.host.as_str(), config.server.port, config.server.workers),
        ("0.0.0.0", 8080, 1)
    );
    assert_eq!(config.server.name, "Antiphon");
    assert_eq!(config.server.mode, Mode::Development);
    assert_eq!(config.database.url, DatabaseUrl::Sqlite(SqliteFile::Path("./data/webui.db".into())));
    assert!(config.database.sqlite.wal && config.database.run_migrations);
    assert_eq!(config.auth.password_hash, PasswordHash::Argon2);
    assert_eq!(config.auth.cookie_same_site, SameSite::Lax);
    assert!(!config.auth.cookie_secure && config.auth.enabled && config.auth.secret_key.is_none());
    assert!(config.auth.password_pattern.matches("Passw0rd!"));
    assert!(!config.auth.password_pattern.matches("password"));
    assert_eq!((config.logging.level, config.logging.format), (LogLevel::Info, LogFormat::Plain));
    assert_eq!(config.providers.total_timeout, None);
    assert_eq!(config.providers.model_list_timeout, Duration::from_secs(10));
    assert_eq!(config.providers.tls, ProviderTls::System);
    assert_eq!(config.headers.iter().count(), 0);
    assert!(config.persistence.enabled && !config.persistence.reset_on_start);
    assert!(config.local_model.enabled);
}

#[test]
fn all_errors_are_reported_together() {
    let errors = attempt(&[
        ("PORT", "eighty"),
        ("REDIS_URL", "http://:hunter2@redis/0"),
        ("DATABASE_URL", "mysql://root:hunter2@db/chat"),
        ("DEFAULT_USER_ROLE", "boss"),
        ("CORS_ALLOW_ORIGIN", "https://a.example;chat.example.com"),
        ("JWT_EXPIRES_IN", "soon"),
        ("OPENAI_API_CONFIGS", "{\"0\": {\"api_key\": \"hunter2\""),
        ("PASSWORD_VALIDATION_REGEX_PATTERN", "(a"),
    ])
    .expect_err("errors");
    let mut variables: Vec<&str> = errors.0.iter().map(|error| error.variable.as_str()).collect();
    variables.sort_unstable();
    assert_eq!(
        variables,
        [
            "CORS_ALLOW_ORIGIN",
            "DATABASE_URL",
            "DEFAULT_USER_ROLE",
            "JWT_EXPIRES_IN",
            "OPENAI_API_CONFIGS",
            "PASSWORD_VALIDATION_REGEX_PATTERN",
            "PORT",
            "REDIS_URL",
        ]
    );
    let text = errors.to_string();
    assert!(text.starts_with("The configuration has 8 errors."), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    for part in [
        "PORT=eighty",
        "Allowed: pending, user or admin",
        "get the default pending",
        "chat.example.com\" is not",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn secrets_are_masked_everywhere() {
    let pairs = [
        ("WEBUI_SECRET_KEY", "hunter2"),
        ("WEBUI_ADMIN_PASSWORD", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@redis/0"),
        ("DATABASE_URL", "postgresql://u:hunter2@db/chat"),
        ("OPENAI_API_KEYS", "hunter2;hunter2"),
        ("OPENAI_API_KEY", "hunter2"),
        ("OPENAI_API_BASE_URL", "http://u:hunter2@models/v1"),
        ("FORWARD_USER_INFO_HEADER_JWT_SECRET", "hunter2"),
        ("WEBSOCKET_REDIS_OPTIONS", r#"{"password": "hunter2"}"#),
        ("WEBUI_JWT_SECRET_KEY", "hunter2"),
        ("OAUTH_CLIENT_SECRET", "hunter2"),
    ];
    let loaded = loaded(&pairs);
    let report = loaded.report.to_string();
    assert!(!report.contains("hunter2"), "{report}");
    assert!(!format!("{:?}", loaded.config.auth).contains("hunter2"));
    assert!(!format!("{:?}", loaded.config.database).contains("hunter2"));
    assert!(!format!("{:?}", loaded.config.redis).contains("hunter2"));
    assert!(!format!("{:?}", loaded.notices).contains("hunter2"));
    assert_eq!(loaded.config.auth.secret_key.as_ref().map(Secret::reveal), Some("hunter2"));
    assert_eq!(effective(&loaded, "REDIS_URL").0, "redis://:********@redis:6379/0");
    assert_eq!(effective(&loaded, "WEBUI_SECRET_KEY"), ("********".to_owned(), "environment".to_owned()));
    assert_eq!(effective(&loaded, "OPENAI_API_KEYS").0, "********");
}

#[test]
fn a_word_that_looks_true_counts_as_false_and_is_noticed() {
    let loaded = loaded(&[("ENABLE_SIGNUP", "1"), ("ENABLE_NOTES", "0")]);
    assert!(!loaded.config.settings.sign_in.enable_signup);
    let notice = &notices(&loaded, "ENABLE_SIGNUP")[0];
    assert!(notice.contains("\"1\" counts as false") && notice.contains("Write true"), "{notice}");
    assert!(notices(&loaded, "ENABLE_NOTES").is_empty());
}

#[test]
fn lenient_values_fall_back_and_are_noticed() {
    let loaded = loaded(&[
        ("UVICORN_WORKERS", "0"),
        ("REDIS_SENTINEL_MAX_RETRY_COUNT", "many"),
        ("REDIS_SOCKET_TIMEOUT", "0"),
        ("WEBSOCKET_HEARTBEAT_INTERVAL", "x"),
        ("WEBSOCKET_EVENT_CALLER_TIMEOUT", "x"),
        ("WEBSOCKET_REDIS_OPTIONS", "{"),
        ("AIOHTTP_CLIENT_TIMEOUT", "x"),
        ("REDIS_RECONNECT_DELAY", "-5"),
        ("GLOBAL_LOG_LEVEL", "LOUD"),
        ("WEBSOCKET_MANAGER", "rabbit"),
    ]);
    let config = &loaded.config;
    assert_eq!(config.server.workers, 1);
    assert_eq!(config.redis.sentinel_max_retry_count, 2);
    assert_eq!(config.redis.socket_timeout, Duration::from_secs(5));
    assert_eq!(config.websocket.heartbeat_interval, Some(Duration::from_secs(30)));
    assert_eq!(config.websocket.event_call_timeout, Some(Duration::from_mins(5)));
    assert_eq!(config.websocket.redis_options, None);
    assert_eq!(config.providers.total_timeout, Some(Duration::from_mins(5)));
    assert_eq!(config.redis.reconnect_delay, None);
    assert_eq!(config.logging.level, LogLevel::Info);
    for name in [
        "UVICORN_WORKERS",
        "REDIS_SENTINEL_MAX_RETRY_COUNT",
        "REDIS_SOCKET_TIMEOUT",
        "WEBSOCKET_HEARTBEAT_INTERVAL",
        "WEBSOCKET_EVENT_CALLER_TIMEOUT",
        "WEBSOCKET_REDIS_OPTIONS",
        "AIOHTTP_CLIENT_TIMEOUT",
        "REDIS_RECONNECT_DELAY",
        "GLOBAL_LOG_LEVEL",
        "WEBSOCKET_MANAGER",
    ] {
        assert_eq!(notices(&loaded, name).len(), 1, "{name}");
    }
    assert_eq!(
        notices(&loaded, "REDIS_SENTINEL_MAX_RETRY_COUNT"),
        ["the value \"many\" is not a whole number, so 2 is used. Allowed: a whole number from 1 to 1000."]
    );
}

#[test]
fn the_database_can_be_named_by_parts() {
    let parts = [
        ("DATABASE_URL", "sqlite:///other.db"),
        ("DATABASE_TYPE", "postgresql"),
        ("DATABASE_USER", "chat"),
        ("DATABASE_PASSWORD", "p@ss"),
        ("DATABASE_HOST", "db"),
        ("DATABASE_PORT", "5433"),
        ("DATABASE_NAME", "chat"),
    ];
    let whole = loaded(&parts);
    let DatabaseUrl::Postgres(url) = &whole.config.database.url else { panic!("PostgreSQL") };
    assert_eq!(url.connection_string().reveal(), "postgresql://chat:p%40ss@db:5433/chat");
    assert_eq!(
        effective(&whole, "DATABASE_URL"),
        ("postgresql://chat:********@db:5433/chat".to_owned(), "derived".to_owned())
    );

    let incomplete = loaded(&parts[..6]);
    assert_eq!(incomplete.config.database.url, DatabaseUrl::Sqlite(SqliteFile::Path("other.db".into())));
    assert!(incomplete.notices.iter().any(|notice| notice.text.contains("missing: DATABASE_NAME")));
}

#[test]
fn the_data_folder_moves_the_database() {
    let loaded = loaded(&[("DATA_DIR", "/srv/chat")]);
    assert_eq!(
        effective(&loaded, "DATABASE_URL"),
        ("sqlite:////srv/chat/webui.db".to_owned(), "derived".to_owned())
    );
}

#[test]
fn origins_are_trimmed_and_may_have_other_schemes() {
    let loaded = loaded(&[
        ("CORS_ALLOW_ORIGIN", "https://a.example ; app://local;"),
        ("CORS_ALLOW_CUSTOM_SCHEME", "app"),
    ]);
    assert!(loaded.config.cors.origins.allows("https://a.example"));
    assert!(loaded.config.cors.origins.allows("app://local"));
    for wrong in ["", ";", "*;https://a.example", "app://local"] {
        assert!(attempt(&[("CORS_ALLOW_ORIGIN", wrong)]).is_err(), "{wrong:?}");
    }
}

#[test]
fn variables_without_effect_are_noticed_only_when_set() {
    let set = loaded(&[("VECTOR_DB", "qdrant"), ("ENABLE_ORJSON", "true"), ("ENABLE_MFA", "true")]);
    assert!(notices(&set, "VECTOR_DB")[0].contains("no effect yet"));
    assert!(notices(&set, "ENABLE_ORJSON")[0].contains("no effect here"));
    assert!(notices(&set, "ENABLE_MFA")[0].contains("no effect yet"));
    assert_eq!(effective(&set, "VECTOR_DB").0, "qdrant");
    let unset = loaded(&[]);
    let warnings: Vec<_> =
        unset.notices.iter().filter(|notice| notice.severity == Severity::Warning).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn without_sign_in_nobody_signs_up() {
    let loaded = loaded(&[("WEBUI_AUTH", "false"), ("ENABLE_SIGNUP", "true")]);
    assert!(!loaded.config.settings.sign_in.enable_signup);
    assert_eq!(effective(&loaded, "ENABLE_SIGNUP").0, "false");
    assert_eq!(notices(&loaded, "WEBUI_AUTH").len(), 1);
}

#[test]
fn every_known_variable_is_in_the_report_once() {
    let loaded = loaded(&[]);
    let mut names: Vec<&str> = loaded.report.rows.iter().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(loaded.report.rows.iter().all(|row| row.origin != Origin::Environment));
    let page = antiphon_config::reference_markdown();
    for name in names {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn a_bad_default_is_reported_for_the_variable_that_holds_it() {
    let errors = attempt(&[("OPENAI_API_BASE_URL", "nonsense"), ("WEBUI_SESSION_COOKIE_SAME_SITE", "some")]);
    let errors = errors.expect_err("errors").0;
    let variables: Vec<&str> = errors.iter().map(|error| error.variable.as_str()).collect();
    assert_eq!(variables, ["WEBUI_SESSION_COOKIE_SAME_SITE", "OPENAI_API_BASE_URL"]);
}

#[test]
fn any_text_in_any_variable_gives_a_value_or_an_explained_error() {
    let names: Vec<&str> = loaded(&[]).report.rows.iter().map(|row| row.name).collect();
    for text in
        ["", " ", "true", "-1", "0", "99999999999999999999", "x", "é\u{0}\n", "{", "[]", "a;b,c", "://@:/?#"]
    {
        // Every variable is read before the first error ends the start, so one load tries them all.
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, text)).collect();
        let errors = attempt(&pairs).err().map(|errors| errors.0).unwrap_or_default();
        for error in errors {
            assert!(names.contains(&error.variable.as_str()) && !error.fix.is_empty(), "{error}");
        }
    }
}
