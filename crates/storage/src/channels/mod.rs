//! Channels in which several people talk: who is in them, what was said, how far each has read.
//!
//! An open channel is for those to whom it is granted, and for administrators; a group or direct channel is for its
//! members alone. Times of channels are Unix nanoseconds.

mod details;
mod followed;
mod list;
mod members;
mod messages;
mod reactions;
mod store;

pub use details::{Author, ChannelMessageDetails, QuotedMessage, Reaction, ReactionUser};
pub use followed::{Followed, PEOPLE_PER_LOOK};
pub use list::ChannelItem;
pub use members::{ChannelPerson, MAX_MEMBERS, PersonOrder, PersonQuery, ReadMark};
pub use messages::{
    ChannelMessage, ChannelMessageUpdate, ChannelMessages, MAX_CHANNEL_MESSAGE_BYTES, MessageData,
    NewChannelMessage, ThreadQuery,
};
pub use reactions::{MAX_REACTION_BYTES, MAX_REACTIONS_PER_USER};
pub use store::{Channels, NewChannel};

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::{Grant, Permission, Principal, Result, StorageError, sql::Row};

/// For whom a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// For those to whom it is granted.
    Open,
    /// For its members.
    Group,
    /// For two or a few people who write to each other.
    Direct,
}

impl ChannelKind {
    /// The name used in the database and in JSON; an open channel has none.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Group => Some("group"),
            Self::Direct => Some("dm"),
        }
    }

    /// The kind with this name, if there is one; an empty name counts as none.
    pub fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("") => Some(Self::Open),
            Some("group") => Some(Self::Group),
            Some("dm") => Some(Self::Direct),
            Some(_) => None,
        }
    }
}

impl Serialize for ChannelKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

/// One channel; serialises to the `Channel` shape of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// UUID text.
    pub id: String,
    /// Who made it.
    pub user_id: String,
    /// For whom it is.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Name; a direct channel has none.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// What the client said about it; access does not depend on it.
    pub is_private: Option<bool>,
    /// A JSON object of the client.
    pub data: Option<Json>,
    /// A JSON object of the client.
    pub meta: Option<Json>,
    /// To whom an open channel is granted.
    pub access_grants: Vec<Grant>,
    /// When it was made.
    pub created_at: i64,
    /// When it was changed.
    pub updated_at: i64,
    #[serde(flatten)]
    unset: Unset,
}

/// What clients look for and no channel has yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Unset {
    updated_by: (),
    archived_at: (),
    archived_by: (),
    deleted_at: (),
    deleted_by: (),
}

/// The columns of [`Channel`], in the order of a SELECT.
const CHANNEL_COLUMNS: &str = "channels.id, channels.user_id, channels.type, channels.name, channels.description, \
     channels.is_private, channels.data, channels.meta, channels.created_at, channels.updated_at";

impl Channel {
    /// The channel of a row, still without its grants.
    fn from_row(row: &Row) -> Result<Self> {
        let kind = row.opt_text("type")?;
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            kind: ChannelKind::parse(kind.as_deref()).ok_or_else(|| StorageError::CorruptRow {
                column: "channels.type",
                reason: format!("{kind:?} is not known"),
            })?,
            name: row.text("name")?,
            description: row.opt_text("description")?,
            is_private: row.opt_boolean("is_private")?,
            data: row.opt_json("data")?,
            meta: row.opt_json("meta")?,
            access_grants: Vec::new(),
            created_at: row.int("created_at")?,
            updated_at: row.int("updated_at")?,
            unset: Unset::default(),
        })
    }
}

/// Who asks, as far as access depends on it.
#[derive(Debug, Clone, Copy)]
pub struct ChannelViewer<'a> {
    /// The account.
    pub user_id: &'a str,
    /// Administrators see and use every open channel.
    pub is_admin: bool,
    /// The groups of the account.
    pub group_ids: &'a [String],
}

/// What somebody may do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelAccess {
    /// Not even know of it.
    None,
    /// Read it.
    Read,
    /// Write in it.
    Write,
}

/// Somebody's place in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// May add and remove members.
    pub manager: bool,
    /// Whether the channel is in the member's list.
    pub active: bool,
    /// How far the member has read.
    pub last_read_at: Option<i64>,
    /// Since when.
    pub joined_at: i64,
}

impl Membership {
    /// The membership in the columns `member_…` of a row, if there is one.
    fn from_row(row: &Row) -> Result<Option<Self>> {
        let Some(joined_at) = row.opt_int("member_joined_at")? else { return Ok(None) };
        Ok(Some(Self {
            manager: row.opt_boolean("member_manager")?.unwrap_or_default(),
            active: row.opt_boolean("member_active")?.unwrap_or_default(),
            last_read_at: row.opt_int("member_last_read_at")?,
            joined_at,
        }))
    }
}

/// The columns of [`Membership`] of a left join with the members as `member`.
const MEMBERSHIP_COLUMNS: &str = "member.manager AS member_manager, member.active AS member_active, \
     member.last_read_at AS member_last_read_at, member.joined_at AS member_joined_at";

/// A channel as somebody sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    /// The channel.
    pub channel: Channel,
    /// What the viewer may do.
    pub access: ChannelAccess,
    /// The viewer's row among the members; for an open channel it says how far the viewer has read.
    pub membership: Option<Membership>,
    /// Whether some member has it hidden.
    pub hidden_for_some: bool,
    /// Whether the viewer made it or manages its members.
    pub is_manager: bool,
}

impl ChannelView {
    fn new(channel: Channel, viewer: ChannelViewer<'_>, row: &Row) -> Result<Self> {
        let membership = Membership::from_row(row)?;
        let made = channel.user_id == viewer.user_id;
        let access = match channel.kind {
            ChannelKind::Open if made || viewer.is_admin => ChannelAccess::Write,
            ChannelKind::Open => granted(&channel.access_grants, viewer),
            ChannelKind::Group | ChannelKind::Direct if membership.is_some() => ChannelAccess::Write,
            ChannelKind::Group | ChannelKind::Direct => ChannelAccess::None,
        };
        Ok(Self {
            is_manager: made || membership.is_some_and(|membership| membership.manager),
            hidden_for_some: row.boolean("hidden_for_some")?,
            channel,
            access,
            membership,
        })
    }
}

/// What the grants of an open channel permit somebody.
fn granted(grants: &[Grant], viewer: ChannelViewer<'_>) -> ChannelAccess {
    let meant = |grant: &&Grant| match grant.principal_type {
        Principal::User => grant.principal_id == "*" || grant.principal_id == viewer.user_id,
        Principal::Group => viewer.group_ids.contains(&grant.principal_id),
    };
    let permitted = |grant: &Grant| match grant.permission {
        Permission::Read => ChannelAccess::Read,
        Permission::Write => ChannelAccess::Write,
    };
    grants.iter().filter(meant).map(permitted).max().unwrap_or(ChannelAccess::None)
}
