//! Values of the settings of sign-in through a provider.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use url::Url;

use crate::rules::{Parsed, Rule, Span};
use crate::secret::{MASK, Secret};

/// How the server proves to the provider that it is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuthentication {
    /// Id and secret in the `Authorization` header.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// Id and secret in the form.
    #[serde(rename = "client_secret_post")]
    Post,
    /// The id alone: a public client.
    #[serde(rename = "none")]
    None,
}

pub(crate) const AUTHENTICATIONS: &[(&str, ClientAuthentication)] = &[
    ("client_secret_basic", ClientAuthentication::Basic),
    ("client_secret_post", ClientAuthentication::Post),
    ("none", ClientAuthentication::None),
];

/// How the code is bound to its sign-in (PKCE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeChallenge {
    /// By the digest of a secret.
    S256,
    /// Not at all.
    #[serde(rename = "none")]
    None,
}

pub(crate) const CHALLENGES: &[(&str, CodeChallenge)] =
    &[("S256", CodeChallenge::S256), ("none", CodeChallenge::None)];

/// The secret of this server at a provider; empty for a public client. `Debug` masks it; serde writes and reads the
/// plain text, because settings store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret(Secret);

impl ClientSecret {
    /// The secret, when there is one.
    pub fn get(&self) -> Option<&Secret> {
        Some(&self.0).filter(|secret| !secret.is_empty())
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// The rule for such a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSecretRule;

impl Rule for ClientSecretRule {
    type Value = ClientSecret;

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<ClientSecret> {
        Parsed::Value(ClientSecret(Secret::new(text)))
    }

    fn show(&self, value: &ClientSecret) -> String {
        value.0.to_string()
    }

    fn conceal(&self, text: &str) -> String {
        if text.is_empty() { String::new() } else { MASK.to_owned() }
    }
}

/// The address of something on the web, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WebAddress(String);

impl WebAddress {
    /// What may be written.
    const ALLOWED: &'static str =
        "an address that begins with http:// or https:// and names a host, or nothing";

    /// The address, when there is one.
    pub fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.is_empty())
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let usable = text.is_empty()
            || Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        usable.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for WebAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| de::Error::custom(format!("it must be {}", Self::ALLOWED)))
    }
}

/// The rule for such an address; another text stops the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebAddressRule;

impl Rule for WebAddressRule {
    type Value = WebAddress;

    fn allowed(&self) -> String {
        WebAddress::ALLOWED.to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<WebAddress> {
        WebAddress::read(text).map_or_else(|| Parsed::Wrong("is no web address".to_owned()), Parsed::Value)
    }

    fn show(&self, value: &WebAddress) -> String {
        value.0.clone()
    }
}

/// A span of time that settings keep as its number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(Duration);

impl Seconds {
    /// Its length.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_str(&self.0.as_secs_f64().to_string())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    /// From a number, or a text that holds one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match SecondsRule.parse(&text) {
            Parsed::Value(seconds) => Ok(seconds),
            _ => Err(de::Error::custom(format!("it must be {}", SecondsRule.allowed()))),
        }
    }
}

/// The rule for such a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecondsRule;

impl Rule for SecondsRule {
    type Value = Seconds;

    fn allowed(&self) -> String {
        Span::seconds().allowed()
    }

    fn parse(&self, text: &str) -> Parsed<Seconds> {
        Span::seconds().parse(text).map(Seconds)
    }

    fn show(&self, value: &Seconds) -> String {
        Span::seconds().show(&value.0)
    }
}

/// Whether groups that a provider names may be shared: a switch, or a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GroupShare {
    /// With everybody, or with nobody.
    Switch(bool),
    /// With these.
    Word(String),
}

/// The rule for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupShareRule;

impl Rule for GroupShareRule {
    type Value = GroupShare;

    fn allowed(&self) -> String {
        "true, false or a word".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<GroupShare> {
        Parsed::Value(match text.trim().to_lowercase().as_str() {
            "true" => GroupShare::Switch(true),
            "false" => GroupShare::Switch(false),
            word => GroupShare::Word(word.to_owned()),
        })
    }

    fn show(&self, value: &GroupShare) -> String {
        match value {
            GroupShare::Switch(on) => on.to_string(),
            GroupShare::Word(word) => word.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_has_a_scheme_of_the_web_and_a_host() {
        for text in
            ["", "  ", "https://id.example.org/.well-known/openid-configuration", "http://127.0.0.1:1"]
        {
            let address: WebAddress = serde_json::from_value(json!(text)).expect(text);
            assert_eq!(address.get().unwrap_or_default(), text.trim());
        }
        for text in ["id.example.org", "ftp://id.example.org", "https://", "javascript:alert(1)"] {
            assert!(serde_json::from_value::<WebAddress>(json!(text)).is_err(), "{text}");
            assert!(matches!(WebAddressRule.parse(text), Parsed::Wrong(_)), "{text}");
        }
    }

    #[test]
    fn seconds_are_numbers_or_texts_with_one() {
        for (given, stored) in [(json!(10), json!(10)), (json!("3"), json!(3)), (json!(0.5), json!("0.5"))] {
            let seconds: Seconds = serde_json::from_value(given).expect("seconds");
            assert_eq!(serde_json::to_value(seconds).expect("JSON"), stored);
            assert_eq!(serde_json::from_value::<Seconds>(stored).expect("again"), seconds);
        }
        for given in [json!(0), json!(-1), json!("soon"), json!(true), json!([1]), json!(1e300)] {
            assert!(serde_json::from_value::<Seconds>(given.clone()).is_err(), "{given}");
        }
    }

    #[test]
    fn a_client_secret_shows_itself_to_the_store_alone() {
        let secret: ClientSecret = serde_json::from_value(json!("hunter2")).expect("a secret");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(serde_json::to_value(&secret).expect("JSON"), json!("hunter2"));
        assert_eq!(serde_json::from_value::<ClientSecret>(json!("")).expect("none").get(), None);
    }
}
