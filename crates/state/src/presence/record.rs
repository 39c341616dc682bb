//! A session as it stands in Redis.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{MAX_CHATS_PER_SESSION, Session};

/// A value of `{prefix}:session_pool`, JSON: of the reference's fields those that others rely on, and the node. No e-mail
/// address, no settings, no token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The user's id.
    id: Arc<str>,
    /// The user's name.
    name: Arc<str>,
    /// Unix seconds.
    last_seen_at: u64,
    /// The chats it has open.
    #[serde(default)]
    chat_ids: BTreeSet<Arc<str>>,
    /// Unix seconds.
    #[serde(default)]
    connected_at: u64,
    /// The owner. Records of servers of another kind have none (see `others`).
    antiphon_node: Arc<str>,
}

/// What is read of a record of a server of another kind.
#[derive(Debug, Deserialize)]
struct Other {
    id: Arc<str>,
    #[serde(default)]
    name: Option<Arc<str>>,
    last_seen_at: u64,
    #[serde(default)]
    chat_ids: Option<Vec<Arc<str>>>,
    #[serde(default)]
    antiphon_node: Option<IgnoredAny>,
}

impl Record {
    /// The JSON of an own session.
    pub(super) fn write(session: &Session, node: &Arc<str>) -> Option<Box<RawValue>> {
        let record = Self {
            id: session.user_id.clone(),
            name: session.user_name.clone(),
            last_seen_at: session.last_seen_at,
            chat_ids: session.chat_ids.clone(),
            connected_at: session.connected_at,
            antiphon_node: node.clone(),
        };
        serde_json::value::to_raw_value(&record).ok()
    }

    /// The session of a record of a node like this.
    pub(super) fn read(session_id: &str, json: &str) -> Option<(Session, Arc<str>)> {
        let record: Self = serde_json::from_str(json).ok()?;
        let session = Session {
            session_id: session_id.into(),
            user_id: record.id,
            user_name: record.name,
            token_id: "".into(),
            connected_at: record.connected_at,
            last_seen_at: record.last_seen_at,
            chat_ids: record.chat_ids,
        };
        Some((session, record.antiphon_node))
    }

    /// The session of a record of a server of another kind.
    pub(super) fn read_other(session_id: &str, json: &str) -> Option<Session> {
        let record: Other = serde_json::from_str(json).ok()?;
        if record.antiphon_node.is_some() {
            return None;
        }
        Some(Session {
            session_id: session_id.into(),
            user_id: record.id,
            user_name: record.name.unwrap_or_default(),
            token_id: "".into(),
            connected_at: record.last_seen_at,
            last_seen_at: record.last_seen_at,
            chat_ids: record.chat_ids.into_iter().flatten().take(MAX_CHATS_PER_SESSION).collect(),
        })
    }
}
