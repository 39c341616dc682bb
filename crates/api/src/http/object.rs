//! Forms are JSON objects.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Reads a form from an object only. serde would also take a list for one, by position: `["admin"]` for
/// `{"role": "admin"}`.
pub(super) struct FormDeserializer<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for FormDeserializer<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(visitor)
    }

    /// Also how raw JSON is asked for.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, Deserialize, PartialEq)]
    struct Form {
        #[serde(default)]
        role: Option<String>,
    }

    fn read<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
        T::deserialize(FormDeserializer(&mut serde_json::Deserializer::from_str(text)))
    }

    #[test]
    fn a_form_is_an_object() {
        assert_eq!(read::<Form>("{\"role\":\"user\"}").unwrap(), Form { role: Some("user".into()) });
        for text in ["[]", "[\"admin\"]", "null", "7"] {
            assert!(read::<Form>(text).is_err(), "{text}");
            assert!(read::<serde_json::Map<String, Value>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_bodies_are_read_as_ever() {
        assert_eq!(read::<Value>("[1]").unwrap(), json!([1]));
        assert_eq!(read::<Vec<u8>>("[1]").unwrap(), [1]);
        assert_eq!(read::<Option<Form>>("null").unwrap(), None);
        assert_eq!(read::<Box<serde_json::value::RawValue>>("[ 1]").unwrap().get(), "[ 1]");
    }
}
