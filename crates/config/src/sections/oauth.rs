//! Sign-in through an OpenID Connect provider.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::notice::Notice;
use crate::registry::{section, variable};
use crate::rules::{Bool, Choice, Json, List, SecretText, Separator, Span, Text, Whole, optional};
use crate::secret::Secret;

/// How the server proves to the provider that it is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Id and secret in the `Authorization` header.
    Basic,
    /// Id and secret in the form.
    Post,
    /// The id alone: a public client.
    None,
}

const AUTHENTICATIONS: &[(&str, ClientAuthentication)] = &[
    ("client_secret_basic", ClientAuthentication::Basic),
    ("client_secret_post", ClientAuthentication::Post),
    ("none", ClientAuthentication::None),
];

/// Whether the code is bound to this sign-in by a challenge (PKCE).
const CHALLENGES: &[(&str, bool)] = &[("S256", true), ("none", false)];

section! {
    /// Sign-in through an OpenID Connect provider.
    pub struct OAuth, "Sign-in through a provider" {
        /// Allows sign-in through the providers below.
        enabled: bool = variable("ENABLE_OAUTH", Bool).or("true");
        /// Makes an account for people who come from a provider for the first time.
        signup: bool = variable("ENABLE_OAUTH_SIGNUP", Bool).or("false");
        /// Takes people who come from a provider for the first time for the account with the same e-mail address. Set it only
        /// when every provider checks addresses.
        merge_by_email: bool = variable("OAUTH_MERGE_ACCOUNTS_BY_EMAIL", Bool).or("false");
        /// Leads people to the provider without asking, when there is one only and the sign-in form is off.
        auto_redirect: bool = variable("OAUTH_AUTO_REDIRECT", Bool).or("false");
        /// Domains of e-mail addresses that may sign in through a provider, separated by commas; `*` for every one.
        allowed_domains: Vec<String> = variable("OAUTH_ALLOWED_DOMAINS", List::new(Separator::Comma)).or("*");
        /// Address of the provider's configuration document, which ends in `/.well-known/openid-configuration`.
        provider_url: Option<String> = variable("OPENID_PROVIDER_URL", optional(Text)).or("");
        /// Id of this server at that provider.
        client_id: Option<String> = variable("OAUTH_CLIENT_ID", optional(Text)).or("");
        /// Secret of this server at that provider; empty for a public client.
        client_secret: Option<Secret> = variable("OAUTH_CLIENT_SECRET", optional(SecretText)).or("").secret();
        /// Name of that provider on the sign-in page.
        provider_name: String = variable("OAUTH_PROVIDER_NAME", Text).or("SSO");
        /// Address to which that provider sends people back; empty for `{WEBUI_URL}/oauth/oidc/login/callback`.
        redirect_uri: Option<String> = variable("OPENID_REDIRECT_URI", optional(Text)).or("");
        /// What is asked of that provider, separated by blanks.
        scopes: String = variable("OAUTH_SCOPES", Text).or("openid email profile");
        /// Binds the code to the sign-in by a challenge (PKCE).
        pkce: bool = variable("OAUTH_CODE_CHALLENGE_METHOD", Choice::strict(CHALLENGES)).or("S256");
        /// How this server proves to that provider who it is; empty for what the provider names.
        token_endpoint_auth_method: Option<ClientAuthentication> =
            variable("OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", optional(Choice::strict(AUTHENTICATIONS))).or("");
        /// Address that ends the session at that provider, after a sign-out here; empty for what the provider names.
        end_session_endpoint: Option<String> = variable("OPENID_END_SESSION_ENDPOINT", optional(Text)).or("");
        /// Value of `audience` in the request for a sign-in; empty for none.
        audience: Option<String> = variable("OAUTH_AUDIENCE", optional(Text)).or("");
        /// Further parameters of that request, as a JSON object.
        authorize_params: Map<String, Value> =
            variable("OAUTH_AUTHORIZE_PARAMS", Json::lenient("a JSON object")).or("{}");
        /// Seconds that one request to a provider may take.
        timeout: Duration = variable("OAUTH_TIMEOUT", Span::seconds()).or("10");
        /// Claim that tells people apart; empty for `sub`.
        sub_claim: Option<String> = variable("OAUTH_SUB_CLAIM", optional(Text)).or("");
        /// Claim with the e-mail address.
        email_claim: String = variable("OAUTH_EMAIL_CLAIM", Text).or("email");
        /// Claim with the name.
        username_claim: String = variable("OAUTH_USERNAME_CLAIM", Text).or("name");
        /// Takes over the name at every sign-in.
        update_name: bool = variable("OAUTH_UPDATE_NAME_ON_LOGIN", Bool).or("false");
        /// Takes over the e-mail address at every sign-in.
        update_email: bool = variable("OAUTH_UPDATE_EMAIL_ON_LOGIN", Bool).or("false");
        /// Gives people without an address at the provider the address `{provider}@{subject}.local`.
        email_fallback: bool = variable("ENABLE_OAUTH_EMAIL_FALLBACK", Bool).or("false");
        /// Takes roles from a claim at every sign-in.
        role_management: bool = variable("ENABLE_OAUTH_ROLE_MANAGEMENT", Bool).or("false");
        /// Claim with the roles, a list or a text; dots lead into objects.
        roles_claim: String = variable("OAUTH_ROLES_CLAIM", Text).or("roles");
        /// What separates roles in a text, also in the two variables below.
        roles_separator: String = variable("OAUTH_ROLES_SEPARATOR", Text).or(",");
        /// Roles that become `user`; `*` for every one, empty for `user` and `admin`.
        allowed_roles: Option<String> = variable("OAUTH_ALLOWED_ROLES", optional(Text)).or("");
        /// Roles that become `admin`.
        admin_roles: String = variable("OAUTH_ADMIN_ROLES", Text).or("admin");
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
        microsoft_login_base_url: String =
            variable("MICROSOFT_CLIENT_LOGIN_BASE_URL", Text).or("https://login.microsoftonline.com");
        /// What is asked of Microsoft, separated by blanks.
        microsoft_scopes: String = variable("MICROSOFT_OAUTH_SCOPE", Text).or("openid email profile");
        /// Address to which Microsoft sends people back; empty for `{WEBUI_URL}/oauth/microsoft/login/callback`.
        microsoft_redirect_uri: Option<String> = variable("MICROSOFT_REDIRECT_URI", optional(Text)).or("");
    }
    others {
        /// Claim with the address of a picture.
        variable("OAUTH_PICTURE_CLAIM", Text).or("picture").no_effect("Pictures of providers are not fetched.");
        /// Takes over the picture at every sign-in.
        variable("OAUTH_UPDATE_PICTURE_ON_LOGIN", Bool).or("false").no_effect("Pictures of providers are not fetched.");
        /// Address of pictures at Microsoft.
        variable("MICROSOFT_CLIENT_PICTURE_URL", optional(Text)).no_effect("Pictures of providers are not fetched.");
        /// Sends the id of the client with the code in every case.
        variable("OAUTH_ACCESS_TOKEN_REQUEST_INCLUDE_CLIENT_ID", Bool)
            .or("false")
            .no_effect("The id is sent with the code wherever the provider may want it.");
        /// Repeats the scope when a token is renewed.
        variable("OAUTH_REFRESH_TOKEN_INCLUDE_SCOPE", Bool)
            .or("false")
            .no_effect("Tokens of providers are not kept, so none is renewed.");
        /// Seconds that a tool server's provider may take.
        variable("OAUTH_CLIENT_TIMEOUT", optional(Text)).reserved();
        /// Takes groups from a claim at every sign-in.
        variable("ENABLE_OAUTH_GROUP_MANAGEMENT", Bool).or("false").reserved();
        /// Makes groups that a claim names.
        variable("ENABLE_OAUTH_GROUP_CREATION", Bool).or("false").reserved();
        /// Claim with the groups.
        variable("OAUTH_GROUPS_CLAIM", Text).or_value_of("OAUTH_GROUP_CLAIM").reserved();
        /// Old name of `OAUTH_GROUPS_CLAIM`.
        variable("OAUTH_GROUP_CLAIM", Text).or("groups").reserved();
        /// Who may see groups that a claim has made.
        variable("OAUTH_GROUP_DEFAULT_SHARE", Text).or("true").reserved();
        /// Groups that are left alone, as a JSON list.
        variable("OAUTH_BLOCKED_GROUPS", Text).or("[]").reserved();
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

/// Where Google describes its sign-in.
const GOOGLE: &str = "https://accounts.google.com/.well-known/openid-configuration";

/// One provider at which people may sign in.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    /// `oidc`, `google` or `microsoft`: its name in addresses and in accounts.
    pub id: &'static str,
    /// Its name for people.
    pub name: String,
    /// Address of its configuration document.
    pub discovery_url: String,
    /// Id of this server there.
    pub client_id: String,
    /// Secret of this server there; none for a public client.
    pub client_secret: Option<Secret>,
    /// What is asked of it, separated by blanks.
    pub scopes: String,
    /// Address to which it sends people back, when it is not the usual one.
    pub redirect_uri: Option<String>,
    /// How this server proves who it is; none for what the provider names.
    pub authentication: Option<ClientAuthentication>,
    /// Further parameters of the request for a sign-in.
    pub authorize_params: Map<String, Value>,
    /// Address that ends the session there, when it is not the one that the provider names.
    pub end_session_endpoint: Option<String>,
}

/// Names of the claims that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Tells people apart.
    pub subject: String,
    /// The e-mail address.
    pub email: String,
    /// The name.
    pub name: String,
}

