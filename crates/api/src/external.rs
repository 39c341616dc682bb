//! Sign-in through providers: which there are, and where a sign-in is kept until the browser comes back.

use antiphon_config::Config;
use antiphon_oidc::{ATTEMPT_LIFETIME, Attempt, OidcError, Provider, Sealer};
use antiphon_provider::WebClient;
use antiphon_state::sign_ins::{Taken, is_session_id};
use antiphon_state::{Clock, Exchange, SignIns};
use serde_json::{Map, Value, json};

/// The providers at which people may sign in, and the sign-ins under way.
pub struct ExternalSignIn {
    providers: Vec<Provider>,
    sealer: Sealer,
    sign_ins: SignIns,
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
    /// The providers that the configuration names. `secret` is that of the fleet; attempts are kept in Redis by way of `exchange` where
    /// `ENABLE_STAR_SESSIONS_MIDDLEWARE` says so.
    ///
    /// Fails when the address of a provider is none.
    pub fn new(
        config: &Config,
        secret: &str,
        web: &WebClient,
        exchange: Option<Exchange>,
    ) -> Result<Self, OidcError> {
        let oauth = &config.oauth;
        let providers = oauth
            .providers()
            .into_iter()
            .map(|settings| Provider::new(settings, oauth.claims(), oauth.pkce, oauth.timeout, web.clone()));
        Ok(Self {
            providers: providers.collect::<Result<_, _>>()?,
            sealer: Sealer::new(secret)?,
            sign_ins: SignIns::new(Clock::system(), ATTEMPT_LIFETIME, exchange, config.redis.sessions),
        })
    }

    /// The providers, in the order of the sign-in page.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id() == id)
    }

    /// The provider that has given this ID token, as far as can be told.
    pub(crate) fn provider_of(&self, id_token: Option<&str>) -> Option<&Provider> {
        match self.providers.as_slice() {
            [only] => Some(only),
            several => {
                let id_token = id_token?;
                several.iter().find(|provider| provider.may_have_issued(id_token))
            }
        }
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
