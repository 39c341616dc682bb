//! What people think of answers: judgements, with the chat as it was.

use serde::Serialize;
use serde_json::{Map, Value as Json, value::RawValue};

use crate::{
    Database, Result, StorageError, clock,
    sql::{Row, Statement},
};

/// Version of the form of the data.
const VERSION: i64 = 0;

/// Longest `type` of a judgement, in bytes.
const MAX_KIND_BYTES: usize = 64;

/// Largest `data` and `meta` of one judgement together, in bytes of JSON.
const MAX_JUDGEMENT_BYTES: usize = 64 * 1024;

/// Largest chat that is kept with a judgement, in bytes of JSON.
pub const MAX_SNAPSHOT_BYTES: usize = 16 * 1024 * 1024;

/// One judgement; serialises to the `Feedback` shape of the API.
#[derive(Debug, Clone, Serialize)]
pub struct Feedback {
    /// Made here.
    pub id: String,
    /// Whose judgement it is.
    pub user_id: String,
    /// Version of the form of the data.
    pub version: i64,
    /// What kind it is, `rating` so far.
    #[serde(rename = "type")]
    pub kind: String,
    /// The judgement itself: `rating`, `model_id`, `reason`, `comment`, ….
    pub data: Option<Map<String, Json>>,
    /// What it is about: `chat_id`, `message_id`, ….
    pub meta: Option<Map<String, Json>>,
    /// The chat as it was, as the client sent it.
    pub snapshot: Option<Box<RawValue>>,
    /// When it was made.
    pub created_at: i64,
    /// When it was changed.
    pub updated_at: i64,
}

/// The content of a judgement.
#[derive(Debug, Clone, Default)]
pub struct NewFeedback {
    /// What kind it is.
    pub kind: String,
    /// The judgement itself.
    pub data: Option<Map<String, Json>>,
    /// What it is about.
    pub meta: Option<Map<String, Json>>,
    /// The chat as it was: JSON text.
    pub snapshot: Option<Box<RawValue>>,
}

/// Judgements of answers.
#[derive(Debug, Clone)]
pub struct Feedbacks {
    database: Database,
}

const COLUMNS: &str = "id, user_id, version, type, data, meta, snapshot, created_at, updated_at";

impl Feedback {
    fn from_row(row: &Row) -> Result<Self> {
        let object = |column: &'static str| match row.opt_json(column)? {
            None => Ok(None),
            Some(Json::Object(object)) => Ok(Some(object)),
            Some(_) => Err(StorageError::CorruptRow { column, reason: "it is no object".into() }),
        };
        Ok(Self {
            id: row.text("id")?,
            user_id: row.text("user_id")?,
            version: row.int("version")?,
            kind: row.text("type")?,
            data: object("data")?,
            meta: object("meta")?,
            snapshot: row.raw("snapshot")?,
            created_at: row.int("created_at")?,
            updated_at: row.int("updated_at")?,
        })
    }
}

impl Feedbacks {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a judgement of `user_id`.
    ///
    /// Errors: [`StorageError::Malformed`], [`StorageError::TooLarge`].
    pub async fn create(&self, user_id: &str, new: NewFeedback) -> Result<Feedback> {
        let (data, meta) = checked(&new)?;
        let statement = Statement::new(format!(
            "INSERT INTO feedback ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING {COLUMNS}"
        ))
        .bind(clock::new_id())
        .bind(user_id)
        .bind(VERSION)
        .bind(new.kind)
        .bind(data)
        .bind(meta)
        .bind(new.snapshot.map(|snapshot| snapshot.get().to_owned()))
        .bind(clock::seconds());
        let row = self.database.write_returning(statement).await?;
        Feedback::from_row(&row.ok_or(StorageError::FeedbackNotFound)?)
    }

    /// A judgement of `user_id`.
    ///
    /// Errors: [`StorageError::FeedbackNotFound`], also when it is somebody else's.
    pub async fn owned(&self, user_id: &str, id: &str) -> Result<Feedback> {
        let statement =
            Statement::new(format!("SELECT {COLUMNS} FROM feedback WHERE id = $1 AND user_id = $2"))
                .bind(id)
                .bind(user_id);
        let row = self.database.read_one(statement).await?;
        Feedback::from_row(&row.ok_or(StorageError::FeedbackNotFound)?)
    }

    /// Replaces what a judgement of `user_id` says; its kind stays, and what `new` leaves out.
    ///
    /// Errors: [`StorageError::FeedbackNotFound`], [`StorageError::Malformed`], [`StorageError::TooLarge`].
    pub async fn update(&self, user_id: &str, id: &str, new: NewFeedback) -> Result<Feedback> {
        let (data, meta) = checked(&new)?;
        let statement = Statement::new(format!(
            "UPDATE feedback SET data = COALESCE($3, data), meta = COALESCE($4, meta), \
             snapshot = COALESCE($5, snapshot), updated_at = $6 WHERE id = $1 AND user_id = $2 RETURNING {COLUMNS}"
        ))
        .bind(id)
        .bind(user_id)
        .bind(data)
        .bind(meta)
        .bind(new.snapshot.map(|snapshot| snapshot.get().to_owned()))
        .bind(clock::seconds());
        let row = self.database.write_returning(statement).await?;
        Feedback::from_row(&row.ok_or(StorageError::FeedbackNotFound)?)
    }

    /// Deletes a judgement of `user_id`; gives whether it was there.
    pub async fn delete(&self, user_id: &str, id: &str) -> Result<bool> {
        let statement =
            Statement::new("DELETE FROM feedback WHERE id = $1 AND user_id = $2").bind(id).bind(user_id);
        Ok(self.database.write(statement).await? > 0)
    }
}

/// Checks a judgement and gives the JSON of `data` and `meta`.
fn checked(new: &NewFeedback) -> Result<(Option<String>, Option<String>)> {
    if new.kind.is_empty() || new.kind.len() > MAX_KIND_BYTES {
        return Err(StorageError::malformed("type", format!("1 to {MAX_KIND_BYTES} bytes are expected")));
    }
    let text = |map: &Option<Map<String, Json>>, name: &str| {
        let text = map.as_ref().map(serde_json::to_string).transpose();
        text.map_err(|error| StorageError::malformed(name, error.to_string()))
    };
    let (data, meta) = (text(&new.data, "data")?, text(&new.meta, "meta")?);
    let size = data.as_deref().map_or(0, str::len) + meta.as_deref().map_or(0, str::len);
    limited("bytes of a judgement", size, MAX_JUDGEMENT_BYTES)?;
    let snapshot = new.snapshot.as_ref().map_or(0, |snapshot| snapshot.get().len());
    limited("bytes of the chat that a judgement is about", snapshot, MAX_SNAPSHOT_BYTES)?;
    Ok((data, meta))
}

fn limited(what: &'static str, size: usize, limit: usize) -> Result<()> {
    if size > limit { Err(StorageError::TooLarge { what, size, limit }) } else { Ok(()) }
}
