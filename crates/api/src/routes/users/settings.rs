//! What an account keeps for its page: settings, and a small object about the person.

use crate::App;
use crate::http::{ApiResult, Caller, Json, Query};
use crate::routes::limits::check_size;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Most that the settings of an account take as JSON, in bytes. A background picture is among them.
const MAX_SETTINGS_BYTES: usize = 1024 * 1024;

/// Most that the object about the person takes as JSON, in bytes.
const MAX_INFO_BYTES: usize = 64 * 1024;

/// Part of the settings that has routes of its own.
pub(super) const VARIABLES: &str = "variables";

#[derive(Deserialize)]
pub(super) struct SettingsQuery {
    #[serde(default)]
    raw: bool,
}

/// `GET /api/v1/users/user/settings?raw`: null when there are none; unless `raw`, settings of the page that the
/// person has not chosen are those of the server (`DEFAULT_INTERFACE_SETTINGS`).
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<SettingsQuery>,
) -> ApiResult<axum::Json<Option<Value>>> {
    let mut shown = visible(app.database.users().settings(caller.user_id()).await?);
    let settings = app.settings();
    let defaults = &settings.interface.default_interface_settings;
    if !query.raw && !defaults.is_empty() {
        let mut all = Map::from_iter([("ui".to_owned(), Value::Object(defaults.clone()))]);
        if let Some(Value::Object(chosen)) = shown {
            merge(&mut all, chosen);
        }
        shown = Some(Value::Object(all));
    }
    Ok(axum::Json(shown))
}

/// `POST /api/v1/users/user/settings/update {ui: {…}}`: the given keys replace the stored ones, within `ui` as well.
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Json(mut given): Json<Map<String, Value>>,
) -> ApiResult<axum::Json<Option<Value>>> {
    given.remove(VARIABLES);
    let _lock = app.user_locks().lock(caller.user_id()).await;
    let mut settings = object(app.database.users().settings(caller.user_id()).await?);
    merge(&mut settings, given);
    let settings = Value::Object(settings);
    check_size("settings of an account", &settings, MAX_SETTINGS_BYTES)?;
    app.database.users().set_settings(caller.user_id(), &settings).await?;
    Ok(axum::Json(visible(Some(settings))))
}

/// `GET /api/v1/users/user/info`
pub(super) async fn read_info(
    State(app): State<App>,
    caller: Caller,
) -> ApiResult<axum::Json<Option<Value>>> {
    Ok(axum::Json(app.database.users().info(caller.user_id()).await?))
}

/// `POST /api/v1/users/user/info/update {…}`: the given keys replace the stored ones.
pub(super) async fn update_info(
    State(app): State<App>,
    caller: Caller,
    Json(given): Json<Map<String, Value>>,
) -> ApiResult<axum::Json<Value>> {
    let _lock = app.user_locks().lock(caller.user_id()).await;
    let mut info = object(app.database.users().info(caller.user_id()).await?);
    info.extend(given);
    let info = Value::Object(info);
    check_size("information about an account", &info, MAX_INFO_BYTES)?;
    app.database.users().set_info(caller.user_id(), &info).await?;
    Ok(axum::Json(json!(info)))
}

/// The object in a stored value.
pub(super) fn object(stored: Option<Value>) -> Map<String, Value> {
    match stored {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// Settings without the part that has routes of its own; nothing when nothing else is there.
fn visible(stored: Option<Value>) -> Option<Value> {
    let mut settings = object(stored);
    settings.remove(VARIABLES);
    (!settings.is_empty()).then_some(Value::Object(settings))
}

/// Replaces by key; objects of the same key are merged by their keys.
fn merge(stored: &mut Map<String, Value>, given: Map<String, Value>) {
    for (key, value) in given {
        match (stored.get_mut(&key), value) {
            (Some(Value::Object(stored)), Value::Object(given)) => stored.extend(given),
            (_, value) => {
                stored.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(stored: Value, given: Value) -> Value {
        let mut stored = object(Some(stored));
        merge(&mut stored, object(Some(given)));
        Value::Object(stored)
    }

    #[test]
    fn given_keys_replace_and_others_stay() {
        assert_eq!(
            merged(json!({"ui": {"version": "1", "a": {"b": 1}}}), json!({"ui": {"a": {"c": 2}}})),
            json!({"ui": {"version": "1", "a": {"c": 2}}})
        );
        assert_eq!(merged(json!({"ui": {"a": 1}, "x": 1}), json!({"ui": null})), json!({"ui": null, "x": 1}));
        assert_eq!(merged(json!(null), json!({"ui": {"a": 1}})), json!({"ui": {"a": 1}}));
    }

    #[test]
    fn variables_are_not_shown_among_the_settings() {
        assert_eq!(visible(Some(json!({"ui": {}, "variables": {"a": "b"}}))), Some(json!({"ui": {}})));
        assert_eq!(visible(Some(json!({"variables": {}}))), None);
        assert_eq!(visible(None), None);
    }
}
