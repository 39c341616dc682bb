//! Accounts: who may sign in, their role, profile and settings.

mod links;
mod list;
mod store;

pub use links::SignInLink;
pub use list::{USERS_PER_PAGE, UserOrder, UserQuery};
pub use store::Users;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, StorageError, sql::Row};

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signed up, waits for an administrator.
    Pending,
    /// May use the server.
    User,
    /// May administer the server.
    Admin,
}

impl Role {
    /// The name used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "pending" => Some(Self::Pending),
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// One account; serialises to the `User` shape of the API less `group_ids`.
///
/// Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// UUID text.
    pub id: String,
    /// Display name.
    pub name: String,
    /// E-mail address, lower case.
    pub email: String,
    /// What the account may do.
    pub role: Role,
    /// Short name, if one was chosen.
    pub username: Option<String>,
    /// Picture: a `data:` URL or a path.
    pub profile_image_url: String,
    /// Banner picture.
    pub profile_banner_image_url: Option<String>,
    /// About the person.
    pub bio: Option<String>,
    /// Free text.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// IANA name of the time zone last seen.
    pub timezone: Option<String>,
    /// Presence that the person chose.
    pub presence_state: Option<String>,
    /// Emoji of the status.
    pub status_emoji: Option<String>,
    /// Text of the status.
    pub status_message: Option<String>,
    /// When the status ends.
    pub status_expires_at: Option<i64>,
    /// Small JSON object with what clients keep about the user (such as the location).
    pub info: Option<Value>,
    /// Settings of the person, `{"ui": {...}}`.
    pub settings: Option<Value>,
    /// Links to accounts of OAuth providers.
    pub oauth: Option<Value>,
    /// Links to SCIM directories.
    pub scim: Option<Value>,
    /// When the account was last seen.
    pub last_active_at: i64,
    /// When it was changed.
    pub updated_at: i64,
    /// When it was made.
    pub created_at: i64,
}

/// The columns of [`User`], in the order of a SELECT.
pub(crate) const USER_COLUMNS: &str = "users.id, users.name, users.email, users.role, users.username, \
     users.profile_image_url, users.profile_banner_image_url, users.bio, users.gender, users.date_of_birth, \
     users.timezone, users.presence_state, users.status_emoji, users.status_message, users.status_expires_at, \
     users.info, users.settings, users.oauth, users.scim, users.last_active_at, users.updated_at, \
     users.created_at";

impl User {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        let role = row.text("role")?;
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            email: row.text("email")?,
            role: Role::parse(&role).ok_or_else(|| StorageError::CorruptRow {
                column: "users.role",
                reason: format!("{role:?} is not a role"),
            })?,
            username: row.opt_text("username")?,
            profile_image_url: row.text("profile_image_url")?,
            profile_banner_image_url: row.opt_text("profile_banner_image_url")?,
            bio: row.opt_text("bio")?,
            gender: row.opt_text("gender")?,
            date_of_birth: row.opt_text("date_of_birth")?,
            timezone: row.opt_text("timezone")?,
            presence_state: row.opt_text("presence_state")?,
            status_emoji: row.opt_text("status_emoji")?,
            status_message: row.opt_text("status_message")?,
            status_expires_at: row.opt_int("status_expires_at")?,
            info: row.opt_json("info")?,
            settings: row.opt_json("settings")?,
            oauth: row.opt_json("oauth")?,
            scim: row.opt_json("scim")?,
            last_active_at: row.int("last_active_at")?,
            updated_at: row.int("updated_at")?,
            created_at: row.int("created_at")?,
        })
    }
}

/// An account to be made, with its password.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Id to use; `None` makes one.
    pub id: Option<String>,
    /// Display name.
    pub name: String,
    /// E-mail address; stored trimmed and in lower case.
    pub email: String,
    /// Role, unless the account is the first one, which is always an administrator.
    pub role: Role,
    /// Picture.
    pub profile_image_url: String,
    /// Password hash in its own encoding (`$argon2id$…`, `$2b$…`).
    pub password_hash: String,
}

/// An account that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedUser {
    /// The account.
    pub user: User,
    /// Session stamp that tokens of the account must carry.
    pub session_stamp: String,
    /// Whether it was the very first account, and so became the administrator.
    pub first: bool,
}

/// Changes of a profile; what is `None` stays as it is.
///
/// The inner `None` of the optional fields empties them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserUpdate {
    /// Display name.
    pub name: Option<String>,
    /// E-mail address; must not belong to another account.
    pub email: Option<String>,
    /// Short name.
    pub username: Option<Option<String>>,
    /// Picture.
    pub profile_image_url: Option<String>,
    /// Banner picture.
    pub profile_banner_image_url: Option<Option<String>>,
    /// About the person.
    pub bio: Option<Option<String>>,
    /// Free text.
    pub gender: Option<Option<String>>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<Option<String>>,
    /// Presence.
    pub presence_state: Option<Option<String>>,
    /// Emoji of the status.
    pub status_emoji: Option<Option<String>>,
    /// Text of the status.
    pub status_message: Option<Option<String>>,
    /// End of the status.
    pub status_expires_at: Option<Option<i64>>,
}

/// A change of role that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleChange {
    /// The account as it is now.
    pub user: User,
    /// The new session stamp: tokens with another one are void.
    pub session_stamp: String,
}
