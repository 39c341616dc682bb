//! The forms of the administrator's pages: upper-case names on the wire, keys of settings behind them.

use serde_json::{Map, Value};

use super::Settings;
use crate::error::SettingError;

/// One form: its field names, each with the key of the setting behind it, in the order of the wire.
#[derive(Clone, Copy, Debug)]
pub struct Form(&'static [(&'static str, &'static str)]);

/// `/api/v1/auths/admin/config`
pub const ADMIN: Form = Form(&[
    ("ENABLE_MFA", "auth.mfa.enable"),
    ("MFA_ALLOW_OAUTH_BYPASS", "auth.mfa.allow_oauth_bypass"),
    ("MFA_ALLOW_TRUSTED_HEADER_BYPASS", "auth.mfa.allow_trusted_header_bypass"),
    ("SHOW_ADMIN_DETAILS", "auth.admin.show"),
    ("ADMIN_EMAIL", "auth.admin.email"),
    ("WEBUI_URL", "webui.url"),
    ("ENABLE_LOGIN_FORM", "ui.enable_login_form"),
    ("ENABLE_SIGNUP", "ui.enable_signup"),
    ("ENABLE_API_KEYS", "auth.enable_api_keys"),
    ("ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS", "auth.api_key.endpoint_restrictions"),
    ("API_KEYS_ALLOWED_ENDPOINTS", "auth.api_key.allowed_endpoints"),
    ("DEFAULT_USER_ROLE", "ui.default_user_role"),
    ("DEFAULT_GROUP_ID", "ui.default_group_id"),
    ("DEFAULT_INTERFACE_SETTINGS", "ui.default_interface_settings"),
    ("I18N", "ui.i18n"),
    ("JWT_EXPIRES_IN", "auth.jwt_expiry"),
    ("ENABLE_COMMUNITY_SHARING", "ui.enable_community_sharing"),
    ("ENABLE_MESSAGE_RATING", "ui.enable_message_rating"),
    ("ENABLE_FOLDERS", "folders.enable"),
    ("FOLDER_MAX_FILE_COUNT", "folders.max_file_count"),
    ("AUTOMATION_MAX_COUNT", "automations.max_count"),
    ("AUTOMATION_MIN_INTERVAL", "automations.min_interval"),
    ("ENABLE_AUTOMATIONS", "automations.enable"),
    ("ENABLE_CHANNELS", "channels.enable"),
    ("ENABLE_ENCRYPTED_CHANNELS", "channels.encryption.enable"),
    ("ENABLE_APPS", "apps.enable"),
    ("CHANNEL_MODEL_RESPONSE_MODE", "channels.model_response_mode"),
    ("ENABLE_CALENDAR", "calendar.enable"),
    ("ENABLE_MEMORIES", "memories.enable"),
    ("ENABLE_MEMORY_SYSTEM_CONTEXT", "memories.system_context.enable"),
    ("ENABLE_SKILL_LAZY_LOADING", "skills.lazy_loading.enable"),
    ("SKILL_CONTENT_MAX_CHARS", "skills.content_max_chars"),
    ("SKILL_PREVIEW_MAX_CHARS", "skills.preview_max_chars"),
    ("ENABLE_NOTES", "notes.enable"),
    ("ENABLE_USER_WEBHOOKS", "ui.enable_user_webhooks"),
    ("ENABLE_USER_STATUS", "users.enable_status"),
    ("PENDING_USER_OVERLAY_TITLE", "ui.pending_user_overlay_title"),
    ("PENDING_USER_OVERLAY_CONTENT", "ui.pending_user_overlay_content"),
    ("RESPONSE_WATERMARK", "ui.watermark"),
]);

/// `/api/v1/auths/admin/config/oauth`; see [`super::oauth_form`] for what its fields look like on the wire.
pub const OAUTH: Form = Form(&[
    ("ENABLE_OAUTH", "oauth.enable"),
    ("ENABLE_OAUTH_SIGNUP", "oauth.enable_signup"),
    ("OAUTH_MERGE_ACCOUNTS_BY_EMAIL", "oauth.merge_accounts_by_email"),
    ("OAUTH_AUTO_REDIRECT", "oauth.auto_redirect"),
    ("OAUTH_ALLOWED_DOMAINS", "oauth.allowed_domains"),
    ("OAUTH_BLOCKED_GROUPS", "oauth.blocked_groups"),
    ("ENABLE_OAUTH_ROLE_MANAGEMENT", "oauth.enable_role_mapping"),
    ("OAUTH_ROLES_CLAIM", "oauth.roles_claim"),
    ("OAUTH_ADMIN_ROLES", "oauth.admin_roles"),
    ("OAUTH_ALLOWED_ROLES", "oauth.allowed_roles"),
    ("ENABLE_OAUTH_GROUP_MANAGEMENT", "oauth.enable_group_mapping"),
    ("ENABLE_OAUTH_GROUP_CREATION", "oauth.enable_group_creation"),
    ("OAUTH_GROUP_CLAIM", "oauth.group_claim"),
    ("OAUTH_GROUP_DEFAULT_SHARE", "oauth.group_default_share"),
    ("OAUTH_PROVIDER_NAME", "oauth.provider_name"),
    ("OPENID_PROVIDER_URL", "oauth.provider_url"),
    ("OAUTH_CLIENT_ID", "oauth.client_id"),
    ("OAUTH_CLIENT_SECRET", "oauth.client_secret"),
    ("OPENID_REDIRECT_URI", "oauth.redirect_uri"),
    ("OAUTH_SCOPES", "oauth.scopes"),
    ("OAUTH_CODE_CHALLENGE_METHOD", "oauth.code_challenge_method"),
    ("OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", "oauth.token_endpoint_auth_method"),
    ("OPENID_END_SESSION_ENDPOINT", "oauth.end_session_endpoint"),
    ("OAUTH_TIMEOUT", "oauth.timeout"),
    ("OAUTH_CLIENT_TIMEOUT", "oauth.client.timeout"),
    ("OAUTH_EMAIL_CLAIM", "oauth.email_claim"),
    ("OAUTH_USERNAME_CLAIM", "oauth.username_claim"),
    ("OAUTH_PICTURE_CLAIM", "oauth.picture_claim"),
    ("OAUTH_SUB_CLAIM", "oauth.sub_claim"),
    ("OAUTH_AUDIENCE", "oauth.audience"),
    ("OAUTH_UPDATE_EMAIL_ON_LOGIN", "oauth.update_email_on_login"),
    ("OAUTH_UPDATE_NAME_ON_LOGIN", "oauth.update_name_on_login"),
    ("OAUTH_UPDATE_PICTURE_ON_LOGIN", "oauth.update_picture_on_login"),
    ("OAUTH_REFRESH_TOKEN_INCLUDE_SCOPE", "oauth.refresh_token.include_scope"),
]);

/// `/api/v1/tasks/config`
pub const TASKS: Form = Form(&[
    ("TASK_MODEL", "task.model.default"),
    ("TASK_MODEL_EXTERNAL", "task.model.external"),
    ("TASK_MODEL_PARAMS", "task.model.params"),
    ("TITLE_GENERATION_PROMPT_TEMPLATE", "task.title.prompt_template"),
    ("IMAGE_PROMPT_GENERATION_PROMPT_TEMPLATE", "task.image.prompt_template"),
    ("ENABLE_AUTOCOMPLETE_GENERATION", "task.autocomplete.enable"),
    ("AUTOCOMPLETE_GENERATION_INPUT_MAX_LENGTH", "task.autocomplete.input_max_length"),
    ("AUTOCOMPLETE_GENERATION_PROMPT_TEMPLATE", "task.autocomplete.prompt_template"),
    ("TAGS_GENERATION_PROMPT_TEMPLATE", "task.tags.prompt_template"),
    ("FOLLOW_UP_GENERATION_PROMPT_TEMPLATE", "task.follow_up.prompt_template"),
    ("ENABLE_FOLLOW_UP_GENERATION", "task.follow_up.enable"),
    ("ENABLE_TAGS_GENERATION", "task.tags.enable"),
    ("ENABLE_TITLE_GENERATION", "task.title.enable"),
    ("ENABLE_SEARCH_QUERY_GENERATION", "task.query.search.enable"),
    ("ENABLE_RETRIEVAL_QUERY_GENERATION", "task.query.retrieval.enable"),
    ("QUERY_GENERATION_PROMPT_TEMPLATE", "task.query.prompt_template"),
    ("TOOLS_FUNCTION_CALLING_PROMPT_TEMPLATE", "task.tools.prompt_template"),
    ("ENABLE_VOICE_MODE_PROMPT", "task.voice.prompt.enable"),
    ("VOICE_MODE_PROMPT_TEMPLATE", "task.voice.prompt_template"),
]);

/// `/openai/config`
pub const OPENAI: Form = Form(&[
    ("ENABLE_OPENAI_API", "openai.enable"),
    ("OPENAI_API_BASE_URLS", "openai.api_base_urls"),
    ("OPENAI_API_KEYS", "openai.api_keys"),
    ("OPENAI_API_CONFIGS", "openai.api_configs"),
]);

/// `/ollama/config`
pub const OLLAMA: Form = Form(&[
    ("ENABLE_OLLAMA_API", "ollama.enable"),
    ("OLLAMA_BASE_URLS", "ollama.base_urls"),
    ("OLLAMA_API_CONFIGS", "ollama.api_configs"),
]);

/// `/api/v1/configs/models`
pub const MODELS: Form = Form(&[
    ("DEFAULT_MODELS", "ui.default_models"),
    ("DEFAULT_PINNED_MODELS", "ui.default_pinned_models"),
    ("MODEL_ORDER_LIST", "ui.model_order_list"),
    ("DEFAULT_MODEL_METADATA", "models.default_metadata"),
    ("DEFAULT_MODEL_PARAMS", "models.default_params"),
]);

/// `/api/v1/configs/connections`
pub const CONNECTIONS: Form = Form(&[
    ("ENABLE_DIRECT_CONNECTIONS", "direct.enable"),
    ("ENABLE_DIRECT_INTEGRATIONS", "direct.integrations.enable"),
    ("ENABLE_BASE_MODELS_CACHE", "models.base_models_cache"),
]);

impl Form {
    /// Field names and keys, in the order of the wire.
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        self.0
    }

    /// The form filled from the settings, secrets included: for administrators only.
    pub fn fill(self, settings: &Settings) -> Value {
        let fields =
            self.0.iter().map(|(field, key)| ((*field).to_owned(), settings.get(key).unwrap_or_default()));
        Value::Object(fields.collect::<Map<_, _>>())
    }

    /// Applies a filled form and returns the keys whose value changed, with the new value as it is to be stored.
    ///
    /// Fields that are missing stay as they are, unknown ones are ignored. After an error nothing has changed.
    pub fn apply(
        self,
        settings: &mut Settings,
        form: &Value,
    ) -> Result<Vec<(&'static str, Value)>, SettingError> {
        let form = form.as_object().ok_or(SettingError::NotAnObject)?;
        let mut changed = settings.clone();
        let mut rows = Vec::new();
        for (field, key) in self.0 {
            let Some(value) = form.get(*field) else { continue };
            changed.apply(key, value)?;
            let stored = changed.get(key);
            if let Some(stored) = stored.filter(|stored| Some(stored) != settings.get(key).as_ref()) {
                rows.push((*key, stored));
            }
        }
        *settings = changed;
        Ok(rows)
    }
}
