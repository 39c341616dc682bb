//! The administrator's form of sign-in through a provider, as it is on the wire.
//!
//! A field that is `null` stays as it is. Choices and numbers that are left to the server are empty texts in a filled form. The secret
//! of the client is never shown: a mask stands for it, and a form that holds the mask leaves the secret as it is.

use serde_json::{Map, Value};

use super::Settings;
use super::forms::OAUTH;
use crate::error::SettingError;
use crate::secret::MASK;

const SECRET: &str = "OAUTH_CLIENT_SECRET";

/// Fields whose setting is nothing where the form has an empty text.
const CHOICES: [&str; 3] =
    ["OAUTH_CODE_CHALLENGE_METHOD", "OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", "OAUTH_SUB_CLAIM"];

/// As [`CHOICES`], and the form shows nothing as an empty text too.
const NUMBERS: [&str; 2] = ["OAUTH_TIMEOUT", "OAUTH_CLIENT_TIMEOUT"];

/// The form as an administrator is shown it.
pub fn fill(settings: &Settings) -> Value {
    let mut form = OAUTH.fill(settings);
    for field in NUMBERS {
        if form[field].is_null() {
            form[field] = "".into();
        }
    }
    if settings.oauth.client_secret.get().is_some() {
        form[SECRET] = MASK.into();
    }
    form
}

/// A form that was sent, as [`OAUTH`] takes it.
pub fn read(sent: &Value) -> Result<Value, SettingError> {
    let fields = sent.as_object().ok_or(SettingError::NotAnObject)?;
    let kept = fields.iter().filter_map(|(field, value)| {
        let (name, blank) = (field.as_str(), value.as_str().is_some_and(|text| text.trim().is_empty()));
        if value.is_null() || (name == SECRET && value == MASK) {
            return None;
        }
        let nothing = blank && (CHOICES.contains(&name) || NUMBERS.contains(&name));
        Some((field.clone(), if nothing { Value::Null } else { value.clone() }))
    });
    Ok(Value::Object(kept.collect::<Map<_, _>>()))
}

/// Whether a form that was sent would change anything. Fails where a value does not fit.
pub fn changes(settings: &Settings, sent: &Value) -> Result<bool, SettingError> {
    let changed = OAUTH.apply(&mut settings.clone(), &read(sent)?)?;
    Ok(!changed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, load};
    use serde_json::json;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        load(&Environment::from_pairs(pairs.iter().copied())).expect("a configuration").config.settings
    }

    fn apply(settings: &mut Settings, sent: &Value) -> Vec<(&'static str, Value)> {
        OAUTH.apply(settings, &read(sent).expect("a form")).expect("it fits")
    }

    #[test]
    fn the_form_has_the_values_of_a_server_without_providers() {
        let expected = json!({
            "ENABLE_OAUTH": true, "ENABLE_OAUTH_SIGNUP": false, "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": false,
            "OAUTH_AUTO_REDIRECT": false, "OAUTH_ALLOWED_DOMAINS": "*", "OAUTH_BLOCKED_GROUPS": "[]",
            "ENABLE_OAUTH_ROLE_MANAGEMENT": false, "OAUTH_ROLES_CLAIM": "roles", "OAUTH_ADMIN_ROLES": "admin",
            "OAUTH_ALLOWED_ROLES": "", "ENABLE_OAUTH_GROUP_MANAGEMENT": false,
            "ENABLE_OAUTH_GROUP_CREATION": false, "OAUTH_GROUP_CLAIM": "groups", "OAUTH_GROUP_DEFAULT_SHARE": true,
            "OAUTH_PROVIDER_NAME": "SSO", "OPENID_PROVIDER_URL": "", "OAUTH_CLIENT_ID": "",
            "OAUTH_CLIENT_SECRET": "", "OPENID_REDIRECT_URI": "", "OAUTH_SCOPES": "openid email profile",
            "OAUTH_CODE_CHALLENGE_METHOD": null, "OAUTH_TOKEN_ENDPOINT_AUTH_METHOD": null,
            "OPENID_END_SESSION_ENDPOINT": "", "OAUTH_TIMEOUT": "", "OAUTH_CLIENT_TIMEOUT": "",
            "OAUTH_EMAIL_CLAIM": "email", "OAUTH_USERNAME_CLAIM": "name", "OAUTH_PICTURE_CLAIM": "picture",
            "OAUTH_SUB_CLAIM": null, "OAUTH_AUDIENCE": "", "OAUTH_UPDATE_EMAIL_ON_LOGIN": false,
            "OAUTH_UPDATE_NAME_ON_LOGIN": false, "OAUTH_UPDATE_PICTURE_ON_LOGIN": false,
            "OAUTH_REFRESH_TOKEN_INCLUDE_SCOPE": false
        });
        assert_eq!(fill(&settings(&[])), expected);
    }

    #[test]
    fn a_form_that_is_sent_back_as_it_was_changes_nothing() {
        let set = settings(&[
            ("OAUTH_CLIENT_SECRET", "hunter2"),
            ("OAUTH_TIMEOUT", "2.5"),
            ("OAUTH_CODE_CHALLENGE_METHOD", "none"),
            ("OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", "client_secret_post"),
            ("OAUTH_GROUP_DEFAULT_SHARE", "members"),
        ]);
        for settings in [settings(&[]), set] {
            let mut shown = fill(&settings);
            assert!(!shown.to_string().contains("hunter2"), "{shown}");
            assert!(!changes(&settings, &shown).expect("it fits"));
            // A page has an empty field where nothing is chosen.
            for value in shown.as_object_mut().expect("a form").values_mut().filter(|value| value.is_null()) {
                *value = "".into();
            }
            assert!(!changes(&settings, &shown).expect("it fits"));
        }
    }

    #[test]
    fn fields_are_changed_left_and_emptied() {
        let mut settings = settings(&[("OAUTH_CLIENT_SECRET", "hunter2"), ("OAUTH_TIMEOUT", "3")]);
        let sent = json!({
            "OAUTH_CLIENT_SECRET": "********", "OAUTH_TIMEOUT": "", "OAUTH_CLIENT_ID": null,
            "OAUTH_CODE_CHALLENGE_METHOD": "none", "UNKNOWN": 1
        });
        let changed = apply(&mut settings, &sent);
        assert_eq!(changed, [("oauth.code_challenge_method", json!("none")), ("oauth.timeout", Value::Null)]);
        assert!(!settings.oauth.pkce() && settings.oauth.timeout().as_secs() == 10);
        assert!(settings.oauth.client_secret.get().is_some());
        apply(&mut settings, &json!({ "OAUTH_CLIENT_SECRET": "", "OAUTH_CODE_CHALLENGE_METHOD": "S256" }));
        assert!(settings.oauth.client_secret.get().is_none() && settings.oauth.pkce());
    }

    #[test]
    fn what_does_not_fit_is_told_without_the_value() {
        let settings = settings(&[]);
        for (field, value) in [
            ("OPENID_PROVIDER_URL", json!("id.example.org/hunter2")),
            ("OAUTH_TIMEOUT", json!("hunter2")),
            ("OAUTH_CODE_CHALLENGE_METHOD", json!("plain")),
            ("OAUTH_CLIENT_SECRET", json!(["hunter2"])),
            ("ENABLE_OAUTH", json!("hunter2")),
        ] {
            let error = changes(&settings, &json!({ field: value })).expect_err(field).to_string();
            assert!(error.contains("oauth.") && !error.contains("hunter2"), "{error}");
        }
        assert!(matches!(changes(&settings, &json!([])), Err(SettingError::NotAnObject)));
    }
}
