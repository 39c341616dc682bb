//! The reference page in the documentation.

use std::path::Path;

use antiphon_config::reference_markdown;

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/environment.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == reference_markdown(),
        "docs/reference/environment.md does not match the tables in crates/config. Renew it with: cargo run -- config reference"
    );
}

#[test]
fn every_variable_of_the_guide_is_explained() {
    let page = reference_markdown();
    for name in [
        "REDIS_URL",
        "REDIS_CLUSTER",
        "REDIS_KEY_PREFIX",
        "REDIS_SENTINEL_HOSTS",
        "REDIS_SENTINEL_MAX_RETRY_COUNT",
        "REDIS_RECONNECT_DELAY",
        "REDIS_SOCKET_CONNECT_TIMEOUT",
        "ENABLE_WEBSOCKET_SUPPORT",
        "WEBSOCKET_MANAGER",
        "WEBSOCKET_REDIS_URL",
        "WEBSOCKET_REDIS_CLUSTER",
        "WEBSOCKET_REDIS_OPTIONS",
        "ENABLE_STAR_SESSIONS_MIDDLEWARE",
        "UVICORN_WORKERS",
        "CORS_ALLOW_ORIGIN",
        "VECTOR_DB",
        "CHROMA_HTTP_HOST",
        "CHROMA_HTTP_PORT",
        "ENABLE_OTEL",
    ] {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn every_row_of_the_page_has_four_cells() {
    for line in reference_markdown().lines().filter(|line| line.starts_with("| `")) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(bars, 5, "{line}");
        assert!(line.contains(". |") || line.contains(".* |"), "the meaning is a sentence: {line}");
    }
}
