//! What a mirror is of: its names in Redis, its entries in memory, and the scripts that write it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::exchange::Exchange;
use crate::redis::{Connections, Redis, Result};

/// The names of a table.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    table: String,
    owned: String,
    kind: &'static str,
    channel: String,
    main: bool,
}

impl Names {
    /// `{prefix}:{table}`, `{prefix}:antiphon:node:{node}:{kind}` and the channel `{prefix}:antiphon:{channel}`, at the servers
    /// of the sockets.
    pub(crate) fn at_sockets(exchange: &Exchange, table: &str, kind: &'static str, channel: &str) -> Self {
        Self {
            table: exchange.socket_key(table),
            owned: exchange.socket_key("antiphon:node"),
            kind,
            channel: exchange.channel(&format!("antiphon:{channel}")),
            main: false,
        }
    }

    /// The same at the main servers; the channel is at those of the sockets, where the subscription is.
    pub(crate) fn at_main(exchange: &Exchange, table: &str, kind: &'static str, channel: &str) -> Self {
        Self {
            table: exchange.key(table),
            owned: exchange.key("antiphon:node"),
            main: true,
            ..Self::at_sockets(exchange, table, kind, channel)
        }
    }

    /// The hash of all entries.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The set of the entries of a node.
    pub(crate) fn owned_by(&self, node: &str) -> String {
        format!("{}:{node}:{}", self.owned, self.kind)
    }

    /// Where changes are told.
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    /// The servers of the keys.
    pub(crate) fn link<'a>(&self, connections: &'a Connections) -> &'a Redis {
        if self.main { connections.main() } else { connections.sockets() }
    }
}

/// Changes that are written at once.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Entries with their records.
    pub(crate) put: Vec<(Arc<str>, Box<RawValue>)>,
    /// Entries that went.
    pub(crate) gone: Vec<Arc<str>>,
    /// Whether the others are told, for each of `put`.
    tell: Vec<bool>,
    bytes: usize,
}

/// What the others are told. Channel of the table, JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    node: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    put: BTreeMap<&'a str, &'a RawValue>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gone: &'a [Arc<str>],
}

impl Changes {
    pub(super) fn add(&mut self, id: &Arc<str>, record: Option<Box<RawValue>>, tell: bool) {
        match record {
            Some(record) => {
                self.bytes += record.get().len();
                self.put.push((id.clone(), record));
                self.tell.push(tell);
            }
            None => self.gone.push(id.clone()),
        }
    }

    /// Bytes of the records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The message for the others; empty when nothing of it concerns them.
    pub(crate) fn message(&self, node: &str) -> Vec<u8> {
        let told = self.put.iter().zip(&self.tell).filter(|(_, tell)| **tell);
        let put: BTreeMap<&str, &RawValue> = told.map(|((id, record), _)| (&**id, &**record)).collect();
        if put.is_empty() && self.gone.is_empty() {
            return Vec::new();
        }
        serde_json::to_vec(&Told { node, put, gone: &self.gone }).unwrap_or_default()
    }
}

/// The entries of a table in memory, own and foreign. The methods without `Future` must not wait.
pub(crate) trait Content: Send + Sync + 'static {
    fn names(&self) -> &Names;
    /// The ids of the own entries.
    fn own(&self) -> Vec<Arc<str>>;
    /// The ids of the foreign entries.
    fn foreign(&self) -> Vec<Arc<str>>;
    /// How many entries are own, and how many foreign.
    fn counts(&self) -> (usize, usize);
    /// The record of an own entry; `None` when there is none.
    fn record(&self, id: &str) -> Option<Box<RawValue>>;
    /// Takes in a foreign entry. Own entries and records that are none are left out.
    fn put(&self, id: &str, record: &str);
    /// Takes out a foreign entry. Own entries stay.
    fn remove(&self, id: &str);
    /// Own entries with a change of which nobody is told, since the last call.
    fn touched(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
    /// Writes own entries and tells the others. True when the lease was not there, so that more may have been lost.
    fn write(&self, changes: &Changes) -> impl Future<Output = Result<bool>> + Send;
    /// Removes a portion of the entries of a node; true when nothing is left.
    fn clean(&self, node: &str, own: bool) -> impl Future<Output = Result<bool>> + Send;
}
