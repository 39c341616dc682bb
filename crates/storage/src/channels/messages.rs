//! Messages of channels: written, changed, deleted.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::ChannelMessageDetails;
use crate::{
    Database, Result, StorageError, clock,
    sql::{Row, Statement, Transaction},
};

/// Largest message of a channel: the bytes of its text and of its JSON together.
pub const MAX_CHANNEL_MESSAGE_BYTES: usize = 256 * 1024;

/// Most messages of a list.
const MAX_LISTED: u32 = 100;

/// Most messages that a list may leave out at its start. Keeps offsets small.
const MAX_SKIPPED: u32 = 1_000_000;

/// What a message carries beside its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MessageData {
    /// All of it.
    Whole(Option<Json>),
    /// Whether there is something, in lists.
    Present(bool),
}

/// One message; serialises to the `ChMessage` shape of the API without what belongs to others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelMessage {
    /// UUID text.
    pub id: String,
    /// Who wrote it.
    pub user_id: String,
    /// The channel.
    pub channel_id: String,
    /// The message that it quotes.
    pub reply_to_id: Option<String>,
    /// The message in whose thread it is.
    pub parent_id: Option<String>,
    /// Text.
    pub content: String,
    /// Files and the like.
    pub data: MessageData,
    /// A JSON object of the client.
    pub meta: Option<Json>,
    /// When it was written; no two messages of a channel have the same time.
    pub created_at: i64,
    /// When it was changed.
    pub updated_at: i64,
    /// Changes with every change of the message: `updated_at` as text, which no client rounds.
    pub etag: String,
    #[serde(flatten)]
    unset: Unset,
}

/// What clients look for and no message has yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Unset {
    app_id: (),
    is_pinned: bool,
    pinned_by: (),
    pinned_at: (),
}

/// Names of the columns of a message in a row, which may hold two messages.
pub(super) struct Columns {
    pub(super) id: &'static str,
    pub(super) user_id: &'static str,
    pub(super) channel_id: &'static str,
    pub(super) reply_to_id: &'static str,
    pub(super) parent_id: &'static str,
    pub(super) content: &'static str,
    pub(super) data: &'static str,
    pub(super) has_data: &'static str,
    pub(super) meta: &'static str,
    pub(super) created_at: &'static str,
    pub(super) updated_at: &'static str,
}

/// The columns of the message itself.
pub(super) const OWN: Columns = Columns {
    id: "id",
    user_id: "user_id",
    channel_id: "channel_id",
    reply_to_id: "reply_to_id",
    parent_id: "parent_id",
    content: "content",
    data: "data",
    has_data: "has_data",
    meta: "meta",
    created_at: "created_at",
    updated_at: "updated_at",
};

impl ChannelMessage {
    /// The message in these columns of a row; without `data`, whether there is any.
    pub(super) fn from_row(row: &Row, columns: &Columns, whole: bool) -> Result<Self> {
        let data = if whole {
            MessageData::Whole(row.opt_json(columns.data)?)
        } else {
            MessageData::Present(row.boolean(columns.has_data)?)
        };
        let updated_at = row.int(columns.updated_at)?;
        Ok(Self {
            id: row.text(columns.id)?,
            user_id: row.text(columns.user_id)?,
            channel_id: row.text(columns.channel_id)?,
            reply_to_id: row.opt_text(columns.reply_to_id)?,
            parent_id: row.opt_text(columns.parent_id)?,
            content: row.text(columns.content)?,
            data,
            meta: row.opt_json(columns.meta)?,
            created_at: row.int(columns.created_at)?,
            updated_at,
            etag: updated_at.to_string(),
            unset: Unset::default(),
        })
    }
}

/// A message to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewChannelMessage {
    /// Text.
    pub content: String,
    /// The message in whose thread it is.
    pub parent_id: Option<String>,
    /// The message that it quotes.
    pub reply_to_id: Option<String>,
    /// Files and the like.
    pub data: Option<Map<String, Json>>,
    /// A JSON object of the client.
    pub meta: Option<Map<String, Json>>,
}

/// A change of a message; keys of `data` and `meta` replace those that are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelMessageUpdate {
    /// Text.
    pub content: String,
    /// Files and the like.
    pub data: Map<String, Json>,
    /// A JSON object of the client.
    pub meta: Map<String, Json>,
}

/// Which messages of a thread to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadQuery {
    /// How many to leave out.
    pub skip: u32,
    /// How many to give.
    pub limit: u32,
    /// Only messages older than this one.
    pub before: Option<String>,
    /// The part of the thread that has this message in its middle; `skip` counts from there.
    pub around: Option<String>,
}

/// Messages of channels.
///
/// Nothing here checks who may read or write a channel; [`crate::Channels::view`] tells.
#[derive(Debug, Clone)]
pub struct ChannelMessages {
    pub(super) database: Database,
}

