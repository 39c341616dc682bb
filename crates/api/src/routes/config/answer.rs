//! `GET /api/config`: the first thing that a page asks.
//!
//! The caller is known by the cookie or a token. Who is not, or not any more, gets the public part; so nobody is kept
//! from the sign-in form by an old cookie.

use super::features;
use crate::App;
use crate::http::{ApiResult, guard};
use antiphon_config::{Config, Settings};
use antiphon_storage::Role;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Map, Value, json};

/// `GET /api/config`
pub(super) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> ApiResult<axum::Json<Value>> {
    let settings = app.settings();
    let (config, settings) = (app.config.as_ref(), settings.as_ref());
    let role = match guard::identify(&app, &headers, uri.path()).await {
        Ok(session) => Some(session.identity.role),
        // Who it is cannot be told now; the public part would look like a sign-out.
        Err(error) if error.status() == StatusCode::SERVICE_UNAVAILABLE => return Err(error),
        Err(_) => None,
    };
    let mut answer = public(&app, config, settings);
    match role {
        None => {
            if config.auth.enabled && is_new(&app).await {
                answer.insert("onboarding".to_owned(), Value::Bool(true));
            }
        }
        Some(Role::Pending) => {
            answer.insert("ui".to_owned(), Value::Object(pending_overlay(settings)));
        }
        Some(Role::User | Role::Admin) => add_signed_in(&mut answer, config, settings),
    }
    Ok(axum::Json(Value::Object(answer)))
}

/// Whether the server has no account yet. When the database does not tell, the page is shown as on any other day.
async fn is_new(app: &App) -> bool {
    app.onboarding().has_accounts(&app.database).await.is_ok_and(|found| !found)
}

fn public(app: &App, config: &Config, settings: &Settings) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("status".to_owned(), json!(true));
    answer.insert("name".to_owned(), json!(config.server.name));
    answer.insert("version".to_owned(), json!(crate::COMPATIBLE_VERSION));
    answer.insert("default_locale".to_owned(), json!(settings.interface.default_locale));
    answer.insert("i18n".to_owned(), json!(settings.interface.i18n));
    let providers = app.external.providers(&settings.oauth);
    let providers: Map<String, Value> =
        providers.iter().map(|provider| (provider.id().to_owned(), json!(provider.name()))).collect();
    let oauth = json!({ "providers": providers, "auto_redirect": settings.oauth.auto_redirect });
    answer.insert("oauth".to_owned(), oauth);
    answer.insert("features".to_owned(), Value::Object(features::public(config, settings)));
    answer
}

fn pending_overlay(settings: &Settings) -> Map<String, Value> {
    let interface = &settings.interface;
    Map::from_iter([
        ("pending_user_overlay_title".to_owned(), json!(interface.pending_user_overlay_title)),
        ("pending_user_overlay_content".to_owned(), json!(interface.pending_user_overlay_content)),
    ])
}

fn add_signed_in(answer: &mut Map<String, Value>, config: &Config, settings: &Settings) {
    if let Some(Value::Object(all)) = answer.get_mut("features") {
        all.extend(features::signed_in(config, settings));
    }
    let interface = &settings.interface;
    let mut ui = pending_overlay(settings);
    ui.insert("default_interface_settings".to_owned(), json!(interface.default_interface_settings));
    ui.insert("visibility".to_owned(), json!({}));
    ui.insert("response_watermark".to_owned(), json!(interface.watermark));
    ui.insert("iframe_csp".to_owned(), json!(""));
    let more = [
        ("default_models", json!(interface.default_models)),
        ("default_pinned_models", json!(interface.default_pinned_models)),
        ("default_prompt_suggestions", json!(interface.prompt_suggestions)),
        ("default_prompt_suggestions_i18n", json!(interface.prompt_suggestions_i18n)),
        (
            "code",
            json!({
                "engine": settings.features.code_execution_engine,
                "interpreter_engine": settings.features.code_interpreter_engine,
            }),
        ),
        (
            "audio",
            json!({
                "realtime": { "enabled": false, "model": "", "voice": "" },
                "tts": { "engine": "", "voice": "", "split_on": "punctuation" },
                "stt": { "engine": "" },
            }),
        ),
        (
            "file",
            json!({ "max_size": null, "max_count": null, "image_compression": { "width": null, "height": null } }),
        ),
        ("permissions", json!(settings.permissions)),
        ("google_drive", json!({ "client_id": "", "api_key": "" })),
        (
            "onedrive",
            json!({
                "client_id_personal": "", "client_id_business": "",
                "sharepoint_url": "", "sharepoint_tenant_id": "",
            }),
        ),
        ("ui", Value::Object(ui)),
        ("license_metadata", Value::Null),
    ];
    answer.extend(more.map(|(name, value)| (name.to_owned(), value)));
}
