//! A rule for JSON text.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Parsed, Rule};
use crate::secret::{MASK, names_a_secret};

/// JSON text of a given shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T> {
    shape: &'static str,
    lenient: bool,
    value: PhantomData<T>,
}

impl<T> Json<T> {
    /// Text that is not JSON of this shape stops the start. The shape is a phrase such as `a JSON object`.
    pub(crate) const fn strict(shape: &'static str) -> Self {
        Self { shape, lenient: false, value: PhantomData }
    }

    /// Text that is not JSON of this shape gives the default, with a notice.
    pub(crate) const fn lenient(shape: &'static str) -> Self {
        Self { shape, lenient: true, value: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Rule for Json<T> {
    type Value = T;

    fn allowed(&self) -> String {
        self.shape.to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<T> {
        match serde_json::from_str(text) {
            Ok(value) => Parsed::Value(value),
            Err(error) => {
                // Only the place: serde's own words may quote the value.
                let problem =
                    format!("is not {} (line {}, column {})", self.shape, error.line(), error.column());
                if self.lenient { Parsed::Ignored(problem) } else { Parsed::Wrong(problem) }
            }
        }
    }

    fn show(&self, value: &T) -> String {
        serde_json::to_value(value).map(|value| masked(value).to_string()).unwrap_or_default()
    }

    fn conceal(&self, text: &str) -> String {
        serde_json::from_str(text).map_or_else(|_| MASK.to_owned(), |value| masked(value).to_string())
    }
}

/// The value with every field masked whose name speaks of a secret.
fn masked(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let hide = names_a_secret(&name) && !value.is_null() && value != "";
                (name, if hide { Value::String(MASK.to_owned()) } else { masked(value) })
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn secrets_inside_json_are_masked() {
        let rule = Json::<Map<String, Value>>::strict("a JSON object");
        let text = r#"{"password":"x","a":{"api_key":"y","b":1}}"#;
        let Parsed::Value(value) = rule.parse(text) else { panic!("not parsed") };
        assert_eq!(rule.show(&value), r#"{"a":{"api_key":"********","b":1},"password":"********"}"#);
        assert_eq!(rule.conceal(text), rule.show(&value));
        assert_eq!(rule.conceal(r#"{"password":"x""#), MASK);
        assert!(matches!(rule.parse("[1]"), Parsed::Wrong(_)));
    }
}
