//! Making, reading, changing and deleting chats.

use serde_json::{Map, Value as Json};

use super::{Chat, NewChat, UNTITLED};
use crate::{
    Database, Result, StorageError, clock,
    sql::{Dialect, Statement, Transaction, Value},
};

/// Largest `extra`, `meta` and `variables` of a chat together, in bytes of JSON.
pub(crate) const MAX_EXTRA_BYTES: usize = 1024 * 1024;

/// Longest title, in characters; longer ones are cut.
const MAX_TITLE_CHARACTERS: usize = 1000;

/// Lets a chat rise in the list by its owner's own doing, which is no news to the owner: what was read stays read.
const RISE: &str =
    "updated_at = $3, last_read_at = CASE WHEN last_read_at >= updated_at THEN $3 ELSE last_read_at END";

/// Chats.
#[derive(Debug, Clone)]
pub struct Chats {
    pub(super) database: Database,
}

/// The columns of [`Chat`], usable in SELECT and in RETURNING.
pub(crate) fn chat_columns(dialect: Dialect) -> String {
    let tags = dialect.json_array("chat_tags.tag_id", "chat_tags.position");
    format!(
        "id, user_id, title, share_id, archived, pinned, folder_id, meta, variables, extra, timestamp_ms, \
         current_message_id, last_read_at, updated_at, created_at, \
         (SELECT {tags} FROM chat_tags WHERE chat_tags.chat_id = chats.id) AS tags"
    )
}

impl Chats {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a chat without messages.
    ///
    /// Errors: [`StorageError::ChatExists`], [`StorageError::UserNotFound`], [`StorageError::TooLarge`].
    pub async fn create(&self, user_id: &str, new: NewChat) -> Result<Chat> {
        let statement = insert_chat(self.database.dialect(), user_id, new, 0, None)?;
        let row = self.database.write_returning(statement).await.map_err(missing_user)?;
        Chat::from_row(&row.ok_or(StorageError::ChatExists)?)
    }

    /// The chat with this id, whoever it belongs to.
    pub async fn find(&self, id: &str) -> Result<Option<Chat>> {
        let columns = chat_columns(self.database.dialect());
        let statement = Statement::new(format!("SELECT {columns} FROM chats WHERE id = $1")).bind(id);
        self.database.read_one(statement).await?.as_ref().map(Chat::from_row).transpose()
    }

    /// The chat with this id, if it belongs to this user.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`].
    pub async fn owned(&self, user_id: &str, id: &str) -> Result<Chat> {
        let chat = self.find(id).await?.ok_or(StorageError::ChatNotFound)?;
        if chat.user_id == user_id { Ok(chat) } else { Err(StorageError::ForeignChat) }
    }

    /// Whose chat this is.
    pub async fn owner(&self, id: &str) -> Result<Option<String>> {
        let statement = Statement::new("SELECT user_id FROM chats WHERE id = $1").bind(id);
        self.database.read_one(statement).await?.map(|row| row.text("user_id")).transpose()
    }

    /// The chat that is shared under this id.
    pub async fn by_share_id(&self, share_id: &str) -> Result<Option<Chat>> {
        let columns = chat_columns(self.database.dialect());
        let statement =
            Statement::new(format!("SELECT {columns} FROM chats WHERE share_id = $1")).bind(share_id);
        self.database.read_one(statement).await?.as_ref().map(Chat::from_row).transpose()
    }

    /// Whether there is such a chat.
    pub async fn exists(&self, id: &str) -> Result<bool> {
        Ok(self.owner(id).await?.is_some())
    }

