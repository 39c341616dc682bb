//! The JSON of python-socketio's client managers, in both directions.
//!
//! Field names and order as its Redis manager writes them. Only the root namespace is spoken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{BusError, BusMessage, CallbackAddress, Emit, Target};
use crate::packet::{ROOT, base64_of};

impl BusMessage {
    /// The message as other nodes read it: one JSON object.
    pub fn to_json(&self) -> Result<String, BusError> {
        let malformed = |error: serde_json::Error| BusError::Malformed(error.to_string());
        match self {
            Self::Emit(emit) => {
                let data = emit_data(emit).map_err(malformed)?;
                serde_json::to_string(&EmitOut {
                    method: "emit",
                    event: &emit.event,
                    data: data.as_deref().unwrap_or(&emit.arguments),
                    binary: !emit.attachments.is_empty(),
                    namespace: ROOT,
                    room: match &emit.target {
                        Target::Everybody => None,
                        Target::Room(room) => Some(NamesOut::One(room)),
                        Target::Rooms(rooms) => Some(NamesOut::Many(rooms)),
                    },
                    skip_sid: match emit.skip.as_slice() {
                        [] => None,
                        [one] => Some(NamesOut::One(one)),
                        many => Some(NamesOut::Many(many)),
                    },
                    callback: emit.callback.as_ref().map(|address| (address.room.as_str(), ROOT, address.id)),
                    host_id: emit.host_id.as_deref(),
                })
            }
            Self::Callback { host_id, sid, id, arguments } => serde_json::to_string(&CallbackOut {
                method: "callback",
                host_id,
                sid,
                namespace: ROOT,
                id: *id,
                args: arguments,
            }),
            Self::Disconnect { sid, host_id } => control("disconnect", Some(sid), None, host_id.as_deref()),
            Self::EnterRoom { sid, room, host_id } => {
                control("enter_room", Some(sid), Some(room), host_id.as_deref())
            }
            Self::LeaveRoom { sid, room, host_id } => {
                control("leave_room", Some(sid), Some(room), host_id.as_deref())
            }
            Self::CloseRoom { room, host_id } => control("close_room", None, Some(room), host_id.as_deref()),
        }
        .map_err(malformed)
    }

    /// Reads a message. `None` for what does not concern us: other methods, other namespaces.
    pub fn from_json(text: &[u8]) -> Result<Option<Self>, BusError> {
        let message: Incoming<'_> =
            serde_json::from_slice(text).map_err(|error| BusError::Malformed(error.to_string()))?;
        if message.namespace.as_deref().is_some_and(|namespace| namespace != ROOT) {
            return Ok(None);
        }
        message.into_message()
    }
}

/// `data` of an event with attachments: the arguments, then each attachment in base64.
fn emit_data(emit: &Emit) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    if emit.attachments.is_empty() {
        return Ok(None);
    }
    let mut text = format!("[{}", emit.arguments.get());
    for attachment in &emit.attachments {
        text.push_str(",\"");
        text.push_str(&base64_of(attachment));
        text.push('"');
    }
    text.push(']');
    RawValue::from_string(text).map(Some)
}

fn control(
    method: &str,
    sid: Option<&str>,
    room: Option<&str>,
    host_id: Option<&str>,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&ControlOut { method, sid, room, namespace: ROOT, host_id })
}

#[derive(Serialize)]
struct EmitOut<'a> {
    method: &'static str,
    event: &'a str,
    data: &'a RawValue,
    binary: bool,
    namespace: &'static str,
    room: Option<NamesOut<'a>>,
    skip_sid: Option<NamesOut<'a>>,
    callback: Option<(&'a str, &'static str, u64)>,
    host_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NamesOut<'a> {
    One(&'a str),
    Many(&'a [String]),
}

#[derive(Serialize)]
struct CallbackOut<'a> {
    method: &'static str,
    host_id: &'a str,
    sid: &'a str,
    namespace: &'static str,
    id: u64,
    args: &'a RawValue,
}

