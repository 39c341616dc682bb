//! Sign-in through providers: which there are, and where a sign-in is kept until the browser comes back.

use antiphon_config::{Config, IdentityProvider, OAuth, OAuthClaims, OAuthSettings};
use antiphon_oidc::{ATTEMPT_LIFETIME, Attempt, OidcError, Provider, Sealer};
use antiphon_provider::WebClient;
use antiphon_state::sign_ins::{Taken, is_session_id};
use antiphon_state::{Clock, Exchange, SignIns};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The providers at which people may sign in, and the sign-ins under way.
pub struct ExternalSignIn {
    environment: OAuth,
    web: WebClient,
    /// Those that the settings asked for last, with what they were made of; none where it does not do.
    made: Mutex<Vec<(Blueprint, Option<Arc<Provider>>)>>,
    sealer: Sealer,
    sign_ins: SignIns,
}

/// All that a provider is made of.
#[derive(Clone, Debug, PartialEq)]
struct Blueprint {
    provider: IdentityProvider,
    claims: OAuthClaims,
    pkce: bool,
    timeout: Duration,
}

/// What the browser's cookie came to.
pub(crate) enum Kept {
    /// The attempt, which nobody can take a second time.
    Attempt(Attempt),
    /// There is none for this answer: too late, finished before, begun in another browser, or made up.
    None,
    /// It is in Redis, which does not answer.
    OutOfReach,
}

impl ExternalSignIn {
    /// No providers yet: they follow the settings. `secret` is that of the fleet; attempts are kept in Redis by way of `exchange` where
    /// `ENABLE_STAR_SESSIONS_MIDDLEWARE` says so.
    pub fn new(
        config: &Config,
        secret: &str,
        web: &WebClient,
        clock: &Clock,
        exchange: Option<Exchange>,
    ) -> Result<Self, OidcError> {
        Ok(Self {
            environment: config.oauth.clone(),
            web: web.clone(),
            made: Mutex::default(),
            sealer: Sealer::new(secret)?,
            sign_ins: SignIns::new(clock.clone(), ATTEMPT_LIFETIME, exchange, config.redis.sessions),
        })
    }

    /// The providers of these settings, in the order of the sign-in page.
    ///
    /// A provider is made anew only when the settings it is made of have changed; otherwise it keeps what it has fetched.
    pub fn providers(&self, settings: &OAuthSettings) -> Vec<Arc<Provider>> {
        let wanted: Vec<Blueprint> = settings
            .providers(&self.environment)
            .into_iter()
            .map(|provider| Blueprint {
                provider,
                claims: settings.claims(),
                pkce: settings.pkce(),
                timeout: settings.timeout(),
            })
            .collect();
        let mut made = self.made.lock();
        if !wanted.iter().eq(made.iter().map(|(blueprint, _)| blueprint)) {
            let old = std::mem::take(&mut *made);
            made.extend(wanted.into_iter().map(|blueprint| {
                let same = old.iter().find(|(known, _)| *known == blueprint);
                let provider = same.map_or_else(|| self.make(&blueprint), |(_, provider)| provider.clone());
                (blueprint, provider)
            }));
        }
        made.iter().filter_map(|(_, provider)| provider.clone()).collect()
    }

    fn make(&self, blueprint: &Blueprint) -> Option<Arc<Provider>> {
        let Blueprint { provider, claims, pkce, timeout } = blueprint.clone();
        let id = provider.id;
        match Provider::new(provider, claims, pkce, timeout, self.web.clone()) {
            Ok(provider) => Some(Arc::new(provider)),
            Err(error) => {
                tracing::error!(
                    provider = id,
                    "people cannot sign in at a provider: {error}. Correct it (OPENID_PROVIDER_URL, MICROSOFT_CLIENT_LOGIN_BASE_URL)."
                );
                None
            }
        }
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, settings: &OAuthSettings, id: &str) -> Option<Arc<Provider>> {
        self.providers(settings).into_iter().find(|provider| provider.id() == id)
    }

    /// The provider that has given this ID token, as far as can be told.
    pub(crate) fn provider_of(
        &self,
        settings: &OAuthSettings,
        id_token: Option<&str>,
    ) -> Option<Arc<Provider>> {
        let mut providers = self.providers(settings);
        if providers.len() == 1 {
            return providers.pop();
        }
        let id_token = id_token?;
        providers.into_iter().find(|provider| provider.may_have_issued(id_token))
    }

    /// Keeps an attempt until the browser comes back, and gives the value of the cookie by which it is found.
    pub(crate) async fn keep(&self, attempt: &Attempt) -> Result<String, OidcError> {
        match self.sign_ins.begin(&session(attempt)).await {
            Some(id) => Ok(id),
            None => self.sealer.seal(attempt),
        }
    }

    /// Gives the attempt that is answered with `state`, once. `now`: Unix seconds.
    pub(crate) async fn take(&self, cookie: &str, provider: &str, state: &str, now: u64) -> Kept {
        if is_session_id(cookie) {
            return match self.sign_ins.take(cookie).await {
                Taken::Unknown => Kept::OutOfReach,
                Taken::Gone => Kept::None,
                Taken::Session(mut session) => {
                    let kept = session.remove(&name(provider, state)).and_then(|mut kept| {
                        serde_json::from_value::<Attempt>(kept.get_mut("data")?.take()).ok()
                    });
                    kept.filter(|attempt| attempt.is_answered_by(provider, state, now))
                        .map_or(Kept::None, Kept::Attempt)
                }
            };
        }
        let attempt = self.sealer.open(cookie);
        match attempt.filter(|attempt| attempt.is_answered_by(provider, state, now)) {
            Some(attempt) if self.sign_ins.spend(&attempt.state).await => Kept::Attempt(attempt),
            _ => Kept::None,
        }
    }
}

/// The content of a session, in the reference's shape: one entry for each sign-in under way.
fn session(attempt: &Attempt) -> Map<String, Value> {
    let kept = json!({ "data": attempt, "exp": attempt.expires_at });
    Map::from_iter([(name(&attempt.provider, &attempt.state), kept)])
}

fn name(provider: &str, state: &str) -> String {
    format!("_state_{provider}_{state}")
}
