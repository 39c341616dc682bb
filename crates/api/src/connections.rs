//! Which model services are connected, after the settings.

use crate::settings::SettingsStore;
use antiphon_config::Connection as Configured;
use antiphon_provider::{Connection, ConnectionConfig, Providers};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The address at which an Ollama server is looked for when none is configured.
const DEFAULT_OLLAMA: &str = "http://localhost:11434";

/// Longest time that look may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps the connections of the providers in step with the settings.
#[derive(Clone)]
pub struct Connections {
    providers: Providers,
    /// The local model, offered while nothing else is configured.
    local: Option<Connection>,
    /// One change at a time, so that the last one to be made is the one in force.
    applying: Arc<Mutex<()>>,
}

impl Connections {
    /// Connections of `providers`, with `local` to fall back on.
    pub fn new(providers: Providers, local: Option<Connection>) -> Self {
        Self { providers, local, applying: Arc::default() }
    }

    /// Takes over the connections of the settings as they are now; says how many there are, the local model included.
    pub async fn apply(&self, settings: &SettingsStore) -> usize {
        let _one_at_a_time = self.applying.lock().await;
        let settings = settings.current();
        let mut connections: Vec<Connection> = settings
            .openai
            .connections()
            .into_iter()
            .map(|configured| {
                let key = configured.key.map(|key| key.reveal().to_owned()).unwrap_or_default();
                Connection::openai(configured.index, configured.url, key, config(&configured))
            })
            .collect();
        for configured in settings.ollama.connections() {
            let config = config(&configured);
            let key = configured.config.and_then(|config| config["key"].as_str()).unwrap_or_default();
            let connection = Connection::ollama(configured.index, configured.url, key, config);
            // The default address stands for "if there is one": a missing server there is no fault.
            if configured.url != DEFAULT_OLLAMA || self.answers(&connection).await {
                connections.push(connection);
            }
        }
        if connections.is_empty() {
            connections.extend(self.local.clone());
        }
        let count = connections.len();
        self.providers.replace(connections);
        count
    }

    async fn answers(&self, connection: &Connection) -> bool {
        tokio::time::timeout(PROBE_TIMEOUT, self.providers.verify(connection))
            .await
            .is_ok_and(|result| result.is_ok())
    }
}

/// The stored settings of a connection; what cannot be read counts as not set.
fn config(configured: &Configured<'_>) -> ConnectionConfig {
    let Some(stored) = configured.config else { return ConnectionConfig::default() };
    ConnectionConfig::deserialize(stored).unwrap_or_else(|error| {
        tracing::warn!(
            index = configured.index, %error,
            "the settings of a connection were not understood and are not used; save the connection again in the admin page"
        );
        ConnectionConfig::default()
    })
}
