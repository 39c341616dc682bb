//! Connections to model services: their settings, their state, and trying one out. Administrators only.

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Json, Path, Route};
use antiphon_config::settings::forms;
use antiphon_config::settings::forms::Form;
use antiphon_provider::{Connection, ConnectionConfig, ConnectionKind, ConnectionState, ProviderError};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, User};
    vec![
        Route::get("/openai/config", Admin, openai_config),
        Route::post("/openai/config/update", Admin, update_openai_config),
        Route::post("/openai/verify", Admin, verify_openai),
        Route::get("/openai/models/{index}", Admin, openai_models),
        Route::get("/ollama/config", Admin, ollama_config),
        Route::post("/ollama/config/update", Admin, update_ollama_config),
        Route::post("/ollama/verify", Admin, verify_ollama),
        Route::get("/ollama/api/version", User, ollama_version),
        Route::get("/api/v1/antiphon/providers", Admin, statuses),
    ]
}

async fn openai_config(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::OPENAI.fill(&app.settings()))
}

async fn update_openai_config(
    State(app): State<App>,
    Json(form): Json<Value>,
) -> ApiResult<axum::Json<Value>> {
    update(&app, forms::OPENAI, &form).await
}

async fn ollama_config(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::OLLAMA.fill(&app.settings()))
}

async fn update_ollama_config(
    State(app): State<App>,
    Json(form): Json<Value>,
) -> ApiResult<axum::Json<Value>> {
    update(&app, forms::OLLAMA, &form).await
}

async fn update(app: &App, form: Form, filled: &Value) -> ApiResult<axum::Json<Value>> {
    app.settings.fill_in(form, filled).await?;
    app.connections.apply(&app.settings).await;
    Ok(axum::Json(form.fill(&app.settings())))
}

#[derive(Deserialize)]
struct VerifyForm {
    url: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
}

impl VerifyForm {
    fn config(&mut self) -> ApiResult<ConnectionConfig> {
        let config = Value::Object(self.config.take().unwrap_or_default());
        ConnectionConfig::deserialize(&config)
            .map_err(|error| ApiError::unprocessable("value_error", &["body", "config"], format!("{error}.")))
    }
}

/// `POST /openai/verify {url, key, config?}`: the service's list of models, or why there is none.
async fn verify_openai(
    State(app): State<App>,
    Json(mut form): Json<VerifyForm>,
) -> ApiResult<axum::Json<Value>> {
    let config = form.config()?;
    let connection = Connection::openai(0, &form.url, form.key, config);
    app.providers.verify(&connection).await.map(axum::Json).map_err(|error| refused(&error))
}

/// `POST /ollama/verify {url, key?}`: the server's version, or why there is none.
async fn verify_ollama(
    State(app): State<App>,
    Json(mut form): Json<VerifyForm>,
) -> ApiResult<axum::Json<Value>> {
    let config = form.config()?;
    let connection = Connection::ollama(0, &form.url, form.key, config);
    app.providers.verify(&connection).await.map(axum::Json).map_err(|error| refused(&error))
}

/// `GET /openai/models/{index}`: what one service lists.
async fn openai_models(State(app): State<App>, Path(index): Path<usize>) -> ApiResult<axum::Json<Value>> {
    match app.providers.upstream_models(ConnectionKind::OpenAi, index).await {
        None => Err(ApiError::not_found("There is no such connection.")),
        Some(listed) => listed.map(axum::Json).map_err(|error| refused(&error)),
    }
}

/// `GET /ollama/api/version`: `{version: false}` where there is no Ollama server.
async fn ollama_version(State(app): State<App>) -> axum::Json<Value> {
    let version = match app.providers.ollama_version(0).await {
        Some(Ok(answer)) => answer["version"].clone(),
        Some(Err(_)) | None => Value::Bool(false),
    };
    axum::Json(json!({ "version": version }))
}

/// `GET /api/v1/antiphon/providers`: how each connection fares, with the cause of a failure and the remedy.
async fn statuses(State(app): State<App>) -> axum::Json<Value> {
    let statuses: Vec<Value> = app
        .providers
        .statuses()
        .into_iter()
        .map(|status| {
            let name = match (status.kind, status.url.is_empty()) {
                (_, true) => "Local demonstration model",
                (ConnectionKind::OpenAi, false) => "OpenAI-compatible service",
                (ConnectionKind::Ollama, false) => "Ollama",
            };
            json!({
                "name": name, "url": status.url, "ok": status.state != ConnectionState::Failing,
                "state": status.state, "models": status.models, "stale": status.stale,
                "error": status.failure.as_ref().map(|failure| &failure.cause),
                "hint": status.failure.as_ref().map(|failure| &failure.remedy),
                "checked_at": status.checked_at,
            })
        })
        .collect();
    axum::Json(json!(statuses))
}

/// A service that did not do what an administrator asked of it: the cause and the remedy are the answer.
fn refused(error: &ProviderError) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, format!("{} {}", error.cause(), error.remedy()))
}
