//! Tags of chats.

use serde::Serialize;
use serde_json::Value as Json;

use super::{Chats, store::refuse_foreign};
use crate::{
    Database, Result, StorageError,
    sql::{Row, Statement, Transaction},
};

/// Longest name of a tag, in characters.
const MAX_NAME_CHARACTERS: usize = 100;

/// Most tags of one chat.
const MAX_TAGS_PER_CHAT: i64 = 100;

/// Most tags of one user that are listed.
const MAX_TAGS: i64 = 1000;

/// A tag of a user; serialises to the `Tag` shape of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tag {
    /// Name in lower case with `_` for blanks.
    pub id: String,
    /// Name as it was given first.
    pub name: String,
    /// Whose tag it is.
    pub user_id: String,
    /// Always null for now.
    pub meta: Option<Json>,
}

impl Tag {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            user_id: row.text("user_id")?,
            meta: row.opt_json("meta")?,
        })
    }
}

/// The id of the tag with this name.
pub(crate) fn tag_id(name: &str) -> String {
    name.trim().to_lowercase().replace(char::is_whitespace, "_")
}

/// Tags of users.
#[derive(Debug, Clone)]
pub struct Tags {
    database: Database,
}

impl Tags {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The id of the tag with this name: lower case, `_` for blanks.
    pub fn id_of(name: &str) -> String {
        tag_id(name)
    }

    /// All tags of a user by name; at most 1,000.
    pub async fn list(&self, user_id: &str) -> Result<Vec<Tag>> {
        let statement = Statement::new(
            "SELECT id, name, user_id, meta FROM tags WHERE user_id = $1 ORDER BY name, id LIMIT $2",
        )
        .bind(user_id)
        .bind(MAX_TAGS);
        self.database.read(statement).await?.iter().map(Tag::from_row).collect()
    }

    /// Takes a tag off all chats of a user and deletes it; gives whether it was there.
    pub async fn delete(&self, user_id: &str, tag_id: &str) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let statement = Statement::new("DELETE FROM chat_tags WHERE user_id = $1 AND tag_id = $2")
            .bind(user_id)
            .bind(tag_id);
        transaction.execute(statement).await?;
        let statement =
            Statement::new("DELETE FROM tags WHERE user_id = $1 AND id = $2").bind(user_id).bind(tag_id);
        let deleted = transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(deleted > 0)
    }

    /// How many chats of a user have this tag, the archive left out.
    pub async fn count_chats(&self, user_id: &str, tag_id: &str) -> Result<i64> {
        let statement = Statement::new(
            "SELECT count(*) AS total FROM chat_tags JOIN chats ON chats.id = chat_tags.chat_id \
             WHERE chat_tags.user_id = $1 AND chat_tags.tag_id = $2 AND chats.archived = FALSE",
        )
        .bind(user_id)
        .bind(tag_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }
}

impl Chats {
    /// The tags of a chat by name.
    ///
    /// Errors: [`StorageError::ChatNotFound`], [`StorageError::ForeignChat`], as in all functions below.
    pub async fn tags(&self, user_id: &str, chat_id: &str) -> Result<Vec<Tag>> {
        let tags = self.database.read(tags_of_chat(chat_id)).await?;
        if tags.is_empty() {
            self.owned(user_id, chat_id).await?;
        }
        let tags: Vec<Tag> = tags.iter().map(Tag::from_row).collect::<Result<_>>()?;
        if tags.iter().any(|tag| tag.user_id != user_id) { Err(StorageError::ForeignChat) } else { Ok(tags) }
    }

    /// Adds a tag by its name and gives all tags of the chat; adding it again changes nothing.
    pub async fn add_tag(&self, user_id: &str, chat_id: &str, name: &str) -> Result<Vec<Tag>> {
        self.edit_tags(user_id, chat_id, &[name.to_owned()], false).await
    }

    /// Gives the chat exactly these tags, by their names.
    pub async fn set_tags(&self, user_id: &str, chat_id: &str, names: &[String]) -> Result<Vec<Tag>> {
        self.edit_tags(user_id, chat_id, names, true).await
    }

