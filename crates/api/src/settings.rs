//! Persistent settings: SQL holds them, memory serves them.

use antiphon_config::settings::forms::Form;
use antiphon_config::settings::oauth;
use antiphon_config::{Persistence, SettingError, Settings};
use antiphon_state::SettingsHandle;
use antiphon_storage::{Database, StorageError};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Why settings could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value does not fit its setting.
    #[error(transparent)]
    Value(#[from] SettingError),
    /// They could not be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The settings of the server. Reads cost nothing; a change is in SQL before it is in force.
#[derive(Clone)]
pub struct SettingsStore {
    database: Database,
    handle: SettingsHandle,
    /// One change at a time, so that none is lost.
    changing: Arc<Mutex<()>>,
    /// With `ENABLE_PERSISTENT_CONFIG=false` changes live in this process alone; with `ENABLE_OAUTH_PERSISTENT_CONFIG=false` the settings
    /// of sign-in through a provider are those of the environment.
    persistence: Persistence,
}

impl SettingsStore {
    /// A store over what `handle` holds.
    pub fn new(database: Database, handle: SettingsHandle, persistence: Persistence) -> Self {
        Self { database, handle, changing: Arc::default(), persistence }
    }

    /// Takes over what SQL holds; what it lacks is written there from the environment's seed.
    pub async fn load(&self) -> Result<(), SettingsError> {
        if !self.persistence.enabled {
            return Ok(());
        }
        let _one_at_a_time = self.changing.lock().await;
        let stored = self.database.settings().all().await?;
        let mut settings = Settings::clone(&self.current());
        for (key, value) in stored.values.iter().filter(|(key, _)| self.stores(key)) {
            match settings.apply(key, value) {
                // A key of another version stays in SQL, unused.
                Ok(()) | Err(SettingError::Unknown { .. }) => {}
                Err(error) => tracing::warn!(
                    key,
                    %error,
                    "a stored setting does not fit; the value of the environment is used. Save it again in the admin page"
                ),
            }
        }
        let rows = settings.rows().into_iter();
        let rows = rows.filter(|(key, _)| self.stores(key) && !stored.values.contains_key(*key));
        let missing: Vec<(String, Value)> = rows.map(|(key, value)| (key.to_owned(), value)).collect();
        let version = if missing.is_empty() {
            stored.version
        } else {
            self.database.settings().put_many(&missing).await?
        };
        self.take(settings, version);
        Ok(())
    }

    /// The settings as they are now.
    pub fn current(&self) -> Arc<Settings> {
        self.handle.current()
    }

    /// Where the settings are read from.
    pub fn handle(&self) -> &SettingsHandle {
        &self.handle
    }

    /// Changes settings by a filled form: all of them, or none when a value does not fit or SQL is away.
    pub async fn fill_in(&self, form: Form, filled: &Value) -> Result<Arc<Settings>, SettingsError> {
        self.change(|settings| form.apply(settings, filled)).await
    }

    /// Changes one setting.
    pub async fn set(&self, key: &'static str, value: Value) -> Result<Arc<Settings>, SettingsError> {
        self.change(|settings| settings.apply(key, &value).map(|()| vec![(key, value)])).await
    }

    async fn change(
        &self,
        edit: impl FnOnce(&mut Settings) -> Result<Vec<(&'static str, Value)>, SettingError> + Send,
    ) -> Result<Arc<Settings>, SettingsError> {
        let _one_at_a_time = self.changing.lock().await;
        let mut settings = Settings::clone(&self.current());
        let rows: Vec<(String, Value)> =
            edit(&mut settings)?.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if rows.is_empty() {
            return Ok(self.current());
        }
        let version =
            if self.persistence.enabled { self.database.settings().put_many(&rows).await? } else { 0 };
        self.take(settings, version);
        Ok(self.current())
    }

    /// Whether SQL holds the setting of this key.
    fn stores(&self, key: &str) -> bool {
        self.persistence.oauth || !key.starts_with(oauth::PREFIX)
    }

    fn take(&self, settings: Settings, version: i64) {
        // Without SQL, or with nothing stored in it yet, this process counts by itself.
        let version = u64::try_from(version).unwrap_or_default().max(self.handle.version() + 1);
        self.handle.replace(settings, version);
    }
}