#[derive(Serialize)]
struct ControlOut<'a> {
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    namespace: &'static str,
    host_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    method: Option<String>,
    namespace: Option<String>,
    event: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    binary: bool,
    room: Option<NamesIn>,
    skip_sid: Option<NamesIn>,
    callback: Option<(String, Option<String>, u64)>,
    host_id: Option<String>,
    sid: Option<String>,
    id: Option<u64>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NamesIn {
    One(String),
    Many(Vec<String>),
}

impl NamesIn {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

impl Incoming<'_> {
    fn into_message(self) -> Result<Option<BusMessage>, BusError> {
        let missing = |field: &str| BusError::Malformed(format!("{field} is missing"));
        let host_id = self.host_id;
        let room = |names: Option<NamesIn>| match names {
            Some(NamesIn::One(room)) => Ok(room),
            _ => Err(missing("room")),
        };
        Ok(Some(match self.method.as_deref() {
            Some("emit") => {
                let (arguments, attachments) =
                    arguments(self.data.ok_or_else(|| missing("data"))?, self.binary)?;
                BusMessage::Emit(Box::new(Emit {
                    event: self.event.ok_or_else(|| missing("event"))?,
                    arguments: arguments.into(),
                    attachments,
                    target: match self.room {
                        None => Target::Everybody,
                        Some(NamesIn::One(room)) => Target::Room(room),
                        Some(NamesIn::Many(rooms)) => Target::Rooms(rooms),
                    },
                    skip: self.skip_sid.map(NamesIn::into_list).unwrap_or_default(),
                    callback: self.callback.map(|(room, _, id)| CallbackAddress { room, id }),
                    host_id,
                }))
            }
            Some("callback") => BusMessage::Callback {
                host_id: host_id.ok_or_else(|| missing("host_id"))?,
                sid: self.sid.ok_or_else(|| missing("sid"))?,
                id: self.id.ok_or_else(|| missing("id"))?,
                arguments: arguments(self.args.ok_or_else(|| missing("args"))?, false)?.0.into(),
            },
            Some("disconnect") => {
                BusMessage::Disconnect { sid: self.sid.ok_or_else(|| missing("sid"))?, host_id }
            }
            Some("enter_room") => BusMessage::EnterRoom {
                sid: self.sid.ok_or_else(|| missing("sid"))?,
                room: room(self.room)?,
                host_id,
            },
            Some("leave_room") => BusMessage::LeaveRoom {
                sid: self.sid.ok_or_else(|| missing("sid"))?,
                room: room(self.room)?,
                host_id,
            },
            Some("close_room") => BusMessage::CloseRoom { room: room(self.room)?, host_id },
            _ => return Ok(None),
        }))
    }
}

