//! Questions offered on an empty chat.

use crate::App;
use crate::http::{ApiError, ApiResult, Json};
use crate::routes::limits::check_texts;
use antiphon_config::PromptSuggestion;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Keys of the settings.
const SUGGESTIONS: &str = "ui.prompt_suggestions";
const TRANSLATIONS: &str = "ui.prompt_suggestions_i18n";

/// Most suggestions there may be.
const MAX_SUGGESTIONS: usize = 200;

#[derive(Deserialize)]
pub(super) struct SuggestionsForm {
    suggestions: Option<Vec<PromptSuggestion>>,
    #[serde(default)]
    i18n: Option<Map<String, Value>>,
}

/// `POST /api/v1/configs/suggestions {suggestions, i18n?}`: null takes back those of the page; without `i18n` the
/// translations stay.
pub(super) async fn change(
    State(app): State<App>,
    Json(form): Json<SuggestionsForm>,
) -> ApiResult<axum::Json<Value>> {
    if form.suggestions.as_ref().is_some_and(|suggestions| suggestions.len() > MAX_SUGGESTIONS) {
        return Err(ApiError::too_large(format!("At most {MAX_SUGGESTIONS} suggestions are kept.")));
    }
    let (suggestions, translations) = (json!(form.suggestions), form.i18n.map(Value::Object));
    check_texts(&suggestions)?;
    check_texts(translations.as_ref().unwrap_or(&Value::Null))?;
    let mut settings = app.settings.set(SUGGESTIONS, suggestions).await?;
    if let Some(translations) = translations {
        settings = app.settings.set(TRANSLATIONS, translations).await?;
    }
    let interface = &settings.interface;
    Ok(axum::Json(json!({
        "suggestions": interface.prompt_suggestions,
        "i18n": interface.prompt_suggestions_i18n,
    })))
}
