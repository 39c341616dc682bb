//! The way back from the provider.

use super::account::{self, Refusal};
use super::{address, cookies, unknown_provider};
use crate::App;
use crate::external::Kept;
use crate::http::{ApiResult, Path, Query};
use crate::routes::auths::lifetime;
use antiphon_auth::{AuthError, SignedIn};
use antiphon_oidc::{OidcError, Provider};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

/// `auth_method` of a session that began at a provider.
const BY_PROVIDER: &str = "oauth";

/// Letters of a provider's error that are logged.
const MAX_LOGGED: usize = 100;

/// What the provider sends along.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

/// Why nobody is signed in.
enum Failure {
    /// No attempt in this browser goes with the answer.
    NoAttempt,
    /// The attempt is in Redis, which does not answer.
    OutOfReach,
    /// The provider says no.
    Denied(String),
    /// Something went wrong between this server and the provider.
    Provider(OidcError),
    /// The person may not sign in here.
    Refused(Refusal),
    /// No session could begin.
    Session(AuthError),
}

/// `GET /oauth/{provider}/login/callback?state=…&code=…`: signs the person in and leads to the page.
pub(super) async fn callback(
    State(app): State<App>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> ApiResult<Response> {
    let provider = app.external.provider(&app.settings().oauth, &provider).ok_or_else(unknown_provider)?;
    let mut response = match finish(&app, &provider, &headers, answer).await {
        Ok((signed_in, id_token)) => {
            let mut response = address::to_page(&app, None)?;
            let max_age = lifetime(&signed_in.issued.claims);
            cookies::set_session(&app, &mut response, &signed_in.issued.token, &id_token, max_age);
            response
        }
        Err(failure) => {
            failure.log(&provider);
            address::to_page(&app, Some(failure.for_people()))?
        }
    };
    cookies::clear_attempt(&app, &mut response);
    Ok(response)
}

/// The session, and the provider's ID token.
async fn finish(
    app: &App,
    provider: &Provider,
    headers: &HeaderMap,
    answer: Answer,
) -> Result<(SignedIn, String), Failure> {
    let (Some(cookie), Some(state)) = (cookies::attempt(headers), &answer.state) else {
        return Err(Failure::NoAttempt);
    };
    let now = app.clock.unix_seconds();
    let attempt = match app.external.take(cookie, provider.id(), state, now).await {
        Kept::Attempt(attempt) => attempt,
        Kept::None => return Err(Failure::NoAttempt),
        Kept::OutOfReach => return Err(Failure::OutOfReach),
    };
    if let Some(error) = answer.error {
        return Err(Failure::Denied(error));
    }
    let code = answer.code.ok_or_else(|| Failure::Denied("no code".to_owned()))?;
    let person = provider.finish(&attempt, &code, answer.iss.as_deref(), now).await;
    let person = person.map_err(Failure::Provider)?;
    let user_id = account::of(app, &person).await.map_err(Failure::Refused)?;
    let lifetime = app.settings().sign_in.jwt_expiry.duration();
    let begun = app.sessions.begin(&user_id, Some(BY_PROVIDER), lifetime).await;
    Ok((begun.map_err(Failure::Session)?, person.id_token))
}

impl Failure {
    /// Says it on the log, unless it is an everyday matter.
    fn log(&self, provider: &Provider) {
        let provider = provider.id();
        match self {
            Self::NoAttempt | Self::Session(AuthError::InvalidToken | AuthError::Unavailable) => {}
            Self::Session(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(provider, %error, cause, "no session could begin; see the cause");
            }
            Self::OutOfReach => {
                tracing::warn!(
                    provider,
                    "a sign-in could not be finished because Redis does not answer. New sign-ins do without it."
                );
            }
            Self::Denied(error) => {
                let error: String =
                    error.chars().filter(|letter| !letter.is_control()).take(MAX_LOGGED).collect();
                tracing::info!(provider, error, "a provider let nobody in");
            }
            Self::Provider(error) => tracing::warn!(provider, "nobody is signed in: {error}"),
            Self::Refused(refusal) => refusal.log(provider),
        }
    }

    /// What the page shows.
    fn for_people(&self) -> &str {
        match self {
            Self::NoAttempt => {
                "This sign-in is over: it took too long, was finished before, or was begun in another browser. Start again."
            }
            Self::OutOfReach => "The sign-in could not be finished right now. Start again.",
            Self::Denied(_) => {
                "The sign-in service did not let you in. Start again, or ask an administrator."
            }
            Self::Provider(error) => error.for_people(),
            Self::Refused(refusal) => refusal.for_people(),
            Self::Session(AuthError::InvalidToken) => {
                "Your account is switched off on this server. Ask an administrator."
            }
            Self::Session(AuthError::Unavailable) => Refusal::UNAVAILABLE,
            Self::Session(_) => "The server failed to sign you in. Its log says why.",
        }
    }
}
