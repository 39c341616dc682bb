//! The parts of a streamed chunk that the server looks at, read in one pass without building a JSON tree.
//!
//! Upstreams differ in small ways (numbers as text, `null` where a list is due, text as a list of parts), so members
//! whose form is not needed are read leniently: an unexpected type counts as absent and never ends the stream.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

#[derive(serde::Deserialize)]
pub(super) struct WireChunk<'a> {
    #[serde(default, borrow)]
    pub(super) choices: First<WireChoice<'a>>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) event: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireChoice<'a> {
    #[serde(default, borrow)]
    pub(super) delta: Option<WireDelta<'a>>,
    /// Some services send the whole message instead of a delta.
    #[serde(default, borrow)]
    pub(super) message: Option<WireDelta<'a>>,
    #[serde(default, borrow)]
    pub(super) finish_reason: Text<'a>,
}

#[derive(serde::Deserialize)]
pub(super) struct WireDelta<'a> {
    #[serde(default, borrow)]
    pub(super) content: Text<'a>,
    #[serde(default, borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(default, borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(default, borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(default, borrow)]
    pub(super) tool_calls: Option<&'a RawValue>,
}

/// A text, or a list of parts with text and thoughts; anything else is empty.
#[derive(Default)]
pub(super) struct Text<'a> {
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) thoughts: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(default, borrow)]
    text: Text<'a>,
    #[serde(default, borrow)]
    thinking: Text<'a>,
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text { text: Some(Cow::Borrowed(text)), thoughts: None })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text { text: Some(Cow::Owned(text.to_owned())), thoughts: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let (mut text, mut thoughts) = (String::new(), String::new());
        while let Some(part) = parts.next_element::<Lenient<Part<'de>>>()? {
            let Some(part) = part.0 else { continue };
            text.push_str(part.text.text.as_deref().unwrap_or_default());
            thoughts.push_str(part.thinking.text.as_deref().unwrap_or_default());
        }
        Ok(Text {
            text: (!text.is_empty()).then_some(Cow::Owned(text)),
            thoughts: (!thoughts.is_empty()).then_some(thoughts),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
}

/// A part that is an object; a part of another type is skipped, with a plain text counting as text.
struct Lenient<T>(Option<T>);

impl<'de: 'a, 'a> Deserialize<'de> for Lenient<Part<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('{') {
            return Ok(Self(serde_json::from_str(raw.get()).ok()));
        }
        let text = serde_json::from_str::<Text<'de>>(raw.get()).ok();
        Ok(Self(text.map(|text| Part { text, thinking: Text::default() })))
    }
}

/// The first element of a list; the rest is skipped, and anything but a list is empty.
pub(super) struct First<T>(pub(super) Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
            type Value = First<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(First(None))
            }
        }
        deserializer.deserialize_any(FirstVisitor(PhantomData))
    }
}
