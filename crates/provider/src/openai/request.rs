//! Where requests to an OpenAI-compatible service go and how their bodies are completed.

use crate::connection::Connection;
use crate::http;
use serde_json::{Map, Value};
use url::Url;

/// Azure's `api-version` when the connection names none.
const AZURE_API_VERSION: &str = "2023-03-15-preview";

/// The address of an operation, such as `["chat", "completions"]`, for a model.
pub(crate) fn url(connection: &Connection, base: &Url, model: &str, operation: &[&str]) -> Url {
    if !connection.config.azure {
        return http::join(base, operation);
    }
    let mut url = if is_azure_v1(base) {
        http::join(base, operation)
    } else {
        let mut segments = vec!["openai", "deployments", model];
        segments.extend(operation);
        http::join(&without_openai(base), &segments)
    };
    add_version(connection, &mut url);
    url
}

/// The address of the list of models.
pub(crate) fn models_url(connection: &Connection, base: &Url) -> Url {
    if !connection.config.azure {
        return http::join(base, &["models"]);
    }
    let mut url = if is_azure_v1(base) {
        http::join(base, &["models"])
    } else {
        http::join(&without_openai(base), &["openai", "models"])
    };
    add_version(connection, &mut url);
    url
}

/// Azure's newer surface takes the model from the body and needs no version.
fn is_azure_v1(base: &Url) -> bool {
    base.path().trim_end_matches('/').ends_with("/openai/v1")
}

fn without_openai(base: &Url) -> Url {
    let mut url = base.clone();
    let path = base.path().trim_end_matches('/');
    url.set_path(path.strip_suffix("/openai").unwrap_or(path));
    url
}

fn add_version(connection: &Connection, url: &mut Url) {
    let version = match connection.config.api_version.as_str() {
        "" if is_azure_v1_path(url) => return,
        "" => AZURE_API_VERSION,
        version => version,
    };
    url.query_pairs_mut().append_pair("api-version", version);
}

fn is_azure_v1_path(url: &Url) -> bool {
    url.path().contains("/openai/v1/")
}

/// Completes the body of a chat request: the model's own id, and the name that reasoning models want for the limit.
pub(crate) fn complete_body(body: &mut Map<String, Value>, model: &str) {
    if takes_completion_limit(model)
        && let Some(limit) = body.remove("max_tokens")
    {
        body.entry("max_completion_tokens").or_insert(limit);
    }
    body.insert("model".into(), model.into());
}

/// OpenAI's reasoning models refuse `max_tokens`.
fn takes_completion_limit(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let numbered = |rest: &str| rest.chars().next().is_some_and(|digit| digit.is_ascii_digit());
    name.starts_with("gpt-5") || name.strip_prefix('o').is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{ConnectionConfig, Endpoint};
    use serde_json::json;

    fn address(base: &str, config: Value) -> (String, String) {
        let connection =
            Connection::openai(0, base, "", serde_json::from_value::<ConnectionConfig>(config).unwrap());
        let Endpoint::Fixed(base) = &connection.endpoint else { panic!("{base}") };
        (
            url(&connection, base, "gpt 4", &["chat", "completions"]).to_string(),
            models_url(&connection, base).to_string(),
        )
    }

    #[test]
    fn azure_names_the_deployment_in_the_path() {
        let expected = (
            "https://r.openai.azure.com/openai/deployments/gpt%204/chat/completions?api-version=v1"
                .to_owned(),
            "https://r.openai.azure.com/openai/models?api-version=v1".to_owned(),
        );
        for base in
            ["https://r.openai.azure.com", "https://r.openai.azure.com/", "https://r.openai.azure.com/openai"]
        {
            assert_eq!(address(base, json!({"azure": true, "api_version": "v1"})), expected);
        }
        assert_eq!(
            address("https://r.openai.azure.com/openai/v1/", json!({"azure": true})),
            (
                "https://r.openai.azure.com/openai/v1/chat/completions".to_owned(),
                "https://r.openai.azure.com/openai/v1/models".to_owned()
            )
        );
    }

    #[test]
    fn reasoning_models_get_their_own_limit() {
        for (model, name) in [
            ("o3-mini", "max_completion_tokens"),
            ("gpt-5-nano", "max_completion_tokens"),
            ("openai/o1", "max_completion_tokens"),
            ("gpt-4o", "max_tokens"),
            ("olmo", "max_tokens"),
        ] {
            let mut body = json!({"model": "p.x", "max_tokens": 5}).as_object().cloned().unwrap();
            complete_body(&mut body, model);
            assert_eq!(Value::Object(body), json!({"model": model, name: 5}));
        }
    }
}
