//! Settings that administrators change while the server runs.
//!
//! The environment seeds them at the first start; afterwards SQL holds them, one row a key, and wins
//! (`ENABLE_PERSISTENT_CONFIG`). The keys are those of the reference server.

pub mod connections;
pub(crate) mod features;
pub mod forms;
pub(crate) mod general;
pub(crate) mod models;
pub mod oauth;
pub mod oauth_form;
pub(crate) mod permissions;
pub(crate) mod tasks;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::SettingError;
use crate::registry::{Entry, Reader};
use connections::{Ollama, OpenAi};
use features::FeatureSettings;
use general::{Interface, SignIn};
use models::Models;
use oauth::OAuthSettings;
use permissions::Permissions;
use tasks::Tasks;

/// A group of settings, with access by key.
pub(crate) trait Group {
    /// The value of a setting as JSON; `None` when the group has no such key.
    fn get(&self, key: &str) -> Option<Value>;
    /// Changes a setting; `None` when the group has no such key.
    fn apply(&mut self, key: &str, value: &Value) -> Option<Result<(), SettingError>>;
    /// The keys of the group.
    fn keys() -> Vec<&'static str>
    where
        Self: Sized;
}

/// Reads a JSON value into a setting. The setting is unchanged when the value does not fit.
pub(crate) fn store<T: DeserializeOwned + Serialize>(
    key: &'static str,
    value: &Value,
    place: &mut T,
) -> Result<(), SettingError> {
    match T::deserialize(value) {
        Ok(value) => {
            *place = value;
            Ok(())
        }
        Err(error) => Err(SettingError::Invalid { key, reason: without_the_value(&error) }),
    }
}

/// serde's words for a misfit quote the value, which may be a secret: only what was expected is kept.
fn without_the_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find("expected ") {
        Some(at) => text[at..].to_owned(),
        None if text.starts_with("it must be") || text.starts_with("missing field") => text,
        None => "it has another type".to_owned(),
    }
}

/// Every persistent setting.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sign-up, sign-in and API keys.
    pub sign_in: SignIn,
    /// What the page shows.
    pub interface: Interface,
    /// Sign-in through an OpenID Connect provider.
    pub oauth: OAuthSettings,
    /// Which parts of the product are on.
    pub features: FeatureSettings,
    /// Small jobs that a model does beside the answer.
    pub tasks: Tasks,
    /// Services that speak the OpenAI protocol.
    pub openai: OpenAi,
    /// Ollama servers.
    pub ollama: Ollama,
    /// Defaults of models.
    pub models: Models,
    /// What users may do who are not administrators.
    pub permissions: Permissions,
}

impl Settings {
    /// The value of a setting as it is stored, secrets included; `None` when there is no such key.
    pub fn get(&self, key: &str) -> Option<Value> {
        if key == permissions::KEY {
            return serde_json::to_value(self.permissions).ok();
        }
        self.groups().into_iter().find_map(|group| group.get(key))
    }

    /// Changes a setting, for example to a value read from SQL. After an error the setting is as before.
    pub fn apply(&mut self, key: &str, value: &Value) -> Result<(), SettingError> {
        if key == permissions::KEY {
            return store(permissions::KEY, value, &mut self.permissions);
        }
        self.groups_mut()
            .into_iter()
            .find_map(|group| group.apply(key, value))
            .unwrap_or_else(|| Err(SettingError::Unknown { key: key.to_owned() }))
    }

    /// Every key.
    pub fn keys() -> Vec<&'static str> {
        [
            SignIn::keys(),
            OAuthSettings::keys(),
            Interface::keys(),
            FeatureSettings::keys(),
            Tasks::keys(),
            OpenAi::keys(),
            Ollama::keys(),
            Models::keys(),
            vec![permissions::KEY],
        ]
        .concat()
    }

    /// Every key with its value, as it is stored.
    pub fn rows(&self) -> Vec<(&'static str, Value)> {
        Self::keys().into_iter().filter_map(|key| self.get(key).map(|value| (key, value))).collect()
    }

    fn groups(&self) -> [&dyn Group; 8] {
        [
            &self.sign_in,
            &self.oauth,
            &self.interface,
            &self.features,
            &self.tasks,
            &self.openai,
            &self.ollama,
            &self.models,
        ]
    }

    fn groups_mut(&mut self) -> [&mut dyn Group; 8] {
        [
            &mut self.sign_in,
            &mut self.oauth,
            &mut self.interface,
            &mut self.features,
            &mut self.tasks,
            &mut self.openai,
            &mut self.ollama,
            &mut self.models,
        ]
    }

    pub(crate) fn entries() -> Vec<Entry> {
        [
            SignIn::entries(),
            OAuthSettings::entries(),
            Interface::entries(),
            FeatureSettings::entries(),
            Tasks::entries(),
            OpenAi::entries(),
            Ollama::entries(),
            Models::entries(),
            Permissions::entries(),
        ]
        .concat()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let sign_in = SignIn::read(reader);
        let oauth = OAuthSettings::read(reader);
        let interface = Interface::read(reader);
        let features = FeatureSettings::read(reader);
        let tasks = Tasks::read(reader);
        let openai = OpenAi::read(reader);
        let ollama = Ollama::read(reader);
        let models = Models::read(reader);
        let permissions = Permissions::read(reader);
        Some(Self {
            sign_in: sign_in?,
            oauth: oauth?,
            interface: interface?,
            features: features?,
            tasks: tasks?,
            openai: openai?,
            ollama: ollama?,
            models: models?,
            permissions: permissions?,
        })
    }
}
