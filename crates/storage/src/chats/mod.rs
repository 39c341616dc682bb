//! Chats without their messages: titles, places, tags, lists and search.

mod list;
mod reply;
mod search;
mod store;
mod tags;

pub use list::{ArchivedQuery, CHATS_PER_PAGE, ChatOrder, ChatQuery};
pub use reply::{StartReply, StartedReply};
pub use store::Chats;
pub(crate) use store::{
    chat_columns, check_extra_size, insert_chat, missing_user, refuse_foreign, title_text,
};
pub use tags::{Tag, Tags};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Result, sql::Row};

/// Title of a chat that has none yet.
const UNTITLED: &str = "New Chat";

/// One chat without its messages.
///
/// Times are Unix seconds unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// UUID text.
    pub id: String,
    /// Whose chat it is.
    pub user_id: String,
    /// Title.
    pub title: String,
    /// Id under which it is shared.
    pub share_id: Option<String>,
    /// Whether it is in the archive.
    pub archived: bool,
    /// Whether it is pinned.
    pub pinned: bool,
    /// The folder it lies in.
    pub folder_id: Option<String>,
    /// Ids of its tags, in the order in which they were added.
    pub tags: Vec<String>,
    /// `meta` less the tags.
    pub meta: Map<String, Value>,
    /// Variables of the chat.
    pub variables: Map<String, Value>,
    /// Small keys of the chat document that have no column: `models`, `params`, `files`, `tags`, ….
    pub extra: Map<String, Value>,
    /// `timestamp` of the chat document, in milliseconds.
    pub timestamp_ms: i64,
    /// The message with which the shown branch ends.
    pub current_message_id: Option<String>,
    /// When its owner last read it.
    pub last_read_at: Option<i64>,
    /// When it was last changed in a way that moves it up in the list.
    pub updated_at: i64,
    /// When it was made.
    pub created_at: i64,
}

impl Chat {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            title: row.text("title")?,
            share_id: row.opt_text("share_id")?,
            archived: row.boolean("archived")?,
            pinned: row.boolean("pinned")?,
            folder_id: row.opt_text("folder_id")?,
            tags: row.texts("tags")?,
            meta: row.object("meta")?,
            variables: row.object("variables")?,
            extra: row.object("extra")?,
            timestamp_ms: row.int("timestamp_ms")?,
            current_message_id: row.opt_text("current_message_id")?,
            last_read_at: row.opt_int("last_read_at")?,
            updated_at: row.int("updated_at")?,
            created_at: row.int("created_at")?,
        })
    }

    /// `meta` as clients see it, with the tags.
    pub fn meta_with_tags(&self) -> Map<String, Value> {
        let mut meta = self.meta.clone();
        if !self.tags.is_empty() {
            meta.insert("tags".to_owned(), self.tags.clone().into());
        }
        meta
    }
}

/// A chat to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewChat {
    /// Id to use; `None` makes one.
    pub id: Option<String>,
    /// Title; empty: "New Chat".
    pub title: String,
    /// The folder it lies in.
    pub folder_id: Option<String>,
    /// Variables of the chat.
    pub variables: Map<String, Value>,
    /// `meta` less the tags.
    pub meta: Map<String, Value>,
    /// Small keys of the chat document: `models`, `params`, `files`, `tags`, ….
    pub extra: Map<String, Value>,
}

/// One line of a list of chats; serialises to the `ChatItem` shape of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatItem {
    /// UUID text.
    pub id: String,
    /// Title.
    pub title: String,
    /// When it was last changed; later than `last_read_at` means unread.
    pub updated_at: i64,
    /// When it was made.
    pub created_at: i64,
    /// When its owner last read it; when it was made, if never.
    pub last_read_at: i64,
    /// Where a search found something, if it was in a message.
    pub snippet: Option<String>,
    /// Whether a reply is being generated; storage does not know and says `false`.
    pub active: bool,
    /// Whether it is in the archive.
    pub archived: bool,
    /// Whether it is pinned.
    #[serde(skip)]
    pub pinned: bool,
    /// The folder it lies in.
    #[serde(skip)]
    pub folder_id: Option<String>,
}

/// The columns of [`ChatItem`].
pub(crate) const ITEM_COLUMNS: &str = "chats.id, chats.title, chats.updated_at, chats.created_at, \
     chats.last_read_at, chats.archived, chats.pinned, chats.folder_id";

impl ChatItem {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        let created_at = row.int("created_at")?;
        Ok(Self {
            id: row.text("id")?,
            title: row.text("title")?,
            updated_at: row.int("updated_at")?,
            created_at,
            last_read_at: row.opt_int("last_read_at")?.unwrap_or(created_at),
            snippet: None,
            active: false,
            archived: row.boolean("archived")?,
            pinned: row.boolean("pinned")?,
            folder_id: row.opt_text("folder_id")?,
        })
    }
}
