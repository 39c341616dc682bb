//! Events that are too large for one message go in parts: where they are cut, and what a part looks like.
//!
//! A subscriber that lags behind has its messages waiting in Redis, and is cut off when they are too many bytes
//! (`client-output-buffer-limit pubsub`); one large message can do that by itself. Parts are published a few at a time, each time
//! after Redis has answered, so that subscribers can read meanwhile.
//!
//! ```json
//! {"method":"antiphon_part","id":7,"index":0,"count":64,"size":8388608,"rooms":["user:1"],"data":"{\"method\":\"emit\",…","host_id":"…"}
//! ```
//!
//! Servers that speak as python-socketio does leave methods alone that they do not know, so they would miss such an event without
//! learning of it: on a channel that is shared with them nothing goes in parts.

use std::borrow::Cow;

use antiphon_realtime::{BusError, Target};
use serde::{Deserialize, Serialize};

use super::MAX_EVENT;
use super::owed::Remedy;

/// Bytes of a message above which it goes in parts.
pub(super) const WHOLE: usize = 256 * 1024;
/// Bytes of the message in one part; quoted as JSON a part has at most twice as many.
pub(super) const PIECE: usize = 128 * 1024;
/// Parts of one event: each has a whole piece but for the up to three bytes of a character that did not fit.
pub(super) const MAX_PARTS: usize = MAX_EVENT / (PIECE - 3) + 1;
/// Rooms that a part names; with more of them everybody is told when a part is missed.
const MAX_ROOMS: usize = 16;
/// How every part begins.
const BEGINNING: &[u8] = br#"{"method":"antiphon_part","#;

/// One part of an event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part<'a> {
    method: Cow<'a, str>,
    /// Number of the event among those that its sender has sent in parts, rising.
    pub(super) id: u64,
    /// Number of this part, from 0.
    pub(super) index: usize,
    /// Number of parts, at least 2.
    pub(super) count: usize,
    /// Bytes of the whole message.
    pub(super) size: usize,
    /// Who reads again when a part is missed: the rooms; everybody without a list; nobody with an empty one.
    rooms: Option<Vec<String>>,
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
    /// The sender. Stands at the end, like that of whole messages.
    #[serde(borrow)]
    pub(super) host_id: Cow<'a, str>,
}

impl Part<'_> {
    /// Whether a message is a part, told by its beginning.
    pub(super) fn is_one(payload: &[u8]) -> bool {
        payload.starts_with(BEGINNING)
    }

    /// The part as other nodes read it.
    pub(super) fn to_json(&self) -> Result<String, BusError> {
        serde_json::to_string(self).map_err(|error| BusError::Malformed(error.to_string()))
    }

    /// Who is told to read again when a part is missed, if anybody.
    pub(super) fn missed(&self) -> Option<Target> {
        match self.rooms.as_deref() {
            None => Some(Target::Everybody),
            Some([]) => None,
            Some([room]) => Some(Target::Room(room.clone())),
            Some(rooms) => Some(Target::Rooms(rooms.to_vec())),
        }
    }

    /// Whether the numbers of this part can be those of an event that a node sends.
    pub(super) fn is_plausible(&self) -> bool {
        (2..=MAX_PARTS).contains(&self.count)
            && self.index < self.count
            && self.size <= MAX_EVENT
            && !self.data.is_empty()
            && self.data.len() <= PIECE
            && self.rooms.as_ref().is_none_or(|rooms| rooms.len() <= MAX_ROOMS)
    }
}

impl<'a> Part<'a> {
    /// Reads a part. Whether its numbers make sense is not looked at.
    pub(super) fn from_json(payload: &'a [u8]) -> Result<Self, BusError> {
        serde_json::from_slice(payload).map_err(|error| BusError::Malformed(error.to_string()))
    }

    /// Cuts a message into its parts, at least two.
    pub(super) fn cut(
        message: &'a str,
        id: u64,
        remedy: &Remedy,
        host_id: &'a str,
    ) -> impl Iterator<Item = Self> {
        let rooms = match remedy {
            Remedy::Resync(Target::Everybody) => None,
            Remedy::Resync(target) if target.rooms().len() > MAX_ROOMS => None,
            Remedy::Resync(target) => Some(target.rooms().to_vec()),
            Remedy::Nothing | Remedy::Again => Some(Vec::new()),
        };
        let count = pieces(message).count();
        pieces(message).enumerate().map(move |(index, data)| Self {
            method: Cow::Borrowed("antiphon_part"),
            id,
            index,
            count,
            size: message.len(),
            rooms: rooms.clone(),
            data: Cow::Borrowed(data),
            host_id: Cow::Borrowed(host_id),
        })
    }
}

