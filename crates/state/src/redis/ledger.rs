//! Counts the open connections to each server, so that the constant of the design can be checked and exported.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::endpoint::Endpoint;

/// The open connections of a node, by server. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    open: Arc<Mutex<BTreeMap<Endpoint, usize>>>,
}

impl Ledger {
    /// Counts one connection until the ticket is dropped.
    pub(crate) fn ticket(&self, endpoint: &Endpoint) -> Ticket {
        *self.open.lock().entry(endpoint.clone()).or_default() += 1;
        Ticket { ledger: self.clone(), endpoint: endpoint.clone() }
    }

    /// The servers with open connections, and how many.
    pub(crate) fn counts(&self) -> BTreeMap<Endpoint, usize> {
        self.open.lock().clone()
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Ledger,
    endpoint: Endpoint,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.ledger.open.lock();
        if let Some(count) = open.get_mut(&self.endpoint) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.endpoint);
            }
        }
    }
}
