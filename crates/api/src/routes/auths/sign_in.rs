//! Signing in with an e-mail address and a password.

use super::Form;
use super::answer;
use crate::App;
use crate::http::{ApiError, ApiResult};
use crate::profile::DEFAULT_PICTURE;
use antiphon_auth::SignedIn;
use antiphon_storage::{NewUser, Role};
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;

/// Address of the one administrator of a server without sign-in (`WEBUI_AUTH=false`).
const IMPLICIT_ADMIN: &str = "admin@localhost";

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: String,
}

/// `POST /api/v1/auths/signin {email, password}`; with `WEBUI_AUTH=false` any body signs in the one administrator.
pub(super) async fn sign_in(State(app): State<App>, request: Request) -> ApiResult<Response> {
    let lifetime = app.settings().sign_in.jwt_expiry.duration();
    if !app.config.auth.enabled {
        return answer::begun(&app, implicit_admin(&app, lifetime).await?);
    }
    if !app.config.auth.password_auth {
        return Err(ApiError::forbidden("Sign-in with a password is switched off on this server."));
    }
    let Form(form) = Form::<SignInForm>::from_request(request, &()).await?;
    answer::begun(&app, app.sessions.sign_in(&form.email, &form.password, lifetime).await?)
}

/// A session of the one administrator, who is made when the server has no accounts yet.
async fn implicit_admin(app: &App, lifetime: Option<Duration>) -> ApiResult<SignedIn> {
    let known = app.database.users().by_email(IMPLICIT_ADMIN).await?;
    let user_id = match known {
        Some(user) => user.id,
        None => create_implicit_admin(app).await?,
    };
    Ok(app.sessions.begin(&user_id, None, lifetime).await?)
}

async fn create_implicit_admin(app: &App) -> ApiResult<String> {
    let _turn = app.onboarding().turn().await;
    if let Some(user) = app.database.users().by_email(IMPLICIT_ADMIN).await? {
        return Ok(user.id);
    }
    // Whoever has an account here expects that it takes a password to get in.
    if app.onboarding().has_accounts(&app.database).await? {
        return Err(ApiError::bad_request(
            "This server has accounts already, so sign-in cannot be switched off. Set WEBUI_AUTH=true, or start with \
             an empty database.",
        ));
    }
    let new = NewUser {
        id: None,
        name: "User".to_owned(),
        email: IMPLICIT_ADMIN.to_owned(),
        role: Role::Admin,
        profile_image_url: DEFAULT_PICTURE.to_owned(),
        // No hash: no password opens this account should WEBUI_AUTH be switched on later.
        password_hash: String::new(),
    };
    Ok(app.database.users().create(new).await?.user.id)
}
