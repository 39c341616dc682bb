//! Which models there are for whom: the providers' lists joined with the records of administrators.
//!
//! A model without a record is for administrators alone; the local demonstration model is for everybody.

use antiphon_auth::Session;
use antiphon_provider::{Freshness, Model, Providers};
use antiphon_storage::{Database, ModelRecord, Permission, Principal, StorageError};
use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, watch};

/// A model that may be asked: what the provider calls it, and what its record adds.
#[derive(Clone, Debug)]
pub struct Askable {
    /// Id at the providers.
    pub provider_id: String,
    /// Parameters of the record, under those of the request.
    pub params: Map<String, Value>,
}

type Records = HashMap<String, ModelRecord>;

/// The models of this server.
pub struct ModelDirectory {
    database: Database,
    providers: Providers,
    /// Ids of the local model, open to everybody.
    local: Vec<String>,
    /// `BYPASS_MODEL_ACCESS_CONTROL`
    open_to_all: bool,
    /// `BYPASS_ADMIN_ACCESS_CONTROL`
    open_to_admins: bool,
    records: ArcSwapOption<Records>,
    /// Counts the changes, so that records read before one are not kept after it.
    changes: AtomicU64,
    /// Counts those that were made on this node.
    made_here: watch::Sender<u64>,
    loading: Mutex<()>,
}

impl ModelDirectory {
    /// A directory over the providers' lists and the records in SQL.
    pub fn new(
        database: Database,
        providers: Providers,
        local: Vec<String>,
        open_to_all: bool,
        open_to_admins: bool,
    ) -> Self {
        Self {
            database,
            providers,
            local,
            open_to_all,
            open_to_admins,
            records: ArcSwapOption::empty(),
            changes: AtomicU64::new(0),
            made_here: watch::channel(0).0,
            loading: Mutex::default(),
        }
    }

    /// Forgets the records and has the other nodes do so: whoever changes one in SQL calls this next.
    pub fn invalidate(&self) {
        self.forget();
        self.made_here.send_modify(|count| *count += 1);
    }

    /// Tells of changes that were made on this node.
    pub fn made_here(&self) -> watch::Receiver<u64> {
        self.made_here.subscribe()
    }

    /// Forgets the records, which another node may have changed.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.records.store(None);
    }

    /// The models that the caller may use, in the shape of `/api/models`.
    pub async fn visible(&self, session: &Session, freshness: Freshness) -> Result<Vec<Value>, StorageError> {
        let records = self.records().await?;
        let listed = self.providers.models(freshness).await;
        let mut models = Vec::with_capacity(listed.models.len());
        for model in listed.models.iter() {
            let record = records.get(&model.id);
            if record.is_some_and(|record| !record.is_active) || !self.may_use(session, &model.id, record) {
                continue;
            }
            models.push(entry(model, record));
        }
        // Records with a base are models of their own.
        let mut derived: Vec<&ModelRecord> =
            records.values().filter(|record| record.base_model_id.is_some()).collect();
        derived.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        for record in derived {
            let base = record
                .base_model_id
                .as_deref()
                .and_then(|base| listed.models.iter().find(|model| model.id == base));
            if let Some(base) = base
                && record.is_active
                && self.may_use(session, &record.id, Some(record))
            {
                models.push(derived_entry(base, record));
            }
        }
        Ok(models)
    }

    /// The model with this id, if it exists and the caller may use it.
    pub async fn askable(&self, session: &Session, id: &str) -> Result<Option<Askable>, StorageError> {
        let records = self.records().await?;
        let record = records.get(id);
        if record.is_some_and(|record| !record.is_active) || !self.may_use(session, id, record) {
            return Ok(None);
        }
        let provider_id = record.and_then(|record| record.base_model_id.as_deref()).unwrap_or(id);
        if self.providers.model(provider_id).is_none() {
            // Nobody has listed the models since the start, or the list is old.
            let listed = self.providers.models(Freshness::Cached).await;
            if !listed.models.iter().any(|model| model.id == provider_id) {
                return Ok(None);
            }
        }
        let params = record.map(|record| record.params.clone()).unwrap_or_default();
        Ok(Some(Askable { provider_id: provider_id.to_owned(), params }))
    }

    fn may_use(&self, session: &Session, id: &str, record: Option<&ModelRecord>) -> bool {
        if self.open_to_all || self.local.iter().any(|local| local == id) {
            return true;
        }
        if session.identity.is_admin() && (self.open_to_admins || record.is_none()) {
            return true;
        }
        record.is_some_and(|record| {
            record.user_id == session.user_id()
                || record.access_grants.iter().any(|grant| {
                    grant.principal_type == Principal::User
                        && matches!(grant.permission, Permission::Read | Permission::Write)
                        && (grant.principal_id == "*" || grant.principal_id == session.user_id())
                })
        })
    }

    async fn records(&self) -> Result<Arc<Records>, StorageError> {
        if let Some(records) = self.records.load_full() {
            return Ok(records);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(records) = self.records.load_full() {
            return Ok(records);
        }
        let before = self.changes.load(Ordering::SeqCst);
        let records = self.database.models().list().await?;
        let records: Arc<Records> =
            Arc::new(records.into_iter().map(|record| (record.id.clone(), record)).collect());
        self.records.store(Some(records.clone()));
        if self.changes.load(Ordering::SeqCst) != before {
            // Changed while they were read: good enough for this request, but not for the next.
            self.records.store(None);
        }
        Ok(records)
    }
}

fn entry(model: &Model, record: Option<&ModelRecord>) -> Value {
    let mut entry = json!(model);
    entry["actions"] = json!([]);
    entry["filters"] = json!([]);
    if let Some(record) = record {
        entry["name"] = json!(record.name);
        entry["info"] = info(record);
    }
    entry
}

fn derived_entry(base: &Model, record: &ModelRecord) -> Value {
    json!({
        "id": record.id, "object": "model", "created": record.created_at, "owned_by": base.owned_by,
        "connection_type": base.connection_type, "name": record.name, "preset": true, "info": info(record),
        "actions": [], "filters": [], "tags": record.meta.get("tags").cloned().unwrap_or_else(|| json!([])),
    })
}

/// The record as `/api/models` shows it: without its picture, which has an address of its own.
fn info(record: &ModelRecord) -> Value {
    let mut info = json!(record);
    if let Some(meta) = info["meta"].as_object_mut() {
        meta.remove("profile_image_url");
    }
    info
}
