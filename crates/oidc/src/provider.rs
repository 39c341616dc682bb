//! One provider: leads people there, and finds out who has come back.

use std::sync::Arc;
use std::time::Duration;

use antiphon_config::{ClientAuthentication, IdentityProvider, OAuthClaims, Secret};
use antiphon_provider::WebClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::attempt::Attempt;
use crate::cached::Cached;
use crate::error::{IdTokenFault, OidcError, Result};
use crate::fetch::Fetcher;
use crate::id_token::{Expected, Unverified};
use crate::keys::KeySet;
use crate::metadata::Metadata;
use crate::person::Person;

/// How long the configuration document and the keys are kept.
const LIFETIME: Duration = Duration::from_hours(1);

/// Keys are fetched again at most so often when a token names one that is not known.
const KEYS_AGAIN: Duration = Duration::from_secs(10);

/// Codes that are exchanged at one time at one provider.
pub const EXCHANGES: usize = 64;

/// Parameters of the request for a sign-in that no variable can set.
const OWN_PARAMETERS: [&str; 9] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// A provider at which people may sign in.
#[derive(Debug)]
pub struct Provider {
    settings: IdentityProvider,
    claims: OAuthClaims,
    pkce: bool,
    discovery_url: Url,
    fetcher: Fetcher,
    metadata: Cached<Metadata>,
    keys: Cached<KeySet>,
    exchanges: Semaphore,
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser is led.
    pub url: Url,
    /// What must be known again when it comes back.
    pub attempt: Attempt,
}

impl Provider {
    /// A provider with these settings, called by this client; nothing is fetched yet.
    ///
    /// Fails when the address of its configuration document is none.
    pub fn new(
        settings: IdentityProvider,
        claims: OAuthClaims,
        pkce: bool,
        timeout: Duration,
        web: WebClient,
    ) -> Result<Self> {
        let discovery_url = Url::parse(&settings.discovery_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| OidcError::Unusable {
                what: "configuration address",
                problem: format!("{:?} is no web address", settings.discovery_url),
            })?;
        Ok(Self {
            settings,
            claims,
            pkce,
            discovery_url,
            fetcher: Fetcher { web, timeout },
            metadata: Cached::new(LIFETIME),
            keys: Cached::new(LIFETIME),
            exchanges: Semaphore::new(EXCHANGES),
        })
    }

    /// `oidc`, `google` or `microsoft`.
    pub fn id(&self) -> &'static str {
        self.settings.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The address to which people are sent back, where the usual one is not to be taken.
    pub fn redirect_uri(&self) -> Option<&str> {
        self.settings.redirect_uri.as_deref()
    }

