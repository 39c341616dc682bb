//! Sign-in through an OpenID Connect provider, as administrators set it up.
//!
//! The stored values count with `ENABLE_OAUTH_PERSISTENT_CONFIG=true` only; otherwise each start takes those of the environment.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::notice::Notice;
use crate::registry::{settings, variable};
use crate::rules::{Bool, Choice, Text, optional};
use crate::secret::Secret;
use crate::sections::oauth::OAuth;
use crate::values::{
    AUTHENTICATIONS, CHALLENGES, ClientAuthentication, ClientSecret, ClientSecretRule, CodeChallenge,
    GroupShare, GroupShareRule, Seconds, SecondsRule, WebAddress, WebAddressRule,
};

/// Start of the keys of these settings, and of no others.
pub const PREFIX: &str = "oauth.";

/// Time for one request to a provider where nothing else is set.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

settings! {
    /// Sign-in through an OpenID Connect provider.
    pub struct OAuthSettings, "Sign-in through a provider" {
        /// Allows sign-in through providers.
        enabled: bool = variable("ENABLE_OAUTH", Bool).or("true").key("oauth.enable");
        /// Makes an account for people who come from a provider for the first time.
        signup: bool = variable("ENABLE_OAUTH_SIGNUP", Bool).or("false").key("oauth.enable_signup");
        /// Takes people who come from a provider for the first time for the account with the same e-mail address. Set it only
        /// when every provider checks addresses.
        merge_by_email: bool =
            variable("OAUTH_MERGE_ACCOUNTS_BY_EMAIL", Bool).or("false").key("oauth.merge_accounts_by_email");
        /// Leads people to the provider without asking, when there is one only and the sign-in form is off.
        auto_redirect: bool = variable("OAUTH_AUTO_REDIRECT", Bool).or("false").key("oauth.auto_redirect");
        /// Domains of e-mail addresses that may sign in through a provider, separated by commas; `*` for every one.
        allowed_domains: String = variable("OAUTH_ALLOWED_DOMAINS", Text).or("*").key("oauth.allowed_domains");
        /// Address of the provider's configuration document, which ends in `/.well-known/openid-configuration`.
        provider_url: WebAddress =
            variable("OPENID_PROVIDER_URL", WebAddressRule).or("").key("oauth.provider_url");
        /// Id of this server at that provider.
        client_id: String = variable("OAUTH_CLIENT_ID", Text).or("").key("oauth.client_id");
        /// Secret of this server at that provider; empty for a public client.
        client_secret: ClientSecret =
            variable("OAUTH_CLIENT_SECRET", ClientSecretRule).or("").secret().key("oauth.client_secret");
        /// Name of that provider on the sign-in page.
        provider_name: String = variable("OAUTH_PROVIDER_NAME", Text).or("SSO").key("oauth.provider_name");
        /// Address to which that provider sends people back; empty for `{WEBUI_URL}/oauth/oidc/login/callback`.
        redirect_uri: String = variable("OPENID_REDIRECT_URI", Text).or("").key("oauth.redirect_uri");
        /// What is asked of that provider, separated by blanks.
        scopes: String = variable("OAUTH_SCOPES", Text).or("openid email profile").key("oauth.scopes");
        /// Binds the code to the sign-in by a challenge (PKCE); empty for S256.
        code_challenge: Option<CodeChallenge> =
            variable("OAUTH_CODE_CHALLENGE_METHOD", optional(Choice::strict(CHALLENGES)))
                .or("")
                .key("oauth.code_challenge_method");
        /// How this server proves to that provider who it is; empty for what the provider names.
        token_endpoint_auth_method: Option<ClientAuthentication> =
            variable("OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", optional(Choice::strict(AUTHENTICATIONS)))
                .or("")
                .key("oauth.token_endpoint_auth_method");
        /// Address that ends the session at that provider, after a sign-out here; empty for what the provider names.
        end_session_endpoint: String =
            variable("OPENID_END_SESSION_ENDPOINT", Text).or("").key("oauth.end_session_endpoint");
        /// Value of `audience` in the request for a sign-in; empty for none.
        audience: String = variable("OAUTH_AUDIENCE", Text).or("").key("oauth.audience");
        /// Seconds that one request to a provider may take; empty for 10.
        timeout: Option<Seconds> = variable("OAUTH_TIMEOUT", optional(SecondsRule)).or("").key("oauth.timeout");
        /// Seconds that a tool server's provider may take.
        client_timeout: Option<Seconds> =
            variable("OAUTH_CLIENT_TIMEOUT", optional(SecondsRule)).or("").key("oauth.client.timeout").reserved();
        /// Claim that tells people apart; empty for `sub`.
        sub_claim: Option<String> = variable("OAUTH_SUB_CLAIM", optional(Text)).or("").key("oauth.sub_claim");
        /// Claim with the e-mail address.
        email_claim: String = variable("OAUTH_EMAIL_CLAIM", Text).or("email").key("oauth.email_claim");
        /// Claim with the name.
        username_claim: String = variable("OAUTH_USERNAME_CLAIM", Text).or("name").key("oauth.username_claim");
        /// Claim with the address of a picture.
        picture_claim: String = variable("OAUTH_PICTURE_CLAIM", Text)
            .or("picture")
            .key("oauth.picture_claim")
            .no_effect("Pictures of providers are not fetched.");
        /// Takes over the name at every sign-in.
        update_name: bool =
            variable("OAUTH_UPDATE_NAME_ON_LOGIN", Bool).or("false").key("oauth.update_name_on_login");
        /// Takes over the e-mail address at every sign-in.
        update_email: bool =
            variable("OAUTH_UPDATE_EMAIL_ON_LOGIN", Bool).or("false").key("oauth.update_email_on_login");
        /// Takes over the picture at every sign-in.
        update_picture: bool = variable("OAUTH_UPDATE_PICTURE_ON_LOGIN", Bool)
            .or("false")
            .key("oauth.update_picture_on_login")
            .no_effect("Pictures of providers are not fetched.");
        /// Takes roles from a claim at every sign-in.
        role_management: bool =
            variable("ENABLE_OAUTH_ROLE_MANAGEMENT", Bool).or("false").key("oauth.enable_role_mapping");
        /// Claim with the roles, a list or a text; dots lead into objects.
        roles_claim: String = variable("OAUTH_ROLES_CLAIM", Text).or("roles").key("oauth.roles_claim");
        /// Roles that become `user`; `*` for every one, empty for `user` and `admin`.
        allowed_roles: String = variable("OAUTH_ALLOWED_ROLES", Text).or("").key("oauth.allowed_roles");
        /// Roles that become `admin`.
        admin_roles: String = variable("OAUTH_ADMIN_ROLES", Text).or("admin").key("oauth.admin_roles");
        /// Takes groups from a claim at every sign-in.
        group_management: bool =
            variable("ENABLE_OAUTH_GROUP_MANAGEMENT", Bool).or("false").key("oauth.enable_group_mapping").reserved();
        /// Makes groups that a claim names.
        group_creation: bool =
            variable("ENABLE_OAUTH_GROUP_CREATION", Bool).or("false").key("oauth.enable_group_creation").reserved();
        /// Claim with the groups.
        group_claim: String = variable("OAUTH_GROUPS_CLAIM", Text)
            .or_value_of("OAUTH_GROUP_CLAIM")
            .key("oauth.group_claim")
            .reserved();
        /// Who may see groups that a claim has made.
        group_default_share: GroupShare = variable("OAUTH_GROUP_DEFAULT_SHARE", GroupShareRule)
            .or("true")
            .key("oauth.group_default_share")
            .reserved();
        /// Groups that are left alone, as a JSON list.
        blocked_groups: String =
            variable("OAUTH_BLOCKED_GROUPS", Text).or("[]").key("oauth.blocked_groups").reserved();
        /// Repeats the scope when a token is renewed.
        refresh_token_include_scope: bool = variable("OAUTH_REFRESH_TOKEN_INCLUDE_SCOPE", Bool)
            .or("false")
            .key("oauth.refresh_token.include_scope")
            .no_effect("Tokens of providers are not kept, so none is renewed.");
    }
    others {
        /// Old name of `OAUTH_GROUPS_CLAIM`.
        variable("OAUTH_GROUP_CLAIM", Text).or("groups").reserved();
    }
}

