//! What only the environment says about sign-in through a provider; the rest is [`crate::OAuthSettings`].

use serde_json::{Map, Value};

use crate::registry::{section, variable};
use crate::rules::{Bool, Json, SecretText, Text, Whole, optional};
use crate::secret::Secret;
use crate::values::{WebAddress, WebAddressRule};

section! {
    /// What only the environment says about sign-in through an OpenID Connect provider.
    pub struct OAuth, "Sign-in through a provider: what only the environment says" {
        /// Further parameters of the request for a sign-in, as a JSON object.
        authorize_params: Map<String, Value> =
            variable("OAUTH_AUTHORIZE_PARAMS", Json::lenient("a JSON object")).or("{}");
        /// Gives people without an address at the provider the address `{provider}@{subject}.local`.
        email_fallback: bool = variable("ENABLE_OAUTH_EMAIL_FALLBACK", Bool).or("false");
        /// What separates roles in a text, also in `OAUTH_ALLOWED_ROLES` and `OAUTH_ADMIN_ROLES`.
        roles_separator: String = variable("OAUTH_ROLES_SEPARATOR", Text).or(",");
        /// Keeps the ID token in a cookie, so that a sign-out can end the session at the provider without asking.
        id_token_cookie: bool = variable("ENABLE_OAUTH_ID_TOKEN_COOKIE", Bool).or("true");
        /// Page that is shown after a sign-out.
        signout_redirect: Option<String> = variable("WEBUI_AUTH_SIGNOUT_REDIRECT_URL", optional(Text)).or("");
        /// Id of this server at Google.
        google_client_id: Option<String> = variable("GOOGLE_CLIENT_ID", optional(Text)).or("");
        /// Secret of this server at Google.
        google_client_secret: Option<Secret> =
            variable("GOOGLE_CLIENT_SECRET", optional(SecretText)).or("").secret();
        /// What is asked of Google, separated by blanks.
        google_scopes: String = variable("GOOGLE_OAUTH_SCOPE", Text).or("openid email profile");
        /// Address to which Google sends people back; empty for `{WEBUI_URL}/oauth/google/login/callback`.
        google_redirect_uri: Option<String> = variable("GOOGLE_REDIRECT_URI", optional(Text)).or("");
        /// Further parameters of the request to Google, as a JSON object.
        google_authorize_params: Map<String, Value> =
            variable("GOOGLE_OAUTH_AUTHORIZE_PARAMS", Json::lenient("a JSON object")).or("{}");
        /// Id of this server at Microsoft.
        microsoft_client_id: Option<String> = variable("MICROSOFT_CLIENT_ID", optional(Text)).or("");
        /// Secret of this server at Microsoft.
        microsoft_client_secret: Option<Secret> =
            variable("MICROSOFT_CLIENT_SECRET", optional(SecretText)).or("").secret();
        /// Directory at Microsoft.
        microsoft_tenant_id: Option<String> = variable("MICROSOFT_CLIENT_TENANT_ID", optional(Text)).or("");
        /// Start of the addresses of Microsoft's sign-in.
        microsoft_login_base_url: WebAddress =
            variable("MICROSOFT_CLIENT_LOGIN_BASE_URL", WebAddressRule).or("https://login.microsoftonline.com");
        /// What is asked of Microsoft, separated by blanks.
        microsoft_scopes: String = variable("MICROSOFT_OAUTH_SCOPE", Text).or("openid email profile");
        /// Address to which Microsoft sends people back; empty for `{WEBUI_URL}/oauth/microsoft/login/callback`.
        microsoft_redirect_uri: Option<String> = variable("MICROSOFT_REDIRECT_URI", optional(Text)).or("");
    }
    others {
        /// Address of pictures at Microsoft.
        variable("MICROSOFT_CLIENT_PICTURE_URL", optional(Text)).no_effect("Pictures of providers are not fetched.");
        /// Sends the id of the client with the code in every case.
        variable("OAUTH_ACCESS_TOKEN_REQUEST_INCLUDE_CLIENT_ID", Bool)
            .or("false")
            .no_effect("The id is sent with the code wherever the provider may want it.");
        /// What separates groups in a text.
        variable("OAUTH_GROUPS_SEPARATOR", Text).or(";").reserved();
        /// Id of this server at GitHub, which is no OpenID Connect provider.
        variable("GITHUB_CLIENT_ID", optional(Text)).reserved();
        /// Secret of this server at GitHub.
        variable("GITHUB_CLIENT_SECRET", optional(SecretText)).secret().reserved();
        /// What is asked of GitHub.
        variable("GITHUB_CLIENT_SCOPE", Text).or("user:email").reserved();
        /// Address to which GitHub sends people back.
        variable("GITHUB_CLIENT_REDIRECT_URI", optional(Text)).reserved();
        /// Id of this server at Feishu, which is no OpenID Connect provider.
        variable("FEISHU_CLIENT_ID", optional(Text)).reserved();
        /// Secret of this server at Feishu.
        variable("FEISHU_CLIENT_SECRET", optional(SecretText)).secret().reserved();
        /// What is asked of Feishu.
        variable("FEISHU_OAUTH_SCOPE", Text).or("contact:user.base:readonly").reserved();
        /// Address to which Feishu sends people back.
        variable("FEISHU_REDIRECT_URI", optional(Text)).reserved();
        /// Ends sessions when the OpenID provider asks for it.
        variable("ENABLE_OAUTH_BACKCHANNEL_LOGOUT", Bool).or("false").reserved();
        /// Exchanges a provider's token for one of this server.
        variable("ENABLE_OAUTH_TOKEN_EXCHANGE", Bool).or("false").reserved();
        /// Clients whose tokens may be exchanged.
        variable("OAUTH_TOKEN_EXCHANGE_TRUSTED_CLIENT_IDS", Text).or("").reserved();
        /// Token exchanges allowed in one window; empty for no limit.
        variable("OAUTH_TOKEN_EXCHANGE_RATE_LIMIT", optional(Text)).reserved();
        /// Seconds of that window.
        variable("OAUTH_TOKEN_EXCHANGE_RATE_LIMIT_WINDOW", Whole::<i64>::strict()).or("180").reserved();
        /// Key that protects stored tokens of external sign-in.
        variable("OAUTH_SESSION_TOKEN_ENCRYPTION_KEY", optional(SecretText))
            .secret()
            .no_effect("Tokens of providers are not kept.");
        /// Key that protects stored client data of external sign-in.
        variable("OAUTH_CLIENT_INFO_ENCRYPTION_KEY", optional(SecretText)).secret().reserved();
        /// External sessions kept for each user and provider.
        variable("OAUTH_MAX_SESSIONS_PER_USER", Whole::<i64>::strict())
            .or("10")
            .no_effect("Tokens of providers are not kept.");
    }
}

impl OAuth {
    /// Roles as a text names them, between the separators.
    pub fn split_roles(&self, text: &str) -> Vec<String> {
        let trimmed = |role: &str| Some(role.trim().to_owned()).filter(|role| !role.is_empty());
        if self.roles_separator.is_empty() {
            return trimmed(text).into_iter().collect();
        }
        text.split(&self.roles_separator).filter_map(trimmed).collect()
    }
}
