//! Session ids: 15 bytes as 20 characters of URL-safe base64.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;

/// Characters of an id.
const LENGTH: usize = 20;
/// Bytes which these characters encode.
const BYTES: usize = 15;
/// Bytes at the start of an engine id that name the node.
const TAG_BYTES: usize = 4;

/// The id of a Socket.IO socket or of an Engine.IO connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid([u8; LENGTH]);

impl Sid {
    /// A fresh socket id: 12 random bytes and 3 bytes of `counter`, as python-socketio makes them.
    pub(crate) fn socket(counter: &AtomicU32) -> Self {
        let mut bytes = [0; BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let [_, counter @ ..] = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes[BYTES - counter.len()..].copy_from_slice(&counter);
        Self::encode(bytes)
    }

    /// A fresh engine id: the node's tag and 88 random bits, so that any node can tell the owner of a poll.
    pub(crate) fn engine(tag: NodeTag) -> Self {
        let mut bytes = [0; BYTES];
        rand::rng().fill_bytes(&mut bytes);
        bytes[..TAG_BYTES].copy_from_slice(&tag.0);
        Self::encode(bytes)
    }

    fn encode(bytes: [u8; BYTES]) -> Self {
        let mut text = [b'A'; LENGTH];
        // The lengths fit exactly (15 bytes are 20 characters), so this cannot fail.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    /// Reads an id; `None` when `text` has another length or other characters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        bytes.iter().all(valid).then_some(Self(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The node which an engine id names. Meaningless for socket ids.
    pub fn node_tag(&self) -> Option<NodeTag> {
        let mut bytes = [0; BYTES];
        URL_SAFE_NO_PAD.decode_slice(self.0, &mut bytes).ok()?;
        bytes.first_chunk::<TAG_BYTES>().copied().map(NodeTag)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

/// The mark of a node in the engine ids it gives out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NodeTag(pub [u8; TAG_BYTES]);

impl NodeTag {
    /// A random tag; two of a hundred nodes share one with a chance of one in a million.
    pub fn random() -> Self {
        let mut bytes = [0; TAG_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for NodeTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_ids_are_twenty_characters_and_differ() {
        let counter = AtomicU32::new(0);
        let (a, b) = (Sid::socket(&counter), Sid::socket(&counter));
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 20);
        assert_eq!(&a.as_str()[16..], "AAAA", "the counter comes last");
        assert_eq!(&b.as_str()[16..], "AAAB");
        assert_eq!(Sid::parse(a.as_str()), Some(a));
    }

    #[test]
    fn an_engine_id_names_its_node() {
        let tag = NodeTag([1, 2, 3, 255]);
        assert_eq!(Sid::engine(tag).node_tag(), Some(tag));
        assert_eq!(tag.to_string(), "010203ff");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAA", "äAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }
}