/// Where Google describes its sign-in.
const GOOGLE: &str = "https://accounts.google.com/.well-known/openid-configuration";

/// One provider at which people may sign in.
#[derive(Clone, Debug, PartialEq)]
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

impl OAuthSettings {
    /// The claims that are looked at.
    pub fn claims(&self) -> Claims {
        Claims {
            subject: self.sub_claim.clone().unwrap_or_else(|| "sub".to_owned()),
            email: self.email_claim.clone(),
            name: self.username_claim.clone(),
        }
    }

    /// Whether codes are bound to their sign-in.
    pub fn pkce(&self) -> bool {
        self.code_challenge != Some(CodeChallenge::None)
    }

    /// Longest time of one request to a provider.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(USUAL_TIMEOUT, Seconds::duration)
    }

    /// The providers that are fully set up, in the order of the sign-in page; none with `ENABLE_OAUTH=false`.
    pub fn providers(&self, environment: &OAuth) -> Vec<IdentityProvider> {
        if !self.enabled {
            return Vec::new();
        }
        let all = [self.google(environment), self.microsoft(environment), self.generic(environment)];
        all.into_iter().flatten().collect()
    }

    fn generic(&self, environment: &OAuth) -> Option<IdentityProvider> {
        let mut authorize_params = environment.authorize_params.clone();
        if let Some(audience) = filled(&self.audience) {
            authorize_params.insert("audience".to_owned(), audience.into());
        }
        Some(IdentityProvider {
            id: "oidc",
            name: self.provider_name.clone(),
            discovery_url: self.provider_url.get()?.to_owned(),
            client_id: filled(&self.client_id)?,
            client_secret: self.client_secret.get().cloned(),
            scopes: self.scopes.clone(),
            redirect_uri: filled(&self.redirect_uri),
            authentication: self.token_endpoint_auth_method,
            authorize_params,
            end_session_endpoint: filled(&self.end_session_endpoint),
        })
    }

    fn google(&self, environment: &OAuth) -> Option<IdentityProvider> {
        let mut authorize_params = environment.google_authorize_params.clone();
        authorize_params.extend(environment.authorize_params.clone());
        Some(IdentityProvider {
            id: "google",
            name: "Google".to_owned(),
            discovery_url: GOOGLE.to_owned(),
            client_id: environment.google_client_id.clone()?,
            client_secret: Some(environment.google_client_secret.clone()?),
            scopes: environment.google_scopes.clone(),
            redirect_uri: environment.google_redirect_uri.clone(),
            authentication: None,
            authorize_params,
            end_session_endpoint: filled(&self.end_session_endpoint),
        })
    }

    fn microsoft(&self, environment: &OAuth) -> Option<IdentityProvider> {
        let tenant = environment.microsoft_tenant_id.as_ref()?;
        let client_id = environment.microsoft_client_id.clone()?;
        let base = environment.microsoft_login_base_url.get()?.trim_end_matches('/');
        Some(IdentityProvider {
            id: "microsoft",
            name: "Microsoft".to_owned(),
            discovery_url: format!("{base}/{tenant}/v2.0/.well-known/openid-configuration?appid={client_id}"),
            client_id,
            client_secret: Some(environment.microsoft_client_secret.clone()?),
            scopes: environment.microsoft_scopes.clone(),
            redirect_uri: environment.microsoft_redirect_uri.clone(),
            authentication: None,
            authorize_params: environment.authorize_params.clone(),
            end_session_endpoint: filled(&self.end_session_endpoint),
        })
    }

    /// Whether an address of this domain, in lower case, may sign in through a provider.
    pub fn allows_domain(&self, domain: &str) -> bool {
        self.domains().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(domain))
    }

    /// Whether domains do not matter.
    pub fn allows_every_domain(&self) -> bool {
        self.domains().any(|allowed| allowed == "*")
    }

    fn domains(&self) -> impl Iterator<Item = &str> {
        self.allowed_domains.split(',').map(str::trim).filter(|domain| !domain.is_empty())
    }

    /// Roles that become `user`.
    pub fn allowed_role_names(&self, environment: &OAuth) -> Vec<String> {
        let usual = || ["user", "admin"].map(str::to_owned).to_vec();
        filled(&self.allowed_roles).map_or_else(usual, |text| environment.split_roles(&text))
    }

    /// Roles that become `admin`.
    pub fn admin_role_names(&self, environment: &OAuth) -> Vec<String> {
        environment.split_roles(&self.admin_roles)
    }

    /// What is set up by halves, or in a way that lets in more people than may be meant.
    pub(crate) fn advice(&self, environment: &OAuth) -> Vec<Notice> {
        let mut notices = Vec::new();
        let (has_url, has_id) = (self.provider_url.get().is_some(), filled(&self.client_id).is_some());
        let halves = [
            ("OPENID_PROVIDER_URL", has_url, has_id, "OAUTH_CLIENT_ID"),
            ("OAUTH_CLIENT_ID", has_id, has_url, "OPENID_PROVIDER_URL"),
            (
                "GOOGLE_CLIENT_ID",
                environment.google_client_id.is_some(),
                self.google(environment).is_some(),
                "GOOGLE_CLIENT_SECRET",
            ),
            (
                "MICROSOFT_CLIENT_ID",
                environment.microsoft_client_id.is_some(),
                self.microsoft(environment).is_some(),
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
        if !self.pkce() {
            notices.push(Notice::information(
                "OAUTH_CODE_CHALLENGE_METHOD",
                "codes of sign-ins are not bound by a challenge (PKCE). Remove the variable unless the provider refuses S256.",
            ));
        }
        notices
    }
}

/// A text, unless it is blank.
fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::{Environment, OAuth, OAuthSettings, load};

    struct Both {
        settings: OAuthSettings,
        environment: OAuth,
    }

    fn oauth(pairs: &[(&str, &str)]) -> (Both, String) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded = load(&Environment::from_pairs(pairs)).unwrap();
        let notices: Vec<_> =
            loaded.notices.iter().map(|notice| format!("{}: {}", notice.subject, notice.text)).collect();
        let both = Both { settings: loaded.config.settings.oauth, environment: loaded.config.oauth };
        (both, notices.join("\n"))
    }

    #[test]
    fn a_provider_is_there_once_it_is_fully_set_up() {
        let (none, notices) =
            oauth(&[("OPENID_PROVIDER_URL", "https://id.example.org/.well-known/openid-configuration")]);
        assert!(none.settings.providers(&none.environment).is_empty());
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
        let providers = all.settings.providers(&all.environment);
        let ids: Vec<_> = providers.iter().map(|provider| provider.id).collect();
        assert_eq!(ids, ["google", "microsoft", "oidc"]);
        assert_eq!(
            providers[1].discovery_url,
            "https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration?appid=m"
        );
        assert!(!notices.contains("nobody can sign in"), "{notices}");
        let elsewhere = [("MICROSOFT_CLIENT_LOGIN_BASE_URL", "login.example.org")];
        assert!(load(&Environment::from_pairs(elsewhere)).is_err(), "no web address");
        let off: Vec<_> = whole.into_iter().chain([("ENABLE_OAUTH", "false")]).collect();
        let off = oauth(&off).0;
        assert!(off.settings.providers(&off.environment).is_empty());
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
        assert!(some.settings.allows_domain("example.org") && some.settings.allows_domain("example.com"));
        assert!(!some.settings.allows_domain("sub.example.org") && !some.settings.allows_domain(""));
        assert_eq!(
            (
                some.settings.allowed_role_names(&some.environment),
                some.settings.admin_role_names(&some.environment)
            ),
            (vec!["user".into(), "admin".into()], vec!["admin".into()])
        );
        assert_eq!(some.environment.split_roles("a; b,c ;"), ["a", "b,c"]);
        assert!(oauth(&[]).0.settings.allows_domain("anything"));
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
