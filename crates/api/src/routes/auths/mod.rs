//! Accounts of oneself: sign-up, sign-in, sign-out, session, profile, password, API key, and how sign-in is set up.
//!
//! A malformed body is answered here with one sentence as `detail`, not with a list of findings.

mod add;
mod admin_config;
mod answer;
mod api_key;
mod profile;
mod session;
mod sign_in;
mod sign_out;
mod sign_up;

pub(super) use answer::lifetime;
pub(super) use profile::new_picture;
pub(super) use sign_up::role;

use crate::http::{Access, ApiError, Json, Route};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, AnyRole, Public, Session, User};
    vec![
        Route::post("/api/v1/auths/signin", Public, sign_in::sign_in),
        Route::post("/api/v1/auths/signup", Public, sign_up::sign_up),
        Route::post("/api/v1/auths/signout", Public, sign_out::sign_out),
        Route::get("/api/v1/auths/", Session, session::read),
        Route::get("/api/v1/auths/mfa/status", Session, session::second_factor),
        Route::post("/api/v1/auths/update/profile", User, profile::update),
        Route::post("/api/v1/auths/update/password", AnyRole, profile::change_password),
        Route::post("/api/v1/auths/update/timezone", AnyRole, profile::note_timezone),
        Route::get("/api/v1/auths/api_key", AnyRole, api_key::read),
        Route::post("/api/v1/auths/api_key", AnyRole, api_key::create),
        Route::delete("/api/v1/auths/api_key", AnyRole, api_key::delete),
        Route::post("/api/v1/auths/add", Admin, add::add),
        Route::get("/api/v1/auths/admin/details", AnyRole, admin_config::contact),
        Route::get("/api/v1/auths/admin/config", Admin, admin_config::read),
        Route::post("/api/v1/auths/admin/config", Admin, admin_config::change),
        Route::get("/api/v1/auths/admin/config/oauth", Admin, admin_config::oauth),
        Route::post("/api/v1/auths/admin/config/oauth", Admin, admin_config::change_oauth),
        Route::get("/api/v1/auths/admin/config/ldap", Admin, admin_config::ldap),
    ]
}

/// A JSON body whose faults are told in one sentence.
struct Form<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let parsed = Json::<T>::from_request(request, state).await;
        parsed.map(|Json(form)| Self(form)).map_err(ApiError::with_plain_detail)
    }
}