    /// Begins a sign-in at `now` (Unix seconds), which comes back to `redirect_uri`.
    pub async fn begin(&self, redirect_uri: String, now: u64) -> Result<Begun> {
        let metadata = self.metadata().await?;
        let attempt = Attempt::new(self.settings.id, redirect_uri, self.pkce, now)?;
        let mut url = metadata.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("redirect_uri", &attempt.redirect_uri)
                .append_pair("scope", &self.scopes())
                .append_pair("state", &attempt.state)
                .append_pair("nonce", &attempt.nonce);
            if let Some(challenge) = attempt.challenge() {
                query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
            }
            for (name, value) in &self.settings.authorize_params {
                if !OWN_PARAMETERS.contains(&name.as_str()) {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    query.append_pair(name, &value);
                }
            }
        }
        Ok(Begun { url, attempt })
    }

    /// Finds out who has come back with `code`, at `now` (Unix seconds). `issuer` is the parameter `iss` of the answer.
    pub async fn finish(
        &self,
        attempt: &Attempt,
        code: &str,
        issuer: Option<&str>,
        now: u64,
    ) -> Result<Person> {
        let _place = self.exchanges.try_acquire().map_err(|_| OidcError::Busy)?;
        let metadata = self.metadata().await?;
        let named = issuer.map_or(!metadata.names_issuer, |issuer| issuer == metadata.issuer);
        if !named {
            return Err(OidcError::OtherIssuer);
        }
        let tokens = self.exchange(&metadata, attempt, code).await?;
        let text = |name: &str| tokens.get(name).and_then(Value::as_str);
        let id_token = text("id_token").ok_or_else(|| OidcError::Unusable {
            what: "token endpoint",
            problem: "it gives no ID token. The scopes must hold `openid`".to_owned(),
        })?;
        let expected = Expected {
            issuer: &metadata.issuer,
            client_id: &self.settings.client_id,
            nonce: &attempt.nonce,
            now,
        };
        let unverified = Unverified::parse(id_token)?;
        let mut keys = self.keys(&metadata, LIFETIME).await?;
        if !unverified.has_key_in(&keys) {
            // The provider has begun to use another key.
            keys = self.keys(&metadata, KEYS_AGAIN).await?;
        }
        let claims = match unverified.verify(&keys, &expected) {
            // A key may have been replaced under its old id.
            Err(IdTokenFault::Signature) => {
                let keys = self.keys(&metadata, KEYS_AGAIN).await?;
                Unverified::parse(id_token)?.verify(&keys, &expected)?
            }
            verified => verified?,
        };
        let claims = self.complete(&metadata, claims, text("access_token")).await?;
        Ok(Person::new(self.settings.id, &self.claims, claims, id_token.to_owned())?)
    }

    /// Where the session at the provider is ended, if it has such an address. `id_token` spares the person a question.
    pub async fn end_session_url(&self, id_token: Option<&str>, back_to: Option<&str>) -> Option<Url> {
        if let Some(own) = &self.settings.end_session_endpoint {
            return Url::parse(own).ok();
        }
        let metadata = self.metadata().await.ok()?;
        let mut url = metadata.end_session_endpoint.clone()?;
        {
            let mut query = url.query_pairs_mut();
            match id_token {
                Some(id_token) => query.append_pair("id_token_hint", id_token),
                None => query.append_pair("client_id", &self.settings.client_id),
            };
            if let Some(back_to) = back_to {
                query.append_pair("post_logout_redirect_uri", back_to);
            }
        }
        Some(url)
    }

    /// Whether an ID token names the issuer that this provider is known to be. Its signature is not looked at.
    pub fn may_have_issued(&self, id_token: &str) -> bool {
        let Some(metadata) = self.metadata.known() else { return false };
        let issuer = Unverified::parse(id_token).ok().and_then(|token| token.issuer().map(str::to_owned));
        let common = metadata.issuer.split("{tenantid}").next().unwrap_or_default();
        issuer.is_some_and(|issuer| {
            if common.len() == metadata.issuer.len() { issuer == common } else { issuer.starts_with(common) }
        })
    }

    fn scopes(&self) -> String {
        let mut scopes: Vec<&str> = self.settings.scopes.split_whitespace().collect();
        if !scopes.contains(&"openid") {
            scopes.insert(0, "openid");
        }
        scopes.join(" ")
    }

    async fn metadata(&self) -> Result<Arc<Metadata>> {
        const WHAT: &str = "configuration document";
        let fetch = async || {
            let document = self.fetcher.document(WHAT, &self.discovery_url, |request| request).await?;
            Metadata::parse(&document).map_err(|problem| OidcError::Unusable { what: WHAT, problem })
        };
        self.metadata.get(LIFETIME, fetch, || just_failed(WHAT, &self.discovery_url)).await
    }

    async fn keys(&self, metadata: &Metadata, age: Duration) -> Result<Arc<KeySet>> {
        const WHAT: &str = "key set";
        let fetch = async || {
            let document = self.fetcher.document(WHAT, &metadata.jwks_uri, |request| request).await?;
            let problem = || "it is no list of keys".to_owned();
            KeySet::parse(&document).ok_or_else(|| OidcError::Unusable { what: WHAT, problem: problem() })
        };
        self.keys.get(age, fetch, || just_failed(WHAT, &metadata.jwks_uri)).await
    }

    /// Exchanges a code for tokens.
    async fn exchange(
        &self,
        metadata: &Metadata,
        attempt: &Attempt,
        code: &str,
    ) -> Result<Map<String, Value>> {
        const WHAT: &str = "token endpoint";
        let authentication = self.authentication(metadata);
        let secret = self.settings.client_secret.as_ref().map(Secret::reveal).unwrap_or_default();
        let body = self.exchange_form(authentication, attempt, code, secret);
        let fill = |request: RequestBuilder| {
            let request =
                request.header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
            if authentication == ClientAuthentication::Basic {
                request.header(reqwest::header::AUTHORIZATION, basic(&self.settings.client_id, secret))
            } else {
                request
            }
        };
        let (status, answer) = self.fetcher.send(WHAT, Method::POST, &metadata.token_endpoint, fill).await?;
        match answer {
            Some(Value::Object(answer)) if status.is_success() => Ok(answer),
            Some(answer) if answer["error"].is_string() => {
                let word = |name: &str| {
                    let text = answer[name].as_str().unwrap_or("no description");
                    // Its words may repeat what was sent.
                    let text = [code, secret]
                        .into_iter()
                        .filter(|secret| !secret.is_empty())
                        .fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
                    text.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>()
                };
                Err(OidcError::Refused { code: word("error"), description: word("error_description") })
            }
            _ => {
                let problem = format!("it answers {} without a JSON object of tokens", status.as_u16());
                Err(OidcError::Unusable { what: WHAT, problem })
            }
        }
    }

    /// The form that is sent with a code.
    fn exchange_form(
        &self,
        authentication: ClientAuthentication,
        attempt: &Attempt,
        code: &str,
        secret: &str,
    ) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &attempt.redirect_uri);
        if let Some(verifier) = &attempt.verifier {
            form.append_pair("code_verifier", verifier);
        }
        if authentication != ClientAuthentication::Basic {
            form.append_pair("client_id", &self.settings.client_id);
        }
        if authentication == ClientAuthentication::Post {
            form.append_pair("client_secret", secret);
        }
        form.finish()
    }

    fn authentication(&self, metadata: &Metadata) -> ClientAuthentication {
        if let Some(set) = self.settings.authentication {
            return set;
        }
        if self.settings.client_secret.is_none() {
            return ClientAuthentication::None;
        }
        let takes = |name: &str| metadata.client_authentication.iter().any(|method| method == name);
        if takes("client_secret_post") && !takes("client_secret_basic") {
            ClientAuthentication::Post
        } else {
            ClientAuthentication::Basic
        }
    }

    /// Adds what only the account's page at the provider says, when the ID token lacks name or address.
    async fn complete(
        &self,
        metadata: &Metadata,
        mut claims: Map<String, Value>,
        access_token: Option<&str>,
    ) -> Result<Map<String, Value>> {
        let names = [&self.claims.subject, &self.claims.email, &self.claims.name];
        if names.into_iter().all(|name| claims.contains_key(name)) {
            return Ok(claims);
        }
        let (Some(endpoint), Some(token)) = (&metadata.userinfo_endpoint, access_token) else {
            return Ok(claims);
        };
        let answer = self
            .fetcher
            .document("userinfo endpoint", endpoint, |request| request.bearer_auth(token))
            .await?;
        let Value::Object(info) = answer else {
            let problem = "its answer is no JSON object".to_owned();
            return Err(OidcError::Unusable { what: "userinfo endpoint", problem });
        };
        // A token of somebody else may have been put in the place of this one (OpenID Connect Core, 5.3.2).
        if info.get("sub") != claims.get("sub") {
            return Err(IdTokenFault::OtherPerson.into());
        }
        claims.extend(info);
        Ok(claims)
    }
}

fn just_failed(what: &'static str, url: &Url) -> OidcError {
    let address = url.host_str().unwrap_or_default().to_owned();
    OidcError::Unreachable { what, address, cause: "it failed a moment ago".to_owned() }
}

/// Id and secret for the `Authorization` header (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let header = basic("a:b", "p+ä /%");
        let text = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a%3Ab:p%2B%C3%A4+%2F%25");
    }
}