impl ChannelMessages {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes a message. One statement, or two in a thread or with a quotation.
    ///
    /// Errors: [`StorageError::ChannelNotFound`], [`StorageError::ChannelMessageNotFound`] when the thread or the
    /// quoted message is not there, [`StorageError::TooLarge`].
    pub async fn post(
        &self,
        channel_id: &str,
        user_id: &str,
        new: NewChannelMessage,
    ) -> Result<ChannelMessage> {
        let has_data = new.data.as_ref().is_some_and(holds_something);
        let (data, meta) = (new.data.map(Json::Object), new.meta.map(Json::Object));
        let (data_text, meta_text) = (data.as_ref().map(Json::to_string), meta.as_ref().map(Json::to_string));
        check_size(&new.content, data_text.as_deref(), meta_text.as_deref())?;
        self.check_references(channel_id, new.parent_id.as_deref(), new.reply_to_id.as_deref()).await?;
        let id = clock::new_id();
        let statement = Statement::new(
            "INSERT INTO channel_messages (id, channel_id, user_id, parent_id, reply_to_id, content, data, has_data, \
             meta, created_at, updated_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, clock.moment, clock.moment \
             FROM (SELECT CASE WHEN last.moment >= $10 THEN last.moment + 1 ELSE $10 END AS moment FROM \
             (SELECT max(created_at) AS moment FROM channel_messages WHERE channel_id = $2) AS last) AS clock \
             RETURNING created_at",
        )
        .bind(&id)
        .bind(channel_id)
        .bind(user_id)
        .bind(&new.parent_id)
        .bind(&new.reply_to_id)
        .bind(&new.content)
        .bind(data_text)
        .bind(has_data)
        .bind(meta_text)
        .bind(clock::nanoseconds());
        let row = self.database.write_returning(statement).await.map_err(|error| match error {
            // Deleted since it was looked up.
            error if is_missing_reference(&error) && new.parent_id.is_some() => {
                StorageError::ChannelMessageNotFound
            }
            error if is_missing_reference(&error) => StorageError::ChannelNotFound,
            error => error,
        })?;
        let created_at = row.ok_or(StorageError::ChannelNotFound)?.int("created_at")?;
        Ok(ChannelMessage {
            id,
            user_id: user_id.to_owned(),
            channel_id: channel_id.to_owned(),
            reply_to_id: new.reply_to_id,
            parent_id: new.parent_id,
            content: new.content,
            data: MessageData::Whole(data),
            meta,
            created_at,
            updated_at: created_at,
            etag: created_at.to_string(),
            unset: Unset::default(),
        })
    }

