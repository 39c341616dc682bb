//! The shapes that JSON values have, in the notation of the descriptions and of the contract files.
//!
//! ```text
//! "string" "integer" "number" "boolean" "null" "any"   a scalar, or anything
//! "'user'"                                             exactly this text
//! "ChatItem"                                           the shape of this name
//! "string | null"                                      one of several, as long as each is a word
//! ["ChatItem"]  []                                     a list of these; a list of anything
//! {"id": "string", "title?": "string"}                 an object; `?`: may be missing. Further fields are allowed
//! {"*": "integer"}                                     an object with any keys, whose values are these
//! {"|": ["null", {"id": "string"}]}                    one of several
//! ```

use serde_json::Value;
use thiserror::Error;

/// What a JSON value may look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Any,
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// Any text.
    Text,
    /// Exactly this text.
    Word(String),
    /// The shape of this name.
    Named(String),
    /// A list whose items have one shape.
    List(Box<Shape>),
    /// An object with any keys, whose values have one shape.
    Map(Box<Shape>),
    /// An object with these fields, and any others.
    Object(Vec<Field>),
    /// One of several.
    OneOf(Vec<Shape>),
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it is always there.
    pub required: bool,
    /// What it holds.
    pub shape: Shape,
}

/// A notation that means nothing.
#[derive(Debug, Error)]
#[error("{0} is no shape")]
pub struct ShapeError(String);

impl Shape {
    /// Reads the notation.
    pub fn parse(notation: &Value) -> Result<Self, ShapeError> {
        match notation {
            Value::String(text) => Self::parse_words(text),
            Value::Array(items) => match items.as_slice() {
                [] => Ok(Self::List(Box::new(Self::Any))),
                [item] => Ok(Self::List(Box::new(Self::parse(item)?))),
                _ => Err(ShapeError(notation.to_string())),
            },
            Value::Object(fields) => match (fields.len(), fields.get("*"), fields.get("|")) {
                (1, Some(values), _) => Ok(Self::Map(Box::new(Self::parse(values)?))),
                (1, _, Some(Value::Array(choices))) => {
                    Ok(Self::OneOf(choices.iter().map(Self::parse).collect::<Result<_, _>>()?))
                }
                _ => Ok(Self::Object(
                    fields.iter().map(|(name, shape)| Field::parse(name, shape)).collect::<Result<_, _>>()?,
                )),
            },
            _ => Err(ShapeError(notation.to_string())),
        }
    }

    fn parse_words(text: &str) -> Result<Self, ShapeError> {
        let mut words = text.split('|').map(|word| Self::parse_word(word.trim()));
        match (words.next(), words.next()) {
            (Some(only), None) => only,
            _ => Ok(Self::OneOf(
                text.split('|').map(|word| Self::parse_word(word.trim())).collect::<Result<_, _>>()?,
            )),
        }
    }

    fn parse_word(word: &str) -> Result<Self, ShapeError> {
        let quoted = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        Ok(match (word, quoted) {
            (_, Some(text)) => Self::Word(text.to_owned()),
            ("any", _) => Self::Any,
            ("null", _) => Self::Null,
            ("boolean", _) => Self::Boolean,
            ("integer", _) => Self::Integer,
            ("number", _) => Self::Number,
            ("string", _) => Self::Text,
            _ if word.starts_with(|first: char| first.is_ascii_uppercase()) => Self::Named(word.to_owned()),
            _ => return Err(ShapeError(format!("{word:?}"))),
        })
    }
}

impl Field {
    fn parse(name: &str, shape: &Value) -> Result<Self, ShapeError> {
        let (name, required) = name.strip_suffix('?').map_or((name, true), |name| (name, false));
        Ok(Self { name: name.to_owned(), required, shape: Shape::parse(shape)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_notation_is_read() {
        let field = |name: &str, required, shape| Field { name: name.into(), required, shape };
        for (notation, expected) in [
            (json!("any"), Shape::Any),
            (json!("'user' | Role|null"), {
                let named = Shape::Named("Role".into());
                Shape::OneOf(vec![Shape::Word("user".into()), named, Shape::Null])
            }),
            (json!(["integer"]), Shape::List(Box::new(Shape::Integer))),
            (json!([]), Shape::List(Box::new(Shape::Any))),
            (json!({ "*": "number" }), Shape::Map(Box::new(Shape::Number))),
            (json!({}), Shape::Object(vec![])),
            (
                json!({ "id": "string", "ok?": "boolean" }),
                Shape::Object(vec![field("id", true, Shape::Text), field("ok", false, Shape::Boolean)]),
            ),
            (
                json!({ "|": ["null", { "id": "string" }] }),
                Shape::OneOf(vec![Shape::Null, Shape::Object(vec![field("id", true, Shape::Text)])]),
            ),
        ] {
            assert_eq!(Shape::parse(&notation).unwrap(), expected, "{notation}");
        }
        for notation in [json!("text"), json!(""), json!(7), json!(["string", "null"]), json!({ "a": "b" })] {
            assert!(Shape::parse(&notation).is_err(), "{notation}");
        }
    }
}
