//! Sign-in through a provider: the way there and the way back.
//!
//! Whatever goes wrong leads back to the sign-in page, which shows why: nobody is left on a page of JSON.

mod account;
mod address;
mod callback;
mod cookies;
mod login;
mod roles;

pub(super) use cookies::{ID_TOKEN_COOKIE, cleared};

use crate::http::{Access, ApiError, Route};

pub(super) fn routes() -> Vec<Route> {
    use Access::Public;
    vec![
        Route::get("/oauth/{provider}/login", Public, login::login),
        Route::get("/oauth/{provider}/login/callback", Public, callback::callback),
        Route::get("/oauth/{provider}/callback", Public, callback::callback),
    ]
}

fn unknown_provider() -> ApiError {
    ApiError::not_found("There is no sign-in through this service here.")
}
