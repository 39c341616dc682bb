//! Who somebody is in the words of the provider.

use antiphon_config::OAuthClaims;
use serde_json::{Map, Value};

use crate::error::IdTokenFault;

/// A person who has signed in at a provider.
#[derive(Clone, PartialEq)]
pub struct Person {
    /// The provider: `oidc`, `google` or `microsoft`.
    pub provider: &'static str,
    /// Tells the person apart from all others at this provider, for good.
    pub subject: String,
    /// The e-mail address as the provider writes it.
    pub email: Option<String>,
    /// Whether the provider says that the address is the person's; many say nothing.
    pub email_verified: Option<bool>,
    /// The name.
    pub name: Option<String>,
    /// Everything that the provider says.
    pub claims: Map<String, Value>,
    /// The ID token, with which the session at the provider can be ended.
    pub id_token: String,
}

impl Person {
    pub(crate) fn new(
        provider: &'static str,
        names: &OAuthClaims,
        claims: Map<String, Value>,
        id_token: String,
    ) -> Result<Self, IdTokenFault> {
        let text = |name: &str| text(claims.get(name)?);
        let subject = text(&names.subject).ok_or_else(|| IdTokenFault::Missing(names.subject.clone()))?;
        let email_verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => Some(*verified),
            // Some providers write it as a text.
            Some(Value::String(verified)) => Some(verified.eq_ignore_ascii_case("true")),
            _ => None,
        };
        let (email, name) = (text(&names.email), text(&names.name));
        Ok(Self { provider, subject, email, email_verified, name, claims, id_token })
    }

    /// The value of a claim; dots in the name lead into objects, unless there is a claim of just that name.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let first = self.claims.get(parts.next()?);
        parts.fold(first, |value, part| value?.get(part)).or_else(|| self.claims.get(name))
    }
}

/// A claim as text; numbers are written out.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Person").field("provider", &self.provider).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(subject: &str, claims: &Value) -> Result<Person, IdTokenFault> {
        let names = OAuthClaims { subject: subject.into(), email: "email".into(), name: "name".into() };
        Person::new("oidc", &names, claims.as_object().unwrap().clone(), "a.b.c".into())
    }

    #[test]
    fn claims_are_read_by_their_configured_names() {
        let claims = json!({
            "sub": "s", "uid": 7, "email": " Ada@Example.org ", "email_verified": "false", "name": "",
            "realm": { "roles": ["a"] }, "flat.name": "x",
        });
        let ada = person("uid", &claims).unwrap();
        assert_eq!(
            (ada.subject.as_str(), ada.email.as_deref(), ada.name.as_deref()),
            ("7", Some("Ada@Example.org"), None)
        );
        assert_eq!(ada.email_verified, Some(false));
        assert_eq!(ada.claim("realm.roles"), Some(&json!(["a"])));
        assert_eq!(ada.claim("flat.name"), Some(&json!("x")));
        assert_eq!(ada.claim("realm.none"), None);
        assert_eq!(person("none", &claims).unwrap_err(), IdTokenFault::Missing("none".into()));
    }
}
