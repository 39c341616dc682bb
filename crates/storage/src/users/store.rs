//! Making, reading, changing and deleting accounts.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{CreatedUser, NewUser, Role, RoleChange, USER_COLUMNS, User, UserUpdate};
use crate::{
    Database, Result, StorageError, clock,
    sql::{Dialect, Row, Statement, Transaction, Value},
};

/// First half of the key of the advisory lock under which administrators come and go.
const LOCK_ROLES: i64 = 0x414e_5402;

/// Most accounts asked for by id at once.
const MAX_IDS: usize = 1000;

/// Accounts.
#[derive(Debug, Clone)]
pub struct Users {
    pub(super) database: Database,
}

impl Users {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes an account with its password; the very first one becomes administrator whatever was asked.
    ///
    /// Errors: [`StorageError::EmailTaken`].
    pub async fn create(&self, new: NewUser) -> Result<CreatedUser> {
        let mut transaction = self.begin_exclusive().await?;
        let created = Self::insert(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(created)
    }

    /// The account and its way in, in an exclusive transaction.
    pub(super) async fn insert(transaction: &mut Transaction, new: NewUser) -> Result<CreatedUser> {
        let found =
            transaction.optional(Statement::new("SELECT EXISTS (SELECT 1 FROM users) AS found")).await?;
        let first = !found.map_or(Ok(false), |row| row.boolean("found"))?;
        let role = if first { Role::Admin } else { new.role };
        let (id, now) = (new.id.unwrap_or_else(clock::new_id), clock::seconds());
        let statement = Statement::new(format!(
            "INSERT INTO users (id, name, email, role, profile_image_url, last_active_at, updated_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6, $6) ON CONFLICT DO NOTHING RETURNING {RETURNED}"
        ))
        .bind(&id)
        .bind(new.name)
        .bind(email_key(&new.email))
        .bind(role.as_str())
        .bind(new.profile_image_url)
        .bind(now);
        let row = transaction.optional(statement).await?.ok_or(StorageError::EmailTaken)?;
        let user = User::from_row(&row)?;
        let session_stamp = clock::new_id();
        let statement = Statement::new(
            "INSERT INTO credentials (user_id, password_hash, session_stamp, active, updated_at) \
             VALUES ($1, $2, $3, TRUE, $4)",
        )
        .bind(&id)
        .bind(new.password_hash)
        .bind(&session_stamp)
        .bind(now);
        transaction.execute(statement).await?;
        Ok(CreatedUser { user, session_stamp, first })
    }

    /// The account with this id.
    pub async fn by_id(&self, id: &str) -> Result<Option<User>> {
        let statement = Statement::new(format!("SELECT {USER_COLUMNS} FROM users WHERE id = $1")).bind(id);
        self.database.read_one(statement).await?.as_ref().map(User::from_row).transpose()
    }

    /// The accounts with these ids, in no order; unknown ids are left out. At most 1,000 ids.
    pub async fn by_ids(&self, ids: &[String]) -> Result<Vec<User>> {
        if ids.len() > MAX_IDS {
            return Err(StorageError::TooLarge { what: "users at once", size: ids.len(), limit: MAX_IDS });
        }
        let list = self.database.dialect().unfold("$1");
        let statement =
            Statement::new(format!("SELECT {USER_COLUMNS} FROM users WHERE id IN {list}")).bind_list(ids);
        self.database.read(statement).await?.iter().map(User::from_row).collect()
    }

    /// The account with this e-mail address, compared without case.
    pub async fn by_email(&self, email: &str) -> Result<Option<User>> {
        let statement = Statement::new(format!("SELECT {USER_COLUMNS} FROM users WHERE email = $1"))
            .bind(email_key(email));
        self.database.read_one(statement).await?.as_ref().map(User::from_row).transpose()
    }

    /// The administrator that was made first.
    pub async fn first_admin(&self) -> Result<Option<User>> {
        let statement = Statement::new(format!(
            "SELECT {USER_COLUMNS} FROM users WHERE role = 'admin' ORDER BY created_at, id LIMIT 1"
        ));
        self.database.read_one(statement).await?.as_ref().map(User::from_row).transpose()
    }

    /// How many accounts there are.
    pub async fn count(&self) -> Result<i64> {
        self.total(Statement::new("SELECT count(*) AS total FROM users")).await
    }

    /// How many accounts were seen at or after this time.
    pub async fn count_active_since(&self, since: i64) -> Result<i64> {
        self.total(
            Statement::new("SELECT count(*) AS total FROM users WHERE last_active_at >= $1").bind(since),
        )
        .await
    }

    /// Changes profile fields.
    ///
    /// Errors: [`StorageError::UserNotFound`], [`StorageError::EmailTaken`].
    pub async fn update(&self, id: &str, update: UserUpdate) -> Result<User> {
        let mut changes = Changes::new();
        changes.set("name", update.name);
        changes.set("email", update.email.as_deref().map(email_key));
        changes.set("username", update.username);
        changes.set("profile_image_url", update.profile_image_url);
        changes.set("profile_banner_image_url", update.profile_banner_image_url);
        changes.set("bio", update.bio);
        changes.set("gender", update.gender);
        changes.set("date_of_birth", update.date_of_birth);
        changes.set("presence_state", update.presence_state);
        changes.set("status_emoji", update.status_emoji);
        changes.set("status_message", update.status_message);
        changes.set("status_expires_at", update.status_expires_at);
        let row = self.change(id, changes).await.map_err(|error| match error {
            StorageError::Database(source)
                if source
                    .as_database_error()
                    .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
            {
                StorageError::EmailTaken
            }
            other => other,
        })?;
        User::from_row(&row)
    }

    /// Changes the role, and ends all sessions of the account by a new session stamp.
    ///
    /// Errors: [`StorageError::UserNotFound`], [`StorageError::LastAdmin`].
    pub async fn set_role(&self, id: &str, role: Role) -> Result<RoleChange> {
        let mut transaction = self.begin_exclusive().await?;
        if role != Role::Admin {
            refuse_for_last_admin(&mut transaction, id).await?;
        }
        let now = clock::seconds();
        let statement = Statement::new(format!(
            "UPDATE users SET role = $2, updated_at = $3 WHERE id = $1 RETURNING {RETURNED}"
        ))
        .bind(id)
        .bind(role.as_str())
        .bind(now);
        let row = transaction.optional(statement).await?.ok_or(StorageError::UserNotFound)?;
        let session_stamp = clock::new_id();
        let statement =
            Statement::new("UPDATE credentials SET session_stamp = $2, updated_at = $3 WHERE user_id = $1")
                .bind(id)
                .bind(&session_stamp)
                .bind(now);
        transaction.execute(statement).await?;
        let user = User::from_row(&row)?;
        transaction.commit().await?;
        Ok(RoleChange { user, session_stamp })
    }

    /// Settings of the person.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn settings(&self, id: &str) -> Result<Option<Json>> {
        let statement = Statement::new("SELECT settings FROM users WHERE id = $1").bind(id);
        self.database.read_one(statement).await?.ok_or(StorageError::UserNotFound)?.opt_json("settings")
    }