/// The argument list and the attachments of `data`. A single value in place of the list is one argument.
fn arguments(data: &RawValue, binary: bool) -> Result<(Box<RawValue>, Vec<Bytes>), BusError> {
    let malformed = |error: serde_json::Error| BusError::Malformed(error.to_string());
    if !data.get().starts_with('[') {
        let list = RawValue::from_string(format!("[{}]", data.get())).map_err(malformed)?;
        return Ok((list, Vec::new()));
    }
    if !binary {
        return Ok((data.to_owned(), Vec::new()));
    }
    let parts: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(malformed)?;
    let (first, rest) = parts.split_first().ok_or_else(|| BusError::Malformed("data is empty".into()))?;
    let attachments = rest
        .iter()
        .map(|part| {
            let text: String = serde_json::from_str(part.get()).map_err(malformed)?;
            STANDARD.decode(text).map(Bytes::from).map_err(|error| BusError::Malformed(error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    Ok((arguments(first, false)?.0, attachments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BusMessage {
        BusMessage::from_json(text.as_bytes()).unwrap().unwrap()
    }

    fn read_emit(text: &str) -> Emit {
        match read(text) {
            BusMessage::Emit(emit) => *emit,
            other => panic!("{other:?}"),
        }
    }

    /// Messages in the exact form of the wire: reading and writing them changes nothing.
    #[test]
    fn messages_keep_their_form() {
        for text in [
            r#"{"method":"emit","event":"events","data":[{"chat_id":"ba09","data":{"type":"chat:list"}}],"binary":false,"namespace":"/","room":"user:d246","skip_sid":null,"callback":null,"host_id":"3908"}"#,
            r#"{"method":"emit","event":"events","data":[{"é":1}],"binary":false,"namespace":"/","room":"t7SX7aBtFbX0RdbwAAAB","skip_sid":null,"callback":["t7SX7aBtFbX0RdbwAAAB","/",1],"host_id":"51d8"}"#,
            r#"{"method":"emit","event":"bin","data":[[{"a":{"_placeholder":true,"num":0},"b":[{"_placeholder":true,"num":1}]}],"AQI=","/w=="],"binary":true,"namespace":"/","room":"t7SX7","skip_sid":null,"callback":null,"host_id":"x"}"#,
            r#"{"method":"emit","event":"bcast","data":[{"z":1},2],"binary":false,"namespace":"/","room":null,"skip_sid":["a","b"],"callback":null,"host_id":"x"}"#,
            r#"{"method":"emit","event":"e","data":[null],"binary":false,"namespace":"/","room":["r","s"],"skip_sid":"a","callback":null,"host_id":"x"}"#,
            r#"{"method":"callback","host_id":"51d8","sid":"t7SX7aBtFbX0RdbwAAAB","namespace":"/","id":1,"args":[{"ok":1},"second"]}"#,
            r#"{"method":"callback","host_id":"51d8","sid":"t7SX7aBtFbX0RdbwAAAB","namespace":"/","id":1,"args":[]}"#,
            r#"{"method":"leave_room","sid":"Evi4GG98tPm-5vd0AAAB","room":"chat:ba09","namespace":"/","host_id":"63fb"}"#,
            r#"{"method":"enter_room","sid":"Evi4GG98tPm-5vd0AAAB","room":"chat:ba09","namespace":"/","host_id":"63fb"}"#,
            r#"{"method":"close_room","room":"chat:ba09","namespace":"/","host_id":"63fb"}"#,
            r#"{"method":"disconnect","sid":"0gsl96LDv-BTpQWkAAAD","namespace":"/","host_id":"3908"}"#,
        ] {
            assert_eq!(read(text).to_json().unwrap(), text);
        }
    }

    #[test]
    fn spaces_and_escapes_of_other_writers_are_read() {
        let emit = read_emit(
            r#"{"method": "emit", "event": "e", "data": [{"a": "\u00e9"}, 2], "binary": false, "namespace": "/", "room": null, "skip_sid": null, "callback": null}"#,
        );
        assert_eq!(emit.host_id, None);
        assert_eq!(emit.target, Target::Everybody);
        assert_eq!(emit.arguments.get(), r#"[{"a": "\u00e9"}, 2]"#);
    }

    #[test]
    fn attachments_are_decoded() {
        let emit = read_emit(
            r#"{"method":"emit","event":"bin","data":[[{"_placeholder":true,"num":0}],"AQI="],"binary":true}"#,
        );
        assert_eq!(emit.arguments.get(), r#"[{"_placeholder":true,"num":0}]"#);
        assert_eq!(emit.attachments, [Bytes::from_static(&[1, 2])]);
    }

    #[test]
    fn a_value_without_list_is_one_argument() {
        assert_eq!(
            read_emit(r#"{"method":"emit","event":"e","data":{"a":1}}"#).arguments.get(),
            r#"[{"a":1}]"#
        );
    }

    #[test]
    fn other_messages_are_ignored_and_broken_ones_refused() {
        for text in ["{}", r#"{"method":"other"}"#, r#"{"method":"emit","namespace":"/admin"}"#] {
            assert!(BusMessage::from_json(text.as_bytes()).unwrap().is_none(), "{text}");
        }
        for text in [
            "",
            "[]",
            "1",
            "\"x\"",
            "{",
            r#"{"method":"emit"}"#,
            r#"{"method":"emit","event":"e"}"#,
            r#"{"method":"callback","host_id":"x","sid":"y","id":-1,"args":[]}"#,
            r#"{"method":"disconnect"}"#,
            r#"{"method":"emit","event":"e","data":[[],"*"],"binary":true}"#,
            r#"{"method":"emit","event":"e","data":[],"binary":true}"#,
            "\u{0}",
        ] {
            assert!(BusMessage::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