impl OAuth {
    /// The claims that are looked at.
    pub fn claims(&self) -> Claims {
        Claims {
            subject: self.sub_claim.clone().unwrap_or_else(|| "sub".to_owned()),
            email: self.email_claim.clone(),
            name: self.username_claim.clone(),
        }
    }

    /// The providers that are fully set up, in the order of the sign-in page; none with `ENABLE_OAUTH=false`.
    pub fn providers(&self) -> Vec<IdentityProvider> {
        if !self.enabled {
            return Vec::new();
        }
        [self.google(), self.microsoft(), self.generic()].into_iter().flatten().collect()
    }

    fn generic(&self) -> Option<IdentityProvider> {
        Some(IdentityProvider {
            id: "oidc",
            name: self.provider_name.clone(),
            discovery_url: self.provider_url.clone()?,
            client_id: self.client_id.clone()?,
            client_secret: self.client_secret.clone(),
            scopes: self.scopes.clone(),
            redirect_uri: self.redirect_uri.clone(),
            authentication: self.token_endpoint_auth_method,
            authorize_params: self.authorize_params.clone(),
            end_session_endpoint: self.end_session_endpoint.clone(),
        })
    }

    fn google(&self) -> Option<IdentityProvider> {
        let mut authorize_params = self.google_authorize_params.clone();
        authorize_params.extend(self.authorize_params.clone());
        Some(IdentityProvider {
            id: "google",
            name: "Google".to_owned(),
            discovery_url: GOOGLE.to_owned(),
            client_id: self.google_client_id.clone()?,
            client_secret: Some(self.google_client_secret.clone()?),
            scopes: self.google_scopes.clone(),
            redirect_uri: self.google_redirect_uri.clone(),
            authentication: None,
            authorize_params,
            end_session_endpoint: self.end_session_endpoint.clone(),
        })
    }

