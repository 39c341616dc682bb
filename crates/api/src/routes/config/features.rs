//! Which features are on, for each kind of caller.

use super::built;
use antiphon_config::{Config, Settings};
use serde_json::{Map, Value, json};

/// What somebody who is not signed in must know.
pub(super) fn public(config: &Config, settings: &Settings) -> Map<String, Value> {
    let features = json!({
        // No speech, search or embedding engine runs inside the server, as in the slim edition of the reference.
        "slim": true,
        "auth": config.auth.enabled,
        "auth_trusted_header": false,
        "enable_signup_password_confirmation": false,
        "enable_ldap": false,
        "enable_signup": config.auth.enabled && config.auth.password_auth && settings.sign_in.enable_signup,
        "enable_login_form": settings.sign_in.enable_login_form && config.auth.password_auth,
        "enable_websocket": config.websocket.enabled,
    });
    object(features)
}

/// What the page of somebody who is signed in must know besides.
pub(super) fn signed_in(config: &Config, settings: &Settings) -> Map<String, Value> {
    let mut all = Map::new();
    if let Some(interval) = config.websocket.heartbeat_interval {
        all.insert("websocket_heartbeat_interval".to_owned(), json!(interval.as_secs()));
    }
    all.extend(object(account(config, settings)));
    all.extend(object(parts(settings)));
    all.extend(object(chat(settings)));
    all.extend(object(administration(config)));
    all
}

fn account(config: &Config, settings: &Settings) -> Value {
    let (sign_in, interface) = (&settings.sign_in, &settings.interface);
    json!({
        "enable_api_keys": sign_in.enable_api_keys,
        "enable_password_change_form": sign_in.enable_password_change_form && config.auth.password_auth,
        "enable_version_update_check": false,
        "enable_public_active_users_count": config.features.public_active_users,
        "enable_easter_eggs": false,
        "enable_user_webhooks": interface.enable_user_webhooks && built::USER_WEBHOOKS,
        "enable_user_status": interface.enable_user_status,
        "enable_community_sharing": interface.enable_community_sharing,
    })
}

/// Parts of the product beside the chat.
fn parts(settings: &Settings) -> Value {
    let features = &settings.features;
    let channels = features.channels && built::CHANNELS;
    json!({
        "enable_direct_connections": features.direct_connections && built::DIRECT_CONNECTIONS,
        "enable_direct_integrations": features.direct_integrations && built::DIRECT_INTEGRATIONS,
        "enable_plugins": false,
        "enable_tools": false,
        "enable_functions": false,
        "enable_tool_servers": false,
        "enable_tool_permissions": false,
        "enable_terminal_servers": false,
        "enable_subagents": false,
        "enable_folders": features.folders && built::FOLDERS,
        "folder_max_file_count": features.folder_max_file_count,
        "enable_channels": channels,
        "enable_encrypted_channels": channels && features.encrypted_channels,
        "enable_apps": features.apps && built::APPS,
        "enable_calendar": features.calendar && built::CALENDAR,
        "enable_automations": features.automations && built::AUTOMATIONS,
        "enable_notes": features.notes && built::NOTES,
        "enable_memories": features.memories && built::MEMORIES,
        "enable_google_drive_integration": false,
        "enable_onedrive_integration": false,
    })
}

fn chat(settings: &Settings) -> Value {
    let (features, tasks) = (&settings.features, &settings.tasks);
    json!({
        "enable_context_compaction": false,
        "enable_web_search": false,
        "enable_web_search_confirmation": false,
        "web_search_confirmation_content": "",
        "enable_pyodide_file_persistence": false,
        // Code that a person runs from an answer runs in the browser; the server has no part in it.
        "enable_code_execution": features.code_execution && features.code_execution_engine == "pyodide",
        "enable_code_interpreter": features.code_interpreter && built::CODE_INTERPRETER,
        "enable_image_generation": false,
        "enable_autocomplete_generation": tasks.autocomplete && built::AUTOCOMPLETE,
        "enable_title_generation": tasks.title,
        "enable_follow_up_generation": tasks.follow_up,
        "enable_tags_generation": tasks.tags,
        "enable_message_rating": settings.interface.enable_message_rating,
    })
}

fn administration(config: &Config) -> Value {
    json!({
        "enable_admin_export": config.auth.admin_export,
        "enable_admin_chat_access": config.auth.admin_chat_access,
        "enable_admin_analytics": false,
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