    /// Takes a tag off the chat by its name or id and gives the tags that are left.
    ///
    /// A tag that no chat has any more is deleted.
    pub async fn remove_tag(&self, user_id: &str, chat_id: &str, name: &str) -> Result<Vec<Tag>> {
        let mut transaction = self.begin_owned(user_id, chat_id).await?;
        let statement = Statement::new("DELETE FROM chat_tags WHERE chat_id = $1 AND tag_id = $2")
            .bind(chat_id)
            .bind(tag_id(name));
        transaction.execute(statement).await?;
        delete_unused(&mut transaction, user_id).await?;
        finish(transaction, chat_id).await
    }

    async fn edit_tags(
        &self,
        user_id: &str,
        chat_id: &str,
        names: &[String],
        replace: bool,
    ) -> Result<Vec<Tag>> {
        for name in names {
            if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARACTERS {
                return Err(StorageError::malformed(
                    "name",
                    format!("a tag has 1 to {MAX_NAME_CHARACTERS} characters"),
                ));
            }
        }
        let mut transaction = self.begin_owned(user_id, chat_id).await?;
        if replace {
            let statement = Statement::new("DELETE FROM chat_tags WHERE chat_id = $1").bind(chat_id);
            transaction.execute(statement).await?;
        }
        for name in names {
            let statement = Statement::new(
                "INSERT INTO tags (user_id, id, name, meta) VALUES ($1, $2, $3, NULL) ON CONFLICT DO NOTHING",
            )
            .bind(user_id)
            .bind(tag_id(name))
            .bind(name.trim());
            transaction.execute(statement).await?;
            let statement = Statement::new(
                "INSERT INTO chat_tags (chat_id, tag_id, user_id, position) \
                 SELECT $1, $2, $3, COALESCE(MAX(position), 0) + 1 FROM chat_tags WHERE chat_id = $1 \
                 ON CONFLICT DO NOTHING",
            )
            .bind(chat_id)
            .bind(tag_id(name))
            .bind(user_id);
            transaction.execute(statement).await?;
        }
        let statement =
            Statement::new("SELECT count(*) AS total FROM chat_tags WHERE chat_id = $1").bind(chat_id);
        let total = transaction.optional(statement).await?.map_or(Ok(0), |row| row.int("total"))?;
        if total > MAX_TAGS_PER_CHAT {
            return Err(StorageError::TooLarge {
                what: "tags of a chat",
                size: usize::try_from(total).unwrap_or(usize::MAX),
                limit: usize::try_from(MAX_TAGS_PER_CHAT).unwrap_or(usize::MAX),
            });
        }
        if replace {
            delete_unused(&mut transaction, user_id).await?;
        }
        finish(transaction, chat_id).await
    }

    /// A transaction that holds this chat, if it is the user's.
    async fn begin_owned(&self, user_id: &str, chat_id: &str) -> Result<Transaction> {
        let mut transaction = self.database.begin().await?;
        // Writing something locks the row against other changes of the same chat.
        let statement = Statement::new("UPDATE chats SET pinned = pinned WHERE id = $1 AND user_id = $2")
            .bind(chat_id)
            .bind(user_id);
        if transaction.execute(statement).await? == 0 {
            return Err(refuse_foreign(&mut transaction, chat_id).await?);
        }
        Ok(transaction)
    }
}

fn tags_of_chat(chat_id: &str) -> Statement {
    Statement::new(
        "SELECT tags.id, tags.name, tags.user_id, tags.meta FROM chat_tags \
         JOIN tags ON tags.user_id = chat_tags.user_id AND tags.id = chat_tags.tag_id \
         WHERE chat_tags.chat_id = $1 ORDER BY tags.name, tags.id",
    )
    .bind(chat_id)
}

async fn finish(mut transaction: Transaction, chat_id: &str) -> Result<Vec<Tag>> {
    let tags = transaction.all(tags_of_chat(chat_id)).await?;
    let tags = tags.iter().map(Tag::from_row).collect::<Result<_>>()?;
    transaction.commit().await?;
    Ok(tags)
}

/// Deletes tags of a user that no chat has.
pub(super) async fn delete_unused(transaction: &mut Transaction, user_id: &str) -> Result<()> {
    let statement = Statement::new(
        "DELETE FROM tags WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM chat_tags \
         WHERE chat_tags.user_id = tags.user_id AND chat_tags.tag_id = tags.id)",
    )
    .bind(user_id);
    transaction.execute(statement).await.map(drop)
}