    /// Replaces the settings of the person.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn set_settings(&self, id: &str, settings: &Json) -> Result<()> {
        self.set_one(id, "settings", settings.to_string().into()).await
    }

    /// The small JSON object kept about the user.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn info(&self, id: &str) -> Result<Option<Json>> {
        let statement = Statement::new("SELECT info FROM users WHERE id = $1").bind(id);
        self.database.read_one(statement).await?.ok_or(StorageError::UserNotFound)?.opt_json("info")
    }

    /// Replaces the small JSON object kept about the user.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn set_info(&self, id: &str, info: &Json) -> Result<()> {
        self.set_one(id, "info", info.to_string().into()).await
    }

    /// Notes the time zone.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn set_timezone(&self, id: &str, timezone: &str) -> Result<()> {
        self.set_one(id, "timezone", timezone.into()).await
    }

    /// Notes that the account was seen; an earlier time than the stored one changes nothing.
    pub async fn touch(&self, id: &str, seen_at: i64) -> Result<()> {
        let statement =
            Statement::new("UPDATE users SET last_active_at = $2 WHERE id = $1 AND last_active_at < $2")
                .bind(id)
                .bind(seen_at);
        self.database.write(statement).await.map(drop)
    }

    /// Deletes the account with its chats, tags, keys, password and grants, all or nothing.
    ///
    /// Model records that it made stay, since others use them. Gives whether there was such an account.
    ///
    /// Errors: [`StorageError::LastAdmin`].
    pub async fn delete(&self, id: &str) -> Result<bool> {
        let mut transaction = self.begin_exclusive().await?;
        refuse_for_last_admin(&mut transaction, id).await?;
        let statement =
            Statement::new("DELETE FROM access_grants WHERE principal_type = 'user' AND principal_id = $1")
                .bind(id);
        transaction.execute(statement).await?;
        // Everything else refers to the account and goes with it.
        let deleted = transaction.execute(Statement::new("DELETE FROM users WHERE id = $1").bind(id)).await?;
        transaction.commit().await?;
        Ok(deleted > 0)
    }

    async fn total(&self, statement: Statement) -> Result<i64> {
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    async fn set_one(&self, id: &str, column: &'static str, value: Value) -> Result<()> {
        let mut changes = Changes::new();
        changes.set(column, Some(value));
        self.change(id, changes).await.map(drop)
    }

    async fn change(&self, id: &str, changes: Changes) -> Result<Row> {
        // The columns vary, so that there are too many texts to keep them all prepared.
        let statement = Statement::new(format!(
            "UPDATE users SET {}updated_at = $2 WHERE id = $1 RETURNING {RETURNED}",
            changes.assignments
        ))
        .bind(id)
        .bind(clock::seconds())
        .bind_all(changes.values)
        .once();
        self.database.write_returning(statement).await?.ok_or(StorageError::UserNotFound)
    }

    /// A transaction in which no other one counts, makes or removes administrators.
    ///
    /// SQLite has one writer; PostgreSQL needs a lock, or two administrators could demote each other at once.
    pub(super) async fn begin_exclusive(&self) -> Result<Transaction> {
        let mut transaction = self.database.begin().await?;
        if transaction.dialect() == Dialect::Postgres {
            let statement = Statement::new("SELECT pg_advisory_xact_lock($1::int, hashtext($2))")
                .bind(LOCK_ROLES)
                .bind(self.database.schema().unwrap_or_default());
            transaction.all(statement).await?;
        }
        Ok(transaction)
    }
}

