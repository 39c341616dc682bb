//! Keys of model services, by position to their addresses.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rules::{Parsed, Rule, Separator, items};
use crate::secret::Secret;

/// Keys by position. `Debug` masks them; serde writes and reads the plain texts, because settings store them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys(pub Vec<Secret>);

impl ApiKeys {
    /// The key at a position; `None` when there is none or it is empty.
    pub fn get(&self, index: usize) -> Option<&Secret> {
        self.0.get(index).filter(|key| !key.is_empty())
    }
}

impl Serialize for ApiKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Secret::reveal))
    }
}

impl<'de> Deserialize<'de> for ApiKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = Vec::<String>::deserialize(deserializer)?;
        Ok(Self(keys.into_iter().map(Secret::new).collect()))
    }
}

/// The rule for a list of keys, separated by semicolons; empty items keep their position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiKeysRule;

impl Rule for ApiKeysRule {
    type Value = ApiKeys;

    fn allowed(&self) -> String {
        "keys separated by semicolons".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<ApiKeys> {
        Parsed::Value(ApiKeys(items(text, Separator::Semicolon).map(Secret::new).collect()))
    }

    fn show(&self, value: &ApiKeys) -> String {
        value.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_position() {
        let Parsed::Value(keys) = ApiKeysRule.parse("a;; c") else { panic!("not parsed") };
        assert_eq!(keys.get(2).map(Secret::reveal), Some("c"));
        assert_eq!((keys.get(1), keys.get(3)), (None, None));
        assert_eq!(format!("{keys:?}").find("\"a\""), None);
        assert_eq!(serde_json::to_string(&keys).expect("JSON"), r#"["a","","c"]"#);
    }
}