    fn microsoft(&self) -> Option<IdentityProvider> {
        let (tenant, client_id) = (self.microsoft_tenant_id.clone()?, self.microsoft_client_id.clone()?);
        let base = self.microsoft_login_base_url.trim_end_matches('/');
        Some(IdentityProvider {
            id: "microsoft",
            name: "Microsoft".to_owned(),
            discovery_url: format!("{base}/{tenant}/v2.0/.well-known/openid-configuration?appid={client_id}"),
            client_id,
            client_secret: Some(self.microsoft_client_secret.clone()?),
            scopes: self.microsoft_scopes.clone(),
            redirect_uri: self.microsoft_redirect_uri.clone(),
            authentication: None,
            authorize_params: self.authorize_params.clone(),
            end_session_endpoint: self.end_session_endpoint.clone(),
        })
    }

    /// Whether an address of this domain, in lower case, may sign in through a provider.
    pub fn allows_domain(&self, domain: &str) -> bool {
        self.allows_every_domain()
            || self.allowed_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
    }

    /// Whether domains do not matter.
    pub fn allows_every_domain(&self) -> bool {
        self.allowed_domains.iter().any(|allowed| allowed == "*")
    }

    /// Roles that become `user`.
    pub fn allowed_role_names(&self) -> Vec<String> {
        let usual = || ["user", "admin"].map(str::to_owned).to_vec();
        self.allowed_roles.as_deref().map_or_else(usual, |text| self.split_roles(text))
    }

    /// Roles that become `admin`.
    pub fn admin_role_names(&self) -> Vec<String> {
        self.split_roles(&self.admin_roles)
    }

    /// Roles as a text names them, between the separators.
    pub fn split_roles(&self, text: &str) -> Vec<String> {
        let trimmed = |role: &str| Some(role.trim().to_owned()).filter(|role| !role.is_empty());
        if self.roles_separator.is_empty() {
            return trimmed(text).into_iter().collect();
        }
        text.split(&self.roles_separator).filter_map(trimmed).collect()
    }

