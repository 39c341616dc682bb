//! The settings as operators look for them in Redis. Nobody reads them from there: SQL is the truth.

use std::time::Duration;

use antiphon_config::Settings;

use crate::exchange::Exchange;
use crate::redis::{Batch, Repeat, cmd};

/// How often each node writes them again.
pub const RENEWAL: Duration = Duration::from_mins(10);

/// How long they stay without a node, in seconds.
const LIFETIME: u64 = 3600;

/// Parts of the names of settings that hold keys of services.
const SECRET: [&str; 5] = ["api_key", "api_configs", "secret", "password", "token"];

/// Writes `{prefix}:config:{key}`: strings of JSON, one for each setting that is no secret, for an hour.
pub async fn write(exchange: &Exchange, settings: &Settings) {
    let rows = settings.rows().into_iter().filter(|(key, _)| !SECRET.iter().any(|part| key.contains(part)));
    let mut batch = Batch::new();
    for (key, value) in rows {
        let key = exchange.key(&format!("config:{key}"));
        batch = batch.with(cmd("SET").arg(key).arg(value.to_string()).arg("EX").arg(LIFETIME).take());
    }
    let Ok(connections) = exchange.connections() else { return };
    let written = connections.main().batch::<Vec<String>>(Repeat::Idempotent, batch).await;
    if let Err(error) = written {
        tracing::debug!(%error, "the settings could not be written to Redis, where operators look for them");
    }
}
