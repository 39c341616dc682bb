//! Records of models: names, settings and who may use them.

use std::collections::HashSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::{
    Database, Grant, NewGrant, Permission, Result, StorageError,
    access_grants::{ResourceType, readable_condition, replace_grants},
    clock,
    sql::{Row, Statement},
};

/// Most model records that are listed.
const MAX_RECORDS: i64 = 2000;

/// Longest id of a model, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Largest `params` and `meta` of a record together, in bytes of JSON; `meta` may hold a picture.
const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Fields of `meta` that clients expect to be there.
const KNOWN_META: [&str; 8] = [
    "profile_image_url",
    "background_image_url",
    "description",
    "i18n",
    "capabilities",
    "knowledge",
    "voice",
    "voice_avatar",
];

fn with_known_fields<S: Serializer>(
    meta: &Map<String, Json>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let unset = KNOWN_META.into_iter().filter(|name| !meta.contains_key(*name));
    let stored = meta.iter().map(|(name, value)| (name.as_str(), value));
    serializer.collect_map(stored.chain(unset.map(|name| (name, &Json::Null))))
}

/// One model record; serialises to the `ModelRecord` shape of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelRecord {
    /// Id of the model, which providers know or which bases on one that they know.
    pub id: String,
    /// Changes with every change of the record.
    pub version_id: String,
    /// Who made the record.
    pub user_id: String,
    /// The model this one bases on; `None`: the record describes a provider's model.
    pub base_model_id: Option<String>,
    /// Display name.
    pub name: String,
    /// Parameters sent to the provider.
    pub params: Map<String, Json>,
    /// Picture, description, capabilities, …. Serialises with every field that clients know, null where it is unset.
    #[serde(serialize_with = "with_known_fields")]
    pub meta: Map<String, Json>,
    /// Who may use it.
    pub access_grants: Vec<Grant>,
    /// Whether it is offered at all.
    pub is_active: bool,
    /// When it was changed.
    pub updated_at: i64,
    /// When it was made.
    pub created_at: i64,
}

/// The content of a model record.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModelRecord {
    /// Id of the model.
    pub id: String,
    /// The model this one bases on.
    pub base_model_id: Option<String>,
    /// Display name.
    pub name: String,
    /// Parameters sent to the provider.
    pub params: Map<String, Json>,
    /// Picture, description, capabilities, ….
    pub meta: Map<String, Json>,
    /// Who may use it; `None` leaves the grants as they are.
    pub access_grants: Option<Vec<NewGrant>>,
    /// Whether it is offered at all.
    pub is_active: bool,
}

/// Records of models.
#[derive(Debug, Clone)]
pub struct ModelRecords {
    database: Database,
}

const COLUMNS: &str =
    "id, version_id, user_id, base_model_id, name, params, meta, is_active, updated_at, created_at";

impl ModelRecord {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            version_id: row.text("version_id")?,
            user_id: row.text("user_id")?,
            base_model_id: row.opt_text("base_model_id")?,
            name: row.text("name")?,
            params: row.object("params")?,
            meta: row.object("meta")?,
            access_grants: Vec::new(),
            is_active: row.boolean("is_active")?,
            updated_at: row.int("updated_at")?,
            created_at: row.int("created_at")?,
        })
    }
}

impl ModelRecords {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes a record.
    ///
    /// Errors: [`StorageError::ModelExists`], [`StorageError::Malformed`], [`StorageError::TooLarge`].
    pub async fn create(&self, user_id: &str, new: NewModelRecord) -> Result<ModelRecord> {
        let (params, meta) = checked(&new)?;
        let mut transaction = self.database.begin().await?;
        let statement = Statement::new(format!(
            "INSERT INTO models ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
             ON CONFLICT (id) DO NOTHING RETURNING {COLUMNS}"
        ))
        .bind(&new.id)
        .bind(clock::new_id())
        .bind(user_id)
        .bind(new.base_model_id)
        .bind(new.name)
        .bind(params)
        .bind(meta)
        .bind(new.is_active)
        .bind(clock::seconds());
        let row = transaction.optional(statement).await?.ok_or(StorageError::ModelExists)?;
        let mut record = ModelRecord::from_row(&row)?;
        let grants = new.access_grants.unwrap_or_default();
        record.access_grants =
            replace_grants(&mut transaction, ResourceType::Model, &new.id, &grants).await?;
        transaction.commit().await?;
        Ok(record)
    }

