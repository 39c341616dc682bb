//! The entries of the other nodes: heard one by one, or read all at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, Foreign, Mirror};
use crate::exchange::Listener;
use crate::redis::{Repeat, Result, cmd};

/// Entries that are asked for in one command.
pub(super) const PIECE: usize = 500;

/// A message of another node, or about one whose lease lapsed.
#[derive(Debug, Deserialize)]
struct Told<'a> {
    node: &'a str,
    #[serde(borrow, default)]
    put: BTreeMap<String, &'a RawValue>,
    #[serde(default)]
    gone: Vec<String>,
}

/// Hears for a mirror, without keeping it.
pub(crate) struct Ear<C>(pub(crate) Weak<Mirror<C>>);

impl<C: Content> Listener for Ear<C> {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(mirror) = self.0.upgrade() else { return };
        match serde_json::from_slice::<Told<'_>>(payload) {
            // What is said of this node by others is put right by its lease.
            Ok(told) if *told.node == **mirror.exchange.node_id() => {}
            Ok(told) => mirror.take_in(&told),
            Err(error) => tracing::debug!(channel, %error, "a message that tells of no entries was left out"),
        }
    }

    fn resumed(&self, _gap: Duration) {
        if let Some(mirror) = self.0.upgrade() {
            mirror.repair();
        }
    }
}

impl<C: Content> Mirror<C> {
    fn take_in(&self, told: &Told<'_>) {
        // Held until the entries are changed, so that a reading which ends meanwhile sees all or nothing of it.
        let mut state = self.state.lock();
        if let Some(heard) = &mut state.heard {
            heard.extend(told.put.keys().chain(&told.gone).map(|id| Arc::from(id.as_str())));
        }
        for (id, record) in &told.put {
            self.content.put(id, record.get());
        }
        for id in &told.gone {
            self.content.remove(id);
        }
    }

    /// Reads all entries. What is heard meanwhile is newer than what is read.
    pub(super) async fn read(&self) -> Result<()> {
        {
            let mut state = self.state.lock();
            state.heard = Some(HashSet::new());
            state.foreign = Foreign::Reading;
        }
        let read = self.read_pieces().await;
        let mut state = self.state.lock();
        let heard = state.heard.take().unwrap_or_default();
        let seen = match read {
            Ok(seen) => seen,
            Err(error) => {
                state.foreign = Foreign::Stale;
                return Err(error);
            }
        };
        // Unless something was missed once more meanwhile.
        if state.foreign == Foreign::Reading {
            state.foreign = Foreign::Known;
        }
        for id in self.content.foreign() {
            if !seen.contains(&id) && !heard.contains(&id) {
                self.content.remove(&id);
            }
        }
        drop(state);
        Ok(())
    }

    async fn read_pieces(&self) -> Result<HashSet<Arc<str>>> {
        let connections = self.exchange.connections()?;
        let names = self.content.names();
        let mut seen = HashSet::new();
        let mut cursor = 0_u64;
        loop {
            let scan = cmd("HSCAN").arg(names.table()).arg(cursor).arg("COUNT").arg(PIECE).take();
            let (next, entries): (u64, Vec<(String, String)>) =
                names.link(&connections).command(Repeat::Idempotent, scan).await?;
            let state = self.state.lock();
            for (id, record) in entries {
                let id: Arc<str> = id.into();
                if !state.heard.as_ref().is_some_and(|heard| heard.contains(&id)) {
                    self.content.put(&id, &record);
                }
                seen.insert(id);
            }
            drop(state);
            cursor = next;
            if cursor == 0 {
                return Ok(seen);
            }
        }
    }
}