/// The pieces of a text, each as long as it may be without cutting a character.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Remedy {
        Remedy::Resync(Target::Room("red".into()))
    }

    #[test]
    fn a_message_is_cut_between_characters_and_comes_together_again() {
        for (begin, character) in [("", "x"), ("", "\u{e9}"), ("x", "\u{1f600}"), ("\"", "\\\"")] {
            let message = format!("{begin}{}", character.repeat(3 * PIECE / character.len()));
            let texts: Vec<String> =
                Part::cut(&message, 7, &room(), "aa").map(|part| part.to_json().unwrap()).collect();
            let parts: Vec<Part<'_>> =
                texts.iter().map(|text| Part::from_json(text.as_bytes()).unwrap()).collect();
            let joined: String = parts.iter().map(|part| &*part.data).collect();
            assert!(joined == message, "of {character}");
            for (index, (part, text)) in parts.iter().zip(&texts).enumerate() {
                assert!(Part::is_one(text.as_bytes()) && part.is_plausible());
                assert!(text.len() < 2 * PIECE + 1024, "{}", text.len());
                assert_eq!(
                    (part.id, part.index, part.count, part.size),
                    (7, index, parts.len(), message.len())
                );
                assert_eq!(part.missed(), Some(Target::Room("red".into())));
                assert!(text.ends_with(r#","host_id":"aa"}"#), "so that its sender knows its own");
            }
        }
    }

    #[test]
    fn the_largest_event_has_no_more_parts_than_are_taken() {
        let message = "\u{1f600}".repeat(MAX_EVENT / 4);
        let shifted = format!("x{}", &message[4..]);
        for message in [message, shifted] {
            let last = Part::cut(&message, 1, &Remedy::Nothing, "aa").last().unwrap();
            assert!(last.is_plausible(), "{} parts of {MAX_PARTS}", last.count);
        }
    }

    #[test]
    fn a_part_says_who_reads_again() {
        let missed = |remedy| Part::cut("x", 1, &remedy, "aa").next().unwrap().missed();
        let rooms = |number: usize| Target::Rooms((0..number).map(|room| room.to_string()).collect());
        assert_eq!(missed(Remedy::Nothing), None);
        assert_eq!(missed(Remedy::Resync(Target::Everybody)), Some(Target::Everybody));
        assert_eq!(missed(Remedy::Resync(rooms(MAX_ROOMS))), Some(rooms(MAX_ROOMS)));
        assert_eq!(missed(Remedy::Resync(rooms(MAX_ROOMS + 1))), Some(Target::Everybody));
    }

    #[test]
    fn what_no_node_sends_is_told() {
        let read = |index: &str, count: &str, size: &str, data: &str| {
            let text = format!(
                r#"{{"method":"antiphon_part","id":1,"index":{index},"count":{count},"size":{size},"rooms":null,"data":{data},"host_id":"aa"}}"#
            );
            assert!(Part::is_one(text.as_bytes()));
            Part::from_json(text.as_bytes()).map(|part| part.is_plausible()).ok()
        };
        let (most, more) = (MAX_PARTS.to_string(), (MAX_PARTS + 1).to_string());
        let (largest, larger) = (MAX_EVENT.to_string(), (MAX_EVENT + 1).to_string());
        assert_eq!(read("1", "2", "2", r#""x""#), Some(true));
        assert_eq!(read("1", &most, &largest, r#""x""#), Some(true));
        for (index, count, size) in [
            ("2", "2", "2"),
            ("0", "1", "1"),
            ("0", "0", "0"),
            ("0", more.as_str(), "2"),
            ("0", "2", larger.as_str()),
        ] {
            assert_eq!(read(index, count, size, r#""x""#), Some(false), "{index} {count} {size}");
        }
        assert_eq!(read("0", "2", "2", r#""""#), Some(false), "an empty part");
        assert_eq!(read("0", "2", "2", &format!(r#""{}""#, "x".repeat(PIECE + 1))), Some(false));
        for (index, count, size, data) in [
            ("-1", "2", "2", r#""x""#),
            ("0", "2", "1e3", r#""x""#),
            ("0", "2", "2", "[]"),
            ("0", "2", "2", ""),
        ] {
            assert_eq!(read(index, count, size, data), None, "{index} {count} {size} {data}");
        }
        assert!(Part::from_json(br#"{"method":"antiphon_part","id":1}"#).is_err());
    }
}