/// `RETURNING` takes the columns without the name of the table in both databases.
const RETURNED: &str = "id, name, email, role, username, profile_image_url, profile_banner_image_url, bio, gender, \
     date_of_birth, timezone, presence_state, status_emoji, status_message, status_expires_at, info, settings, \
     oauth, scim, last_active_at, updated_at, created_at";

/// The columns an update sets; placeholders 1 and 2 are the id and the time.
struct Changes {
    assignments: String,
    values: Vec<Value>,
}

impl Changes {
    fn new() -> Self {
        Self { assignments: String::new(), values: Vec::new() }
    }

    fn set(&mut self, column: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.values.push(value.into());
            // Writing to a String cannot fail.
            let _ = write!(self.assignments, "{column} = ${}, ", self.values.len() + 2);
        }
    }
}

async fn refuse_for_last_admin(transaction: &mut Transaction, id: &str) -> Result<()> {
    let statement = Statement::new(
        "SELECT (SELECT role FROM users WHERE id = $1) AS role, \
         (SELECT count(*) FROM users WHERE role = 'admin') AS admins",
    )
    .bind(id);
    let Some(row) = transaction.optional(statement).await? else { return Ok(()) };
    if row.opt_text("role")?.as_deref() == Some("admin") && row.int("admins")? <= 1 {
        return Err(StorageError::LastAdmin);
    }
    Ok(())
}

/// The form of an e-mail address under which accounts are found.
fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}