    /// How many chats a user has, the archive included.
    pub async fn count(&self, user_id: &str) -> Result<i64> {
        let statement =
            Statement::new("SELECT count(*) AS total FROM chats WHERE user_id = $1").bind(user_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    /// How many chats a user has in the archive.
    pub async fn count_archived(&self, user_id: &str) -> Result<i64> {
        let statement =
            Statement::new("SELECT count(*) AS total FROM chats WHERE user_id = $1 AND archived = TRUE")
                .bind(user_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    /// Renames a chat; its place in the list stays.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`], as in all changes below.
    pub async fn set_title(&self, user_id: &str, id: &str, title: &str) -> Result<Chat> {
        self.change(user_id, id, "title = $3", title_text(title)).await
    }

    /// Pins a chat, or unpins it.
    pub async fn toggle_pinned(&self, user_id: &str, id: &str) -> Result<Chat> {
        self.change(user_id, id, &format!("pinned = NOT pinned, {RISE}"), clock::seconds()).await
    }

    /// Puts a chat into the archive, or takes it out.
    pub async fn toggle_archived(&self, user_id: &str, id: &str) -> Result<Chat> {
        self.change(user_id, id, &format!("archived = NOT archived, {RISE}"), clock::seconds()).await
    }

    /// Puts a chat into a folder, or out of any; a chat in a folder is not pinned.
    pub async fn set_folder(&self, user_id: &str, id: &str, folder_id: Option<&str>) -> Result<Chat> {
        let columns = chat_columns(self.database.dialect());
        let statement = Statement::new(format!(
            "UPDATE chats SET folder_id = $3, pinned = CASE WHEN CAST($3 AS TEXT) IS NULL THEN pinned ELSE FALSE END, \
             updated_at = $4, last_read_at = CASE WHEN last_read_at >= updated_at THEN $4 ELSE last_read_at END WHERE id = $1 AND user_id = $2 RETURNING {columns}"
        ))
        .bind(id)
        .bind(user_id)
        .bind(folder_id)
        .bind(clock::seconds());
        self.changed(id, statement).await
    }

    /// Shares a chat under this id, or not any more.
    pub async fn set_share_id(&self, user_id: &str, id: &str, share_id: Option<&str>) -> Result<Chat> {
        self.change(user_id, id, "share_id = $3", share_id).await
    }

    /// Chooses the message with which the shown branch ends.
    ///
    /// Errors: also [`StorageError::MessageNotFound`].
    pub async fn set_current_message(&self, user_id: &str, id: &str, message_id: &str) -> Result<Chat> {
        let statement = Statement::new("SELECT id FROM messages WHERE chat_id = $1 AND id = $2")
            .bind(id)
            .bind(message_id);
        let known = self.database.read_one(statement).await?.is_some();
        if !known {
            self.owned(user_id, id).await?;
            return Err(StorageError::MessageNotFound);
        }
        self.change(user_id, id, "current_message_id = $3", message_id).await
    }

    /// Notes that the owner has read the chat as it is now; gives the mark, in Unix seconds, or `None` if it is not a chat of
    /// this user.
    ///
    /// `read_at` is now. The mark never moves back, and is never before the chat's last change, whose time may be that of
    /// another node's clock.
    pub async fn set_last_read_at(&self, user_id: &str, id: &str, read_at: i64) -> Result<Option<i64>> {
        let statement = Statement::new(
            "UPDATE chats SET last_read_at = CASE WHEN last_read_at > $3 AND last_read_at > updated_at THEN last_read_at \
             WHEN updated_at > $3 THEN updated_at ELSE $3 END \
             WHERE id = $1 AND user_id = $2 RETURNING last_read_at",
        )
        .bind(id)
        .bind(user_id)
        .bind(read_at);
        let marked = self.database.write_returning(statement).await?;
        marked.map(|row| row.int("last_read_at")).transpose()
    }

    /// Puts all chats of a user into the archive; gives their number.
    pub async fn archive_all(&self, user_id: &str) -> Result<u64> {
        self.set_all_archived(user_id, true).await
    }

    /// Takes all chats of a user out of the archive; gives their number.
    pub async fn unarchive_all(&self, user_id: &str) -> Result<u64> {
        self.set_all_archived(user_id, false).await
    }

    async fn set_all_archived(&self, user_id: &str, archived: bool) -> Result<u64> {
        let statement =
            Statement::new("UPDATE chats SET archived = $2 WHERE user_id = $1 AND archived <> $2")
                .bind(user_id)
                .bind(archived);
        self.database.write(statement).await
    }

    /// Copies a chat of this user with all its messages, under a new id and a new title.
    ///
    /// Messages keep their ids; replies that are still running are copied as finished with the text so far.
    /// The copy is neither shared nor pinned nor archived. `extra` is added to the keys of its document.
    pub async fn copy(&self, user_id: &str, id: &str, title: &str, extra: Map<String, Json>) -> Result<Chat> {
        let mut transaction = self.database.begin().await?;
        let dialect = transaction.dialect();
        let columns = chat_columns(dialect);
        let statement =
            Statement::new(format!("SELECT {columns}, next_sequence FROM chats WHERE id = $1")).bind(id);
        let row = transaction.optional(statement).await?.ok_or(StorageError::ChatNotFound)?;
        let original = Chat::from_row(&row)?;
        if original.user_id != user_id {
            return Err(StorageError::ForeignChat);
        }
        let mut document = original.extra;
        document.extend(extra);
        let new = NewChat {
            id: None,
            title: title.to_owned(),
            folder_id: original.folder_id,
            variables: original.variables,
            meta: original.meta,
            extra: document,
        };
        let current = original.current_message_id.as_deref();
        let statement = insert_chat(dialect, user_id, new, row.int("next_sequence")?, current)?;
        let copied = transaction.optional(statement).await?.ok_or(StorageError::ChatExists)?;
        let mut chat = Chat::from_row(&copied)?;
        for sql in [
            "INSERT INTO messages (chat_id, id, parent_id, sequence, role, content, model, done, timestamp, output, \
             error, usage, extra, updated_at) \
             SELECT $2, id, parent_id, sequence, role, content, model, \
             CASE WHEN done IS NULL THEN NULL ELSE TRUE END, timestamp, output, error, usage, extra, updated_at \
             FROM messages WHERE chat_id = $1",
            "INSERT INTO chat_tags (chat_id, tag_id, user_id, position) \
             SELECT $2, tag_id, user_id, position FROM chat_tags WHERE chat_id = $1",
        ] {
            transaction.execute(Statement::new(sql).bind(id).bind(&chat.id)).await?;
        }
        transaction.commit().await?;
        chat.tags = original.tags;
        Ok(chat)
    }

    /// Deletes a chat with its messages, and tags that no other chat has.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`].
    pub async fn delete(&self, user_id: &str, id: &str) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let statement =
            Statement::new("DELETE FROM chats WHERE id = $1 AND user_id = $2").bind(id).bind(user_id);
        if transaction.execute(statement).await? == 0 {
            return Err(refuse_foreign(&mut transaction, id).await?);
        }
        super::tags::delete_unused(&mut transaction, user_id).await?;
        transaction.commit().await
    }

    /// Deletes all chats of a user, with messages and tags; gives the number of chats.
    pub async fn delete_all(&self, user_id: &str) -> Result<u64> {
        let mut transaction = self.database.begin().await?;
        let deleted =
            transaction.execute(Statement::new("DELETE FROM chats WHERE user_id = $1").bind(user_id)).await?;
        super::tags::delete_unused(&mut transaction, user_id).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    async fn change(
        &self,
        user_id: &str,
        id: &str,
        assignments: &str,
        value: impl Into<Value>,
    ) -> Result<Chat> {
        let columns = chat_columns(self.database.dialect());
        let statement = Statement::new(format!(
            "UPDATE chats SET {assignments} WHERE id = $1 AND user_id = $2 RETURNING {columns}"
        ))
        .bind(id)
        .bind(user_id)
        .bind(value);
        self.changed(id, statement).await
    }

    async fn changed(&self, id: &str, statement: Statement) -> Result<Chat> {
        match self.database.write_returning(statement).await? {
            Some(row) => Chat::from_row(&row),
            None => match self.owner(id).await? {
                Some(_) => Err(StorageError::ForeignChat),
                None => Err(StorageError::ChatNotFound),
            },
        }
    }
}

/// Why a change of a chat with this id touched nothing.
pub(crate) async fn refuse_foreign(transaction: &mut Transaction, id: &str) -> Result<StorageError> {
    let statement = Statement::new("SELECT user_id FROM chats WHERE id = $1").bind(id);
    Ok(match transaction.optional(statement).await? {
        Some(_) => StorageError::ForeignChat,
        None => StorageError::ChatNotFound,
    })
}

/// A statement that makes a chat; it returns nothing if the id is taken.
pub(crate) fn insert_chat(
    dialect: Dialect,
    user_id: &str,
    new: NewChat,
    next_sequence: i64,
    current_message_id: Option<&str>,
) -> Result<Statement> {
    let (variables, meta, extra) =
        (Json::Object(new.variables), Json::Object(new.meta), Json::Object(new.extra));
    let (variables, meta, extra) = (variables.to_string(), meta.to_string(), extra.to_string());
    check_extra_size(variables.len() + meta.len() + extra.len())?;
    let milliseconds = clock::milliseconds();
    Ok(Statement::new(format!(
        "INSERT INTO chats (id, user_id, title, archived, pinned, folder_id, current_message_id, next_sequence, \
         meta, variables, extra, timestamp_ms, updated_at, created_at) \
         VALUES ($1, $2, $3, FALSE, FALSE, $4, $5, $6, $7, $8, $9, $10, $11, $11) \
         ON CONFLICT (id) DO NOTHING RETURNING {}",
        chat_columns(dialect)
    ))
    .bind(new.id.unwrap_or_else(clock::new_id))
    .bind(user_id)
    .bind(title_text(&new.title))
    .bind(new.folder_id)
    .bind(current_message_id)
    .bind(next_sequence)
    .bind(meta)
    .bind(variables)
    .bind(extra)
    .bind(milliseconds)
    .bind(milliseconds / 1000))
}

/// Refuses documents whose small keys are not small.
pub(crate) fn check_extra_size(bytes: usize) -> Result<()> {
    if bytes > MAX_EXTRA_BYTES {
        return Err(StorageError::TooLarge {
            what: "bytes of a chat document without its messages",
            size: bytes,
            limit: MAX_EXTRA_BYTES,
        });
    }
    Ok(())
}

/// A title that is neither empty nor endless.
pub(crate) fn title_text(title: &str) -> String {
    if title.trim().is_empty() {
        UNTITLED.to_owned()
    } else {
        title.chars().take(MAX_TITLE_CHARACTERS).collect()
    }
}

/// A chat refers to its owner; if that fails the owner is gone.
pub(crate) fn missing_user(error: StorageError) -> StorageError {
    match error {
        StorageError::Database(source)
            if source
                .as_database_error()
                .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) =>
        {
            StorageError::UserNotFound
        }
        other => other,
    }
}