    /// Replaces the content of a record.
    ///
    /// Errors: [`StorageError::ModelNotFound`], [`StorageError::Malformed`], [`StorageError::TooLarge`].
    pub async fn update(&self, new: NewModelRecord) -> Result<ModelRecord> {
        let (params, meta) = checked(&new)?;
        let mut transaction = self.database.begin().await?;
        let statement = Statement::new(format!(
            "UPDATE models SET version_id = $2, base_model_id = $3, name = $4, params = $5, meta = $6, \
             is_active = $7, updated_at = $8 WHERE id = $1 RETURNING {COLUMNS}"
        ))
        .bind(&new.id)
        .bind(clock::new_id())
        .bind(new.base_model_id)
        .bind(new.name)
        .bind(params)
        .bind(meta)
        .bind(new.is_active)
        .bind(clock::seconds());
        let row = transaction.optional(statement).await?.ok_or(StorageError::ModelNotFound)?;
        let mut record = ModelRecord::from_row(&row)?;
        if let Some(grants) = &new.access_grants {
            replace_grants(&mut transaction, ResourceType::Model, &new.id, grants).await?;
        }
        transaction.commit().await?;
        record.access_grants = self.database.access_grants().list(ResourceType::Model, &record.id).await?;
        Ok(record)
    }

    /// Offers a model, or not any more.
    ///
    /// Errors: [`StorageError::ModelNotFound`].
    pub async fn toggle_active(&self, id: &str) -> Result<ModelRecord> {
        let statement = Statement::new(format!(
            "UPDATE models SET is_active = NOT is_active, updated_at = $2 WHERE id = $1 RETURNING {COLUMNS}"
        ))
        .bind(id)
        .bind(clock::seconds());
        let row = self.database.write_returning(statement).await?.ok_or(StorageError::ModelNotFound)?;
        let mut record = ModelRecord::from_row(&row)?;
        record.access_grants = self.database.access_grants().list(ResourceType::Model, id).await?;
        Ok(record)
    }

    /// The record with this id.
    pub async fn by_id(&self, id: &str) -> Result<Option<ModelRecord>> {
        let statement = Statement::new(format!("SELECT {COLUMNS} FROM models WHERE id = $1")).bind(id);
        let Some(row) = self.database.read_one(statement).await? else { return Ok(None) };
        let mut record = ModelRecord::from_row(&row)?;
        record.access_grants = self.database.access_grants().list(ResourceType::Model, id).await?;
        Ok(Some(record))
    }

    /// All records with their grants, by name; at most 2,000.
    pub async fn list(&self) -> Result<Vec<ModelRecord>> {
        let statement = Statement::new(format!("SELECT {COLUMNS} FROM models ORDER BY name, id LIMIT $1"))
            .bind(MAX_RECORDS);
        let rows = self.database.read(statement).await?;
        let mut records: Vec<ModelRecord> = rows.iter().map(ModelRecord::from_row).collect::<Result<_>>()?;
        let mut grants = self.database.access_grants().list_all(ResourceType::Model).await?;
        for record in &mut records {
            record.access_grants = grants.remove(&record.id).unwrap_or_default();
        }
        Ok(records)
    }

    /// Deletes a record with its grants; gives whether it was there.
    pub async fn delete(&self, id: &str) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let deleted =
            transaction.execute(Statement::new("DELETE FROM models WHERE id = $1").bind(id)).await?;
        replace_grants(&mut transaction, ResourceType::Model, id, &[]).await?;
        transaction.commit().await?;
        Ok(deleted > 0)
    }

    /// Ids of all active records that this user may use: his own, and those granted to him, one of his groups or
    /// everybody. One query.
    pub async fn readable_ids(&self, user_id: &str, group_ids: &[String]) -> Result<HashSet<String>> {
        let granted = readable_condition(self.database.dialect(), "models.id");
        let statement = Statement::new(format!(
            "SELECT models.id FROM models WHERE models.is_active = TRUE AND (models.user_id = $2 OR {granted}) \
             ORDER BY models.id LIMIT $5"
        ))
        .bind(ResourceType::Model.as_str())
        .bind(user_id)
        .bind(Json::from(group_ids).to_string())
        .bind(Permission::Read.as_str())
        .bind(MAX_RECORDS);
        self.database.read(statement).await?.iter().map(|row| row.text("id")).collect()
    }
}

/// Checks a record and gives the JSON of `params` and `meta`.
fn checked(new: &NewModelRecord) -> Result<(String, String)> {
    if new.id.trim().is_empty() || new.id.len() > MAX_ID_BYTES {
        return Err(StorageError::malformed("id", format!("1 to {MAX_ID_BYTES} bytes are expected")));
    }
    let text = |map: &Map<String, Json>, name: &str| {
        serde_json::to_string(map).map_err(|error| StorageError::malformed(name, error.to_string()))
    };
    let (params, meta) = (text(&new.params, "params")?, text(&new.meta, "meta")?);
    if params.len() + meta.len() > MAX_RECORD_BYTES {
        return Err(StorageError::TooLarge {
            what: "bytes of a model record",
            size: params.len() + meta.len(),
            limit: MAX_RECORD_BYTES,
        });
    }
    Ok((params, meta))
}
