//! Two nodes that share Redis and a database are one server.

mod changes;
mod polls;
mod presence;
mod suite;
mod tasks;

use crate::support::{Account, Site};
use antiphon_cluster::{Fleet, Kind, Node, Rig};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Bound of everything that is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// So many nodes at a rig.
pub(crate) async fn fleet_at(rig: &Rig, count: usize, further: &[(&str, &str)]) -> Fleet {
    fleet_with(rig.variables(), count, further).await
}

/// So many nodes with these variables.
async fn fleet_with(variables: Vec<(&'static str, String)>, count: usize, further: &[(&str, &str)]) -> Fleet {
    let usual = [
        ("ENABLE_OPENAI_API", "false"),
        ("BYPASS_MODEL_ACCESS_CONTROL", "true"),
        ("ENABLE_CHANNELS", "true"),
        ("GLOBAL_LOG_LEVEL", "DEBUG"),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
    let further = usual.iter().chain(further).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let fleet = Fleet::start(Path::new(env!("CARGO_BIN_EXE_antiphon")), count, variables.chain(further))
        .await
        .expect("nodes");
    fleet.wait_ready(LIMIT).await.expect("ready");
    fleet
}

/// The same session at another node.
pub(crate) fn at(node: &Node, account: &Account) -> Account {
    let session = json!({ "token": account.token, "id": account.id, "email": account.email });
    Site::at(node.url()).account(session)
}

pub(crate) async fn rig(kind: Kind) -> Rig {
    Rig::start(kind, false).await.expect("a rig")
}