    /// Changes a message and gives it as it is then.
    ///
    /// Errors: [`StorageError::ChannelMessageNotFound`], [`StorageError::TooLarge`].
    pub async fn update(&self, channel_id: &str, id: &str, update: ChannelMessageUpdate) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let (mut data, mut meta) = lock(&mut transaction, channel_id, id).await?;
        data.extend(update.data);
        meta.extend(update.meta);
        let has_data = holds_something(&data);
        let (data, meta) = (Json::Object(data).to_string(), Json::Object(meta).to_string());
        check_size(&update.content, Some(&data), Some(&meta))?;
        let statement = Statement::new(
            "UPDATE channel_messages SET content = $2, data = $3, has_data = $4, meta = $5 WHERE id = $1",
        )
        .bind(id)
        .bind(update.content)
        .bind(data)
        .bind(has_data)
        .bind(meta);
        transaction.execute(statement).await?;
        transaction.commit().await
    }

    /// Deletes a message with its thread and reactions; gives whether it was there.
    pub async fn delete(&self, channel_id: &str, id: &str) -> Result<bool> {
        let statement = Statement::new("DELETE FROM channel_messages WHERE channel_id = $1 AND id = $2")
            .bind(channel_id)
            .bind(id);
        Ok(self.database.write(statement).await? > 0)
    }

    /// What a message carries beside its text; `None` if there is no such message.
    pub async fn data(&self, channel_id: &str, id: &str) -> Result<Option<Option<Json>>> {
        let statement = Statement::new("SELECT data FROM channel_messages WHERE channel_id = $1 AND id = $2")
            .bind(channel_id)
            .bind(id);
        self.database.read_one(statement).await?.map(|row| row.opt_json("data")).transpose()
    }

    /// Messages outside of threads, newest first; at most 100.
    pub async fn list(&self, channel_id: &str, skip: u32, limit: u32) -> Result<Vec<ChannelMessageDetails>> {
        let page = "WHERE message.channel_id = $1 AND message.parent_id IS NULL \
                    ORDER BY message.created_at DESC, message.id LIMIT $2 OFFSET $3";
        self.details(page, |statement| {
            statement.bind(channel_id).bind(listed(limit)).bind(i64::from(skip.min(MAX_SKIPPED)))
        })
        .await
    }

    /// A thread, newest first and the message that began it last; at most 101.
    ///
    /// Errors: [`StorageError::ChannelMessageNotFound`].
    pub async fn thread(
        &self,
        channel_id: &str,
        id: &str,
        query: &ThreadQuery,
    ) -> Result<Vec<ChannelMessageDetails>> {
        let first = self.get(channel_id, id, false).await?.ok_or(StorageError::ChannelMessageNotFound)?;
        let before = match &query.before {
            Some(before) => self.moment(channel_id, before).await?.unwrap_or(i64::MAX),
            None => i64::MAX,
        };
        let limit = listed(query.limit);
        let mut skip = i64::from(query.skip.min(MAX_SKIPPED));
        if let Some(around) = &query.around {
            skip += (self.newer_in_thread(id, around).await? - limit / 2).max(0);
        }
        let page = "WHERE message.parent_id = $1 AND message.created_at < $2 \
                    ORDER BY message.created_at DESC, message.id LIMIT $3 OFFSET $4";
        let mut thread =
            self.details(page, |statement| statement.bind(id).bind(before).bind(limit).bind(skip)).await?;
        if i64::try_from(thread.len()).is_ok_and(|length| length < limit) {
            thread.push(first);
        }
        Ok(thread)
    }

    /// When a message was written.
    async fn moment(&self, channel_id: &str, id: &str) -> Result<Option<i64>> {
        let statement =
            Statement::new("SELECT created_at FROM channel_messages WHERE channel_id = $1 AND id = $2")
                .bind(channel_id)
                .bind(id);
        self.database.read_one(statement).await?.map(|row| row.int("created_at")).transpose()
    }

    /// How many messages of a thread are newer than one of them; none for a message that is not in it.
    async fn newer_in_thread(&self, parent_id: &str, id: &str) -> Result<i64> {
        let statement = Statement::new(
            "SELECT count(*) AS total FROM channel_messages WHERE parent_id = $1 AND created_at > \
             (SELECT pivot.created_at FROM channel_messages pivot WHERE pivot.parent_id = $1 AND pivot.id = $2)",
        )
        .bind(parent_id)
        .bind(id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    /// Refuses a thread or quotation whose message is not in the channel. A thread has no threads of its own.
    async fn check_references(
        &self,
        channel_id: &str,
        parent_id: Option<&str>,
        reply_to_id: Option<&str>,
    ) -> Result<()> {
        if parent_id.is_none() && reply_to_id.is_none() {
            return Ok(());
        }
        let statement = Statement::new(
            "SELECT ($2 = '' OR EXISTS (SELECT 1 FROM channel_messages \
             WHERE channel_id = $1 AND id = $2 AND parent_id IS NULL)) \
             AND ($3 = '' OR EXISTS (SELECT 1 FROM channel_messages WHERE channel_id = $1 AND id = $3)) AS there",
        )
        .bind(channel_id)
        .bind(parent_id.unwrap_or_default())
        .bind(reply_to_id.unwrap_or_default());
        let there = self.database.read_one(statement).await?.map_or(Ok(false), |row| row.boolean("there"))?;
        if there { Ok(()) } else { Err(StorageError::ChannelMessageNotFound) }
    }
}

/// A limit that gives something and is bounded.
fn listed(limit: u32) -> i64 {
    i64::from(limit.clamp(1, MAX_LISTED))
}

/// Whether some key of an object has a value that is neither null, false, zero nor empty.
fn holds_something(data: &Map<String, Json>) -> bool {
    data.values().any(|value| match value {
        Json::Null => false,
        Json::Bool(boolean) => *boolean,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(object) => !object.is_empty(),
    })
}

fn check_size(content: &str, data: Option<&str>, meta: Option<&str>) -> Result<()> {
    let size = content.len() + data.map_or(0, str::len) + meta.map_or(0, str::len);
    if size <= MAX_CHANNEL_MESSAGE_BYTES {
        return Ok(());
    }
    Err(StorageError::TooLarge {
        what: "bytes of a message of a channel",
        size,
        limit: MAX_CHANNEL_MESSAGE_BYTES,
    })
}

/// Locks a message for a change, and gives its `data` and `meta`.
async fn lock(
    transaction: &mut Transaction,
    channel_id: &str,
    id: &str,
) -> Result<(Map<String, Json>, Map<String, Json>)> {
    let statement = Statement::new(
        "UPDATE channel_messages SET updated_at = CASE WHEN updated_at >= $3 THEN updated_at + 1 ELSE $3 END \
         WHERE channel_id = $1 AND id = $2 RETURNING data, meta",
    )
    .bind(channel_id)
    .bind(id)
    .bind(clock::nanoseconds());
    let row = transaction.optional(statement).await?.ok_or(StorageError::ChannelMessageNotFound)?;
    Ok((row.object("data")?, row.object("meta")?))
}

/// What a message or reaction refers to is gone.
pub(super) fn is_missing_reference(error: &StorageError) -> bool {
    matches!(error, StorageError::Database(source)
        if source.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation))
}