    /// What is set up by halves, or in a way that lets in more people than may be meant.
    pub(crate) fn advice(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let halves = [
            ("OPENID_PROVIDER_URL", self.provider_url.is_some(), self.client_id.is_some(), "OAUTH_CLIENT_ID"),
            ("OAUTH_CLIENT_ID", self.client_id.is_some(), self.provider_url.is_some(), "OPENID_PROVIDER_URL"),
            (
                "GOOGLE_CLIENT_ID",
                self.google_client_id.is_some(),
                self.google_client_secret.is_some(),
                "GOOGLE_CLIENT_SECRET",
            ),
            (
                "MICROSOFT_CLIENT_ID",
                self.microsoft_client_id.is_some(),
                self.microsoft_client_secret.is_some() && self.microsoft_tenant_id.is_some(),
                "MICROSOFT_CLIENT_SECRET and MICROSOFT_CLIENT_TENANT_ID",
            ),
        ];
        for (name, set, complete, missing) in halves {
            if set && !complete {
                let text = format!(
                    "nobody can sign in at this provider before {missing} is set too. Set it, or remove {name}."
                );
                notices.push(Notice::warning(name, text));
            }
        }
        if !self.pkce {
            notices.push(Notice::information(
                "OAUTH_CODE_CHALLENGE_METHOD",
                "codes of sign-ins are not bound by a challenge (PKCE). Remove the variable unless the provider refuses S256.",
            ));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use crate::{Environment, OAuth, load};

    fn oauth(pairs: &[(&str, &str)]) -> (OAuth, String) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded = load(&Environment::from_pairs(pairs)).unwrap();
        let notices: Vec<_> =
            loaded.notices.iter().map(|notice| format!("{}: {}", notice.subject, notice.text)).collect();
        (loaded.config.oauth, notices.join("\n"))
    }

    #[test]
    fn a_provider_is_there_once_it_is_fully_set_up() {
        let (none, notices) =
            oauth(&[("OPENID_PROVIDER_URL", "https://id.example.org/.well-known/openid-configuration")]);
        assert!(none.providers().is_empty());
        assert!(notices.contains("OPENID_PROVIDER_URL: nobody can sign in"), "{notices}");
        let whole = [
            ("OPENID_PROVIDER_URL", "https://id.example.org/.well-known/openid-configuration"),
            ("OAUTH_CLIENT_ID", "antiphon"),
            ("GOOGLE_CLIENT_ID", "g"),
            ("GOOGLE_CLIENT_SECRET", "s"),
            ("MICROSOFT_CLIENT_ID", "m"),
            ("MICROSOFT_CLIENT_SECRET", "s"),
            ("MICROSOFT_CLIENT_TENANT_ID", "t"),
        ];
        let (all, notices) = oauth(&whole);
        let providers = all.providers();
        let ids: Vec<_> = providers.iter().map(|provider| provider.id).collect();
        assert_eq!(ids, ["google", "microsoft", "oidc"]);
        assert_eq!(
            providers[1].discovery_url,
            "https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration?appid=m"
        );
        assert!(!notices.contains("nobody can sign in"), "{notices}");
        let off: Vec<_> = whole.into_iter().chain([("ENABLE_OAUTH", "false")]).collect();
        assert!(oauth(&off).0.providers().is_empty());
    }

    #[test]
    fn providers_that_are_not_spoken_with_are_named_at_the_start() {
        let (_, notices) = oauth(&[("GITHUB_CLIENT_ID", "x"), ("ENABLE_OAUTH_GROUP_MANAGEMENT", "true")]);
        for name in ["GITHUB_CLIENT_ID", "ENABLE_OAUTH_GROUP_MANAGEMENT"] {
            assert!(
                notices.contains(&format!("{name}: this variable is set but has no effect yet")),
                "{notices}"
            );
        }
    }

    #[test]
    fn domains_and_roles_are_lists() {
        let (some, _) =
            oauth(&[("OAUTH_ALLOWED_DOMAINS", " example.org, Example.COM "), ("OAUTH_ROLES_SEPARATOR", ";")]);
        assert!(some.allows_domain("example.org") && some.allows_domain("example.com"));
        assert!(!some.allows_domain("sub.example.org") && !some.allows_domain(""));
        assert_eq!(
            (some.allowed_role_names(), some.admin_role_names()),
            (vec!["user".into(), "admin".into()], vec!["admin".into()])
        );
        assert_eq!(some.split_roles("a; b,c ;"), ["a", "b,c"]);
        assert!(oauth(&[]).0.allows_domain("anything"));
    }

    #[test]
    fn sessions_in_redis_need_redis() {
        let (_, notices) = oauth(&[("ENABLE_STAR_SESSIONS_MIDDLEWARE", "true")]);
        assert_eq!(
            notices.matches("ENABLE_STAR_SESSIONS_MIDDLEWARE: there is no Redis").count(),
            1,
            "{notices}"
        );
        let with = [("ENABLE_STAR_SESSIONS_MIDDLEWARE", "true"), ("REDIS_URL", "redis://localhost:6379/0")];
        assert!(!oauth(&with).1.contains("ENABLE_STAR_SESSIONS_MIDDLEWARE"));
    }
}
