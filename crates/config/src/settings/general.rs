//! Settings about the page, sign-up and what people see.

use serde_json::{Map, Value};

use crate::registry::{setting, settings, variable};
use crate::rules::{Bool, Choice, Json, List, Separator, Text, optional};
use crate::values::{Banner, PromptSuggestion, ROLES, TokenLifetime, TokenLifetimeRule, UserRole};

settings! {
    /// Sign-up, sign-in and API keys.
    pub struct SignIn, "Sign-up and API keys" {
        /// Lets people sign up themselves; the first one becomes administrator and turns it off.
        enable_signup: bool = variable("ENABLE_SIGNUP", Bool).or("true").key("ui.enable_signup");
        /// Shows the form for sign-in with a password.
        enable_login_form: bool = variable("ENABLE_LOGIN_FORM", Bool).or("true").key("ui.enable_login_form");
        /// Shows the form to change the own password.
        enable_password_change_form: bool =
            variable("ENABLE_PASSWORD_CHANGE_FORM", Bool).or("true").key("ui.enable_password_change_form");
        /// Role of people who have just signed up; `pending` has to be let in by an administrator.
        default_user_role: UserRole =
            variable("DEFAULT_USER_ROLE", Choice::strict(ROLES)).or("pending").key("ui.default_user_role");
        /// Group of people who have just signed up.
        default_group_id: String = variable("DEFAULT_GROUP_ID", Text).or("").key("ui.default_group_id");
        /// How long a sign-in lasts.
        jwt_expiry: TokenLifetime = variable("JWT_EXPIRES_IN", TokenLifetimeRule).or("4w").key("auth.jwt_expiry");
        /// Lets people make API keys.
        enable_api_keys: bool = variable("ENABLE_API_KEYS", Bool).or("false").key("auth.enable_api_keys");
        /// Restricts API keys to the paths below.
        api_key_restrictions: bool = variable("ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS", Bool)
            .or("false")
            .key("auth.api_key.endpoint_restrictions");
        /// Starts of the paths that API keys may use, separated by commas.
        api_key_endpoints: String =
            variable("API_KEYS_ALLOWED_ENDPOINTS", Text).or("").key("auth.api_key.allowed_endpoints");
        /// Asks for a second factor.
        mfa: bool = variable("ENABLE_MFA", Bool).or("false").key("auth.mfa.enable").reserved();
        /// Asks for no second factor after external sign-in.
        mfa_oauth_bypass: bool =
            variable("MFA_ALLOW_OAUTH_BYPASS", Bool).or("false").key("auth.mfa.allow_oauth_bypass").reserved();
        /// Asks for no second factor when a proxy has signed the user in.
        mfa_trusted_header_bypass: bool = variable("MFA_ALLOW_TRUSTED_HEADER_BYPASS", Bool)
            .or("false")
            .key("auth.mfa.allow_trusted_header_bypass")
            .reserved();
        /// Tells people who wait for approval whom to ask.
        show_admin_details: bool = variable("SHOW_ADMIN_DETAILS", Bool).or("true").key("auth.admin.show");
        /// E-mail address shown to them; the first administrator's when empty.
        admin_email: Option<String> = variable("ADMIN_EMAIL", optional(Text)).key("auth.admin.email");
    }
}

impl SignIn {
    /// Starts of the paths that API keys may use; `None` when they may use every path.
    pub fn api_key_paths(&self) -> Option<Vec<&str>> {
        let paths =
            self.api_key_endpoints.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
        self.api_key_restrictions.then_some(paths)
    }
}

settings! {
    /// What the page shows.
    pub struct Interface, "Page" {
        /// Public address of the server, for links.
        url: String = variable("WEBUI_URL", Text).or("").key("webui.url");
        /// Language of the page for people who have chosen none.
        default_locale: String = variable("DEFAULT_LOCALE", Text).or("").key("ui.default_locale");
        /// Models chosen in a new chat, separated by commas.
        default_models: Option<String> = variable("DEFAULT_MODELS", optional(Text)).key("ui.default_models");
        /// Models pinned for people who have pinned none, separated by commas.
        default_pinned_models: Option<String> =
            variable("DEFAULT_PINNED_MODELS", optional(Text)).key("ui.default_pinned_models");
        /// Ids of models in the order of the menu.
        model_order_list: Vec<String> =
            setting("ui.model_order_list", List::new(Separator::Comma)).or("");
        /// Settings of the page for people who have none.
        default_interface_settings: Map<String, Value> =
            variable("DEFAULT_INTERFACE_SETTINGS", Json::strict("a JSON object")).or("{}").key("ui.default_interface_settings");
        /// Translations of texts that administrators wrote, by language.
        i18n: Map<String, Value> = setting("ui.i18n", Json::strict("a JSON object")).or("{}");
        /// Questions offered on an empty chat; without any the page has its own.
        prompt_suggestions: Option<Vec<PromptSuggestion>> = variable(
            "DEFAULT_PROMPT_SUGGESTIONS",
            optional(Json::lenient("a JSON list of {\"title\": [\"…\", \"…\"], \"content\": \"…\"}")),
        )
        .key("ui.prompt_suggestions");
        /// Translations of these questions, by language.
        prompt_suggestions_i18n: Map<String, Value> =
            setting("ui.prompt_suggestions_i18n", Json::strict("a JSON object")).or("{}");
        /// Messages on top of the page, as a JSON list.
        banners: Vec<Banner> =
            variable("WEBUI_BANNERS", Json::lenient("a JSON list of banners")).or("[]").key("ui.banners");
        /// Heading for people who wait for approval.
        pending_user_overlay_title: String =
            variable("PENDING_USER_OVERLAY_TITLE", Text).or("").key("ui.pending_user_overlay_title");
        /// Text for people who wait for approval.
        pending_user_overlay_content: String =
            variable("PENDING_USER_OVERLAY_CONTENT", Text).or("").key("ui.pending_user_overlay_content");
        /// Text added to copied answers.
        watermark: String = variable("RESPONSE_WATERMARK", Text).or("").key("ui.watermark");
        /// Lets people rate answers.
        enable_message_rating: bool =
            variable("ENABLE_MESSAGE_RATING", Bool).or("true").key("ui.enable_message_rating");
        /// Offers to share chats with the community.
        enable_community_sharing: bool =
            variable("ENABLE_COMMUNITY_SHARING", Bool).or("true").key("ui.enable_community_sharing");
        /// Lets people name a web address that is told about their finished answers.
        enable_user_webhooks: bool =
            variable("ENABLE_USER_WEBHOOKS", Bool).or("false").key("ui.enable_user_webhooks");
        /// Lets people show a status.
        enable_user_status: bool = variable("ENABLE_USER_STATUS", Bool).or("true").key("users.enable_status");
    }
}
