//! What nodes say to each other about a poll: a line of JSON, then the body as it is.

use serde::{Deserialize, Serialize};

/// The line at the start of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Head {
    /// Handle this request. The body follows.
    Ask {
        /// Number of the asker.
        id: u64,
        /// Mark of the asker.
        from: String,
        /// Of HTTP.
        method: String,
        /// The query of the address.
        query: String,
        /// The header of this name.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
    /// The request has come to its owner.
    Taken {
        /// Number of the asker.
        id: u64,
    },
    /// The asker's client is gone.
    Cancel {
        /// Number of the asker.
        id: u64,
        /// Mark of the asker.
        from: String,
    },
    /// A part of the answer. Its bytes follow.
    Answer {
        /// Number of the asker.
        id: u64,
        /// Of HTTP.
        status: u16,
        /// The header `Content-Type`.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// More parts follow.
        more: bool,
    },
}

impl Head {
    /// The message with this body.
    pub(super) fn with(&self, body: &[u8]) -> Vec<u8> {
        // A line of plain values can always be written.
        let mut message = serde_json::to_vec(self).unwrap_or_default();
        message.push(b'\n');
        message.extend_from_slice(body);
        message
    }

    /// The line and the body of a message; `None` for anything else.
    pub(super) fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let (line, body) = message.split_at(end);
        Some((serde_json::from_slice(line).ok()?, body.get(1..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let ask = Head::Ask {
            id: 7,
            from: "010203ff".into(),
            method: "POST".into(),
            query: "EIO=4&sid=x\ny".into(),
            origin: None,
        };
        for body in [&b""[..], b"4\x1e2\n\n"] {
            assert_eq!(Head::parse(&ask.with(body)), Some((ask.clone(), body)));
        }
        for broken in [&b""[..], b"{}", b"{}\n", b"x\ny", b"{\"kind\":\"ask\"}\n"] {
            assert_eq!(Head::parse(broken), None);
        }
    }
}
