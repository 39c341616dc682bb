//! An account that an administrator makes for somebody.

use super::Form;
use super::answer::BEARER;
use crate::App;
use crate::http::{ApiError, ApiResult};
use crate::profile::{self, DEFAULT_PICTURE, own_picture_path};
use antiphon_auth::email;
use antiphon_storage::{NewUser, Role};
use axum::extract::State;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) struct AddForm {
    name: String,
    email: String,
    password: String,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    profile_image_url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct AddedBody {
    id: String,
    name: String,
    role: Role,
    email: String,
    profile_image_url: String,
    token: String,
    token_type: &'static str,
}

/// `POST /api/v1/auths/add {name, email, password, role?, profile_image_url?}`; without a role the account is pending.
pub(super) async fn add(
    State(app): State<App>,
    Form(form): Form<AddForm>,
) -> ApiResult<axum::Json<AddedBody>> {
    let name = profile::name(&form.name).map_err(ApiError::with_plain_detail)?;
    let picture = form.profile_image_url.as_deref().unwrap_or(DEFAULT_PICTURE);
    let profile_image_url = profile::picture(picture).map_err(ApiError::with_plain_detail)?;
    let email = email::validate(&form.email)?;
    let password_hash = app.sessions.hash_new_password(&form.password).await?;
    let role = form.role.unwrap_or(Role::Pending);
    let new = NewUser { id: None, name, email, role, profile_image_url, password_hash };
    let user = app.database.users().create(new).await?.user;
    let lifetime = app.settings().sign_in.jwt_expiry.duration();
    let signed_in = app.sessions.begin(&user.id, None, lifetime).await?;
    Ok(axum::Json(AddedBody {
        profile_image_url: own_picture_path(&user.id),
        id: user.id,
        name: user.name,
        role: user.role,
        email: user.email,
        token: signed_in.issued.token,
        token_type: BEARER,
    }))
}
