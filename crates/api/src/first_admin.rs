//! The administrator that the environment names: `WEBUI_ADMIN_EMAIL`, `WEBUI_ADMIN_PASSWORD`, `WEBUI_ADMIN_NAME`.

use crate::App;
use crate::settings::SettingsError;
use antiphon_auth::{AuthError, email};
use antiphon_storage::{NewUser, Role, StorageError};
use serde_json::Value;

/// Key of the setting that switches sign-up.
const SIGN_UP: &str = "ui.enable_signup";

/// Why the administrator of the environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    /// Address or password are not taken.
    #[error("WEBUI_ADMIN_EMAIL or WEBUI_ADMIN_PASSWORD cannot be used: {0} Correct it, or remove both.")]
    Refused(#[from] AuthError),
    /// The database said no.
    #[error("The administrator named by WEBUI_ADMIN_EMAIL could not be stored.")]
    Storage(#[from] StorageError),
    /// Sign-up could not be switched off.
    #[error("The administrator was made, but sign-up could not be switched off.")]
    Settings(#[from] SettingsError),
}

/// Makes the administrator that the environment names, on a server without accounts, and switches sign-up off.
///
/// Gives its address when it was made; nothing when accounts exist or none is named.
pub async fn create_first_admin(app: &App) -> Result<Option<String>, FirstAdminError> {
    let (Some(address), Some(password)) = (&app.config.auth.admin_email, &app.config.auth.admin_password)
    else {
        return Ok(None);
    };
    let _turn = app.onboarding().turn().await;
    if app.onboarding().has_accounts(&app.database).await? {
        return Ok(None);
    }
    let email = email::validate(address)?;
    let new = NewUser {
        id: None,
        name: app.config.auth.admin_name.clone(),
        email: email.clone(),
        role: Role::Admin,
        profile_image_url: crate::profile::DEFAULT_PICTURE.to_owned(),
        password_hash: app.sessions.hash_new_password(password.reveal()).await?,
    };
    match app.database.users().create(new).await {
        Ok(_) => {}
        // Another node that started at the same time made it.
        Err(StorageError::EmailTaken) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    close_sign_up(app).await?;
    Ok(Some(email))
}

/// Switches sign-up off, as the first account does.
pub(crate) async fn close_sign_up(app: &App) -> Result<(), SettingsError> {
    app.settings.set(SIGN_UP, Value::Bool(false)).await.map(drop)
}
