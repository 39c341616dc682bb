//! SQL storage of Antiphon, in SQLite or PostgreSQL.
//!
//! SQL is the truth: accounts, chats, messages and settings live here and nowhere else. Everything starts at
//! [`Database`]; its methods give one small store per subject (`db.users()`, `db.chats()`, …), each a clone of
//! the handle. Messages are rows: appending to or finishing a reply costs the size of that message, never of
//! its chat; the chat document that clients know is built from the rows by [`Documents`].
//!
//! Ids are UUID text unless said otherwise, times are Unix seconds (of channels nanoseconds). JSON columns are `TEXT` on both databases.
//! Functions that take a chat id and no user id check no ownership; [`Chats::owned`] does.

mod access_grants;
mod api_keys;
mod channels;
mod chats;
mod clock;
mod credentials;
mod database;
mod digest;
mod documents;
mod error;
mod feedback;
mod installation;
mod messages;
mod migrate;
mod model_records;
mod options;
mod page;
mod revoked_tokens;
mod settings;
mod sql;
mod users;

pub use access_grants::{AccessGrants, Grant, NewGrant, Permission, Principal, ResourceType};
pub use api_keys::{ApiKey, ApiKeyOwner, ApiKeys};
pub use channels::{
    Author, Channel, ChannelAccess, ChannelItem, ChannelKind, ChannelMessage, ChannelMessageDetails,
    ChannelMessageUpdate, ChannelMessages, ChannelPerson, ChannelView, ChannelViewer, Channels, Followed,
    MAX_CHANNEL_MESSAGE_BYTES, MAX_MEMBERS, MAX_REACTION_BYTES, MAX_REACTIONS_PER_USER, Membership,
    MessageData, NewChannel, NewChannelMessage, PEOPLE_PER_LOOK, PersonOrder, PersonQuery, QuotedMessage,
    Reaction, ReactionUser, ReadMark, ThreadQuery,
};
pub use chats::{
    ArchivedQuery, CHATS_PER_PAGE, Chat, ChatItem, ChatOrder, ChatQuery, Chats, NewChat, StartReply,
    StartedReply, Tag, Tags,
};
pub use credentials::{Credential, Credentials, SessionState};
pub use database::Database;
pub use documents::{ChatDocument, ChatImport, Documents, MAX_DOCUMENT_BYTES, NewDocument};
pub use error::{ErrorKind, Result, StorageError};
pub use feedback::{Feedback, Feedbacks, MAX_SNAPSHOT_BYTES, NewFeedback};
pub use messages::{
    FinishMessage, MAX_BRANCH_LENGTH, MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_CHAT, Message, MessageUpdate,
    Messages, NewMessage, UnfinishedMessage,
};
pub use migrate::MigrationReport;
pub use model_records::{ModelRecord, ModelRecords, NewModelRecord};
pub use options::{
    DEFAULT_ACQUIRE_TIMEOUT, DEFAULT_MAX_LIFETIME, DEFAULT_POOL_SIZE, DEFAULT_SQLITE_READERS,
    DatabaseOptions, MAX_SQLITE_READERS, SqliteSettings,
};
pub use page::{Direction, MAX_PAGE, Page};
pub use revoked_tokens::{RevokedToken, RevokedTokens};
pub use settings::{Settings, SettingsSnapshot};
pub use users::{
    CreatedUser, NewUser, Role, RoleChange, SignInLink, USERS_PER_PAGE, User, UserOrder, UserQuery,
    UserUpdate, Users,
};
