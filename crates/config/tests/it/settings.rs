//! The persistent settings.

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_config::settings::forms;
use antiphon_config::{Permissions, SettingError, Settings, UserRole};
use serde_json::{Value, json};

use crate::loaded;

fn settings() -> Settings {
    loaded(&[]).config.settings
}

#[test]
fn every_setting_can_be_read_and_stored() {
    let mut settings = settings();
    let rows = settings.rows();
    let keys: BTreeSet<&str> = rows.iter().map(|(key, _)| *key).collect();
    assert_eq!(rows.len(), Settings::keys().len());
    assert_eq!(keys.len(), rows.len(), "a key is used twice");
    for (key, value) in rows {
        settings.apply(key, &value).expect(key);
        assert_eq!(settings.get(key), Some(value), "{key}");
    }
}

#[test]
fn the_environment_seeds_the_settings() {
    let settings = loaded(&[
        ("ENABLE_SIGNUP", "false"),
        ("DEFAULT_USER_ROLE", "user"),
        ("JWT_EXPIRES_IN", "1h30m"),
        ("DEFAULT_MODELS", "a,b"),
        ("USER_PERMISSIONS_CHAT_DELETE", "false"),
        ("FOLDER_MAX_FILE_COUNT", "7"),
        ("DEFAULT_PROMPT_SUGGESTIONS", r#"[{"title":["a","b"],"content":"c"}]"#),
        ("WEBUI_BANNERS", r#"[{"id":"1","type":"info","content":"x","dismissible":true,"timestamp":1}]"#),
    ])
    .config
    .settings;
    assert_eq!(settings.get("ui.enable_signup"), Some(json!(false)));
    assert_eq!(settings.sign_in.default_user_role, UserRole::User);
    assert_eq!(settings.sign_in.jwt_expiry.duration(), Some(Duration::from_mins(90)));
    assert_eq!(settings.get("auth.jwt_expiry"), Some(json!("1h30m")));
    assert_eq!(settings.interface.default_models.as_deref(), Some("a,b"));
    assert!(!settings.permissions.chat.delete);
    assert_eq!(settings.get("folders.max_file_count"), Some(json!(7)));
    assert_eq!(settings.get("ui.prompt_suggestions"), Some(json!([{"title": ["a", "b"], "content": "c"}])));
    assert_eq!(settings.interface.banners[0].kind, "info");
}

#[test]
fn a_value_that_does_not_fit_changes_nothing() {
    let mut settings = settings();
    let error = settings.apply("ui.enable_signup", &json!("hunter2")).expect_err("not a boolean");
    assert_eq!(error.to_string(), "The value for ui.enable_signup does not fit: expected a boolean.");
    assert!(settings.sign_in.enable_signup);
    assert!(matches!(
        settings.apply("ui.default_user_role", &json!("boss")),
        Err(SettingError::Invalid { .. })
    ));
    assert!(matches!(settings.apply("auth.jwt_expiry", &json!("soon")), Err(SettingError::Invalid { .. })));
    assert!(matches!(settings.apply("no.such.key", &json!(1)), Err(SettingError::Unknown { .. })));
    assert_eq!(settings.get("no.such.key"), None);
}

#[test]
fn permissions_have_the_shape_that_the_page_reads() {
    let expected = json!({
        "workspace": {"models": false, "knowledge": false, "prompts": false, "tools": false, "skills": false,
            "models_import": false, "models_export": false, "models_hidden": false, "prompts_import": false,
            "prompts_export": false, "tools_import": false, "tools_export": false, "skills_import": false,
            "skills_export": false},
        "sharing": {"models": false, "public_models": false, "knowledge": false, "public_knowledge": false,
            "prompts": false, "public_prompts": false, "tools": false, "public_tools": false, "skills": false,
            "public_skills": false, "notes": false, "public_notes": false, "folders": false, "public_chats": false,
            "open_chats": false, "public_calendars": false},
        "access_grants": {"allow_users": true, "allow_groups": true},
        "chat": {"controls": true, "valves": true, "system_prompt": true, "params": true, "file_upload": true,
            "web_upload": true, "delete": true, "delete_message": true, "continue_response": true,
            "regenerate_response": true, "rate_response": true, "edit": true, "share": true, "export": true,
            "import": true, "stt": true, "tts": true, "call": true, "multiple_models": true, "temporary": true,
            "temporary_enforced": false},
        "features": {"api_keys": false, "notes": true, "channels": true, "encrypted_channels": false,
            "folders": true, "direct_tool_servers": false, "web_search": true, "image_generation": true,
            "code_interpreter": true, "memories": true, "automations": false, "calendar": true, "webhooks": false},
        "settings": {"interface": true}
    });
    assert_eq!(serde_json::to_value(Permissions::default()).expect("JSON"), expected);
    assert_eq!(settings().get("user.permissions"), Some(expected));
    let partial: Permissions =
        serde_json::from_value(json!({"chat": {"delete": false}})).expect("permissions");
    assert!(!partial.chat.delete && partial.chat.edit && partial.settings.interface);
}

#[test]
fn the_administrators_form_has_its_shape() {
    let expected = json!({
        "ENABLE_MFA": false, "MFA_ALLOW_OAUTH_BYPASS": false, "MFA_ALLOW_TRUSTED_HEADER_BYPASS": false,
        "SHOW_ADMIN_DETAILS": true, "ADMIN_EMAIL": null, "WEBUI_URL": "", "ENABLE_LOGIN_FORM": true,
        "ENABLE_SIGNUP": true, "ENABLE_API_KEYS": false, "ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS": false,
        "API_KEYS_ALLOWED_ENDPOINTS": "", "DEFAULT_USER_ROLE": "pending", "DEFAULT_GROUP_ID": "",
        "DEFAULT_INTERFACE_SETTINGS": {}, "I18N": {}, "JWT_EXPIRES_IN": "4w", "ENABLE_COMMUNITY_SHARING": true,
        "ENABLE_MESSAGE_RATING": true, "ENABLE_FOLDERS": true, "FOLDER_MAX_FILE_COUNT": "",
        "AUTOMATION_MAX_COUNT": "", "AUTOMATION_MIN_INTERVAL": "", "ENABLE_AUTOMATIONS": true,
        "ENABLE_CHANNELS": false, "ENABLE_ENCRYPTED_CHANNELS": false, "ENABLE_APPS": false,
        "CHANNEL_MODEL_RESPONSE_MODE": "thread", "ENABLE_CALENDAR": true, "ENABLE_MEMORIES": true,
        "ENABLE_MEMORY_SYSTEM_CONTEXT": true, "ENABLE_SKILL_LAZY_LOADING": false, "SKILL_CONTENT_MAX_CHARS": null,
        "SKILL_PREVIEW_MAX_CHARS": null, "ENABLE_NOTES": true, "ENABLE_USER_WEBHOOKS": false,
        "ENABLE_USER_STATUS": true, "PENDING_USER_OVERLAY_TITLE": "", "PENDING_USER_OVERLAY_CONTENT": "",
        "RESPONSE_WATERMARK": ""
    });
    assert_eq!(forms::ADMIN.fill(&settings()), expected);
}

#[test]
fn every_form_names_existing_settings() {
    let known: BTreeSet<&str> = Settings::keys().into_iter().collect();
    for form in [
        forms::ADMIN,
        forms::OAUTH,
        forms::TASKS,
        forms::OPENAI,
        forms::OLLAMA,
        forms::MODELS,
        forms::CONNECTIONS,
    ] {
        for (field, key) in form.fields() {
            assert!(known.contains(key), "{field}: {key}");
        }
    }
}

#[test]
fn a_form_is_applied_whole_or_not_at_all() {
    let mut settings = settings();
    let form = json!({"ENABLE_SIGNUP": false, "ENABLE_NOTES": true, "UNKNOWN": 1});
    let changed = forms::ADMIN.apply(&mut settings, &form).expect("applied");
    assert_eq!(changed, [("ui.enable_signup", json!(false))]);
    let broken = json!({"ENABLE_SIGNUP": true, "JWT_EXPIRES_IN": "soon"});
    assert!(forms::ADMIN.apply(&mut settings, &broken).is_err());
    assert!(!settings.sign_in.enable_signup);
    assert!(matches!(forms::ADMIN.apply(&mut settings, &Value::Null), Err(SettingError::NotAnObject)));
}

#[test]
fn api_keys_may_be_bound_to_paths() {
    let mut settings = settings();
    assert_eq!(settings.sign_in.api_key_paths(), None);
    settings.apply("auth.api_key.endpoint_restrictions", &json!(true)).expect("applied");
    settings.apply("auth.api_key.allowed_endpoints", &json!("/api/models, /api/chat")).expect("applied");
    assert_eq!(settings.sign_in.api_key_paths(), Some(vec!["/api/models", "/api/chat"]));
}
