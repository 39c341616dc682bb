//! Which model services are called.

use serde_json::{Map, Value};
use url::Url;

use crate::registry::{settings, variable};
use crate::rules::{Bool, Json, Parsed, Rule, SecretText, Separator, Text, items, optional};
use crate::secret::{Secret, mask_url};
use crate::values::{ApiKeys, ApiKeysRule};

/// Address of OpenAI, which an empty item stands for.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// One model service as an administrator set it up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connection<'a> {
    /// Position in the lists.
    pub index: usize,
    /// Base address.
    pub url: &'a str,
    /// Key, if any.
    pub key: Option<&'a Secret>,
    /// Further settings: `enable`, `prefix_id`, `model_ids` and so on.
    pub config: Option<&'a Value>,
}

settings! {
    /// Services that speak the OpenAI protocol.
    pub struct OpenAi, "OpenAI-compatible services" {
        /// Calls services that speak the OpenAI protocol.
        enabled: bool = variable("ENABLE_OPENAI_API", Bool).or("true").key("openai.enable");
        /// Base addresses, separated by semicolons; an empty item means OpenAI itself.
        base_urls: Vec<String> =
            variable("OPENAI_API_BASE_URLS", BaseUrls { empty: Some(OPENAI_URL) })
                .or_value_of("OPENAI_API_BASE_URL")
                .key("openai.api_base_urls");
        /// Keys by position to the addresses, separated by semicolons.
        keys: ApiKeys =
            variable("OPENAI_API_KEYS", ApiKeysRule).or_value_of("OPENAI_API_KEY").secret().key("openai.api_keys");
        /// Further settings by position, as a JSON object with the keys "0", "1" and so on.
        configs: Map<String, Value> =
            variable("OPENAI_API_CONFIGS", Json::strict("a JSON object")).or("{}").key("openai.api_configs");
    }
    others {
        /// Base address, when there is only one.
        variable("OPENAI_API_BASE_URL", Text).or("");
        /// Key, when there is only one.
        variable("OPENAI_API_KEY", optional(SecretText)).or("").secret();
    }
}

impl OpenAi {
    /// The services that may be called, which leaves out OpenAI itself as long as it has no key.
    pub fn connections(&self) -> Vec<Connection<'_>> {
        let keys = |index: usize| self.keys.get(index);
        let all = listed(self.enabled, &self.base_urls, &self.configs, keys);
        all.into_iter()
            .filter(|connection| connection.url != OPENAI_URL || connection.key.is_some())
            .collect()
    }
}

settings! {
    /// Ollama servers.
    pub struct Ollama, "Ollama servers" {
        /// Calls Ollama servers.
        enabled: bool = variable("ENABLE_OLLAMA_API", Bool).or("true").key("ollama.enable");
        /// Base addresses, separated by semicolons.
        base_urls: Vec<String> =
            variable("OLLAMA_BASE_URLS", BaseUrls { empty: None }).or_value_of("OLLAMA_BASE_URL").key("ollama.base_urls");
        /// Further settings by position, as a JSON object with the keys "0", "1" and so on.
        configs: Map<String, Value> =
            variable("OLLAMA_API_CONFIGS", Json::strict("a JSON object")).or("{}").key("ollama.api_configs");
    }
    others {
        /// Base address, when there is only one.
        variable("OLLAMA_BASE_URL", Text).or("http://localhost:11434");
    }
}

impl Ollama {
    /// The servers that may be called. An Ollama server has its key in its settings.
    pub fn connections(&self) -> Vec<Connection<'_>> {
        listed(self.enabled, &self.base_urls, &self.configs, |_| None)
    }
}

fn listed<'a>(
    enabled: bool,
    urls: &'a [String],
    configs: &'a Map<String, Value>,
    key: impl Fn(usize) -> Option<&'a Secret>,
) -> Vec<Connection<'a>> {
    if !enabled {
        return Vec::new();
    }
    urls.iter()
        .enumerate()
        .map(|(index, url)| {
            // Old installations keyed the settings by address.
            let config = configs.get(&index.to_string()).or_else(|| configs.get(url));
            Connection { index, url, key: key(index), config }
        })
        .filter(|connection| {
            connection.config.and_then(|config| config.get("enable")).and_then(Value::as_bool).unwrap_or(true)
        })
        .collect()
}

/// Base addresses separated by semicolons, each without a slash at its end.
#[derive(Clone, Copy, Debug)]
struct BaseUrls {
    /// What an empty item stands for; without it empty items are dropped.
    empty: Option<&'static str>,
}

impl Rule for BaseUrls {
    type Value = Vec<String>;

    fn allowed(&self) -> String {
        "http:// or https:// addresses separated by semicolons".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<Vec<String>> {
        let mut urls = Vec::new();
        for item in items(text, Separator::Semicolon) {
            let item = match (item, self.empty) {
                ("", Some(empty)) => empty,
                ("", None) => continue,
                (item, _) => item,
            };
            match Url::parse(item) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => {
                    urls.push(item.strip_suffix('/').unwrap_or(item).to_owned());
                }
                _ => {
                    return Parsed::Wrong(format!(
                        "holds \"{}\", which is not a web address",
                        mask_url(item)
                    ));
                }
            }
        }
        Parsed::Value(urls)
    }

    fn show(&self, value: &Vec<String>) -> String {
        value.iter().map(|url| mask_url(url)).collect::<Vec<_>>().join(";")
    }

    fn conceal(&self, text: &str) -> String {
        items(text, Separator::Semicolon).map(mask_url).collect::<Vec<_>>().join(";")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Settings, load};

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        load(&Environment::from_pairs(pairs.iter().copied())).expect("a configuration").config.settings
    }

    #[test]
    fn without_a_key_openai_is_not_called() {
        let settings = settings(&[]);
        assert_eq!(settings.openai.base_urls, [OPENAI_URL]);
        assert!(settings.openai.connections().is_empty());
        assert_eq!(settings.ollama.connections()[0].url, "http://localhost:11434");
    }

    #[test]
    fn keys_and_settings_belong_to_addresses_by_position() {
        let settings = settings(&[
            ("OPENAI_API_BASE_URLS", "http://a.test/v1/ ; ;http://c.test/v1"),
            ("OPENAI_API_KEYS", "one;two"),
            ("OPENAI_API_CONFIGS", r#"{"2":{"enable":false},"0":{"prefix_id":"a"}}"#),
        ]);
        let connections = settings.openai.connections();
        let urls: Vec<_> = connections.iter().map(|connection| (connection.index, connection.url)).collect();
        assert_eq!(urls, [(0, "http://a.test/v1"), (1, OPENAI_URL)]);
        assert_eq!(connections[1].key.map(Secret::reveal), Some("two"));
        assert_eq!(connections[0].config.and_then(|config| config["prefix_id"].as_str()), Some("a"));
    }

    #[test]
    fn the_single_forms_are_the_default_of_the_lists() {
        let settings = settings(&[("OPENAI_API_BASE_URL", "http://a.test/"), ("OPENAI_API_KEY", "k")]);
        assert_eq!(settings.openai.base_urls, ["http://a.test"]);
        assert_eq!(settings.openai.keys.get(0).map(Secret::reveal), Some("k"));
    }
}
