//! The way of a request: to the one master, or in a cluster to the owner of its slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::slot::Slot;
use super::supervisor::{Destination, Supervisor};

/// The way of a request.
#[derive(Debug)]
pub(crate) enum Route {
    /// One server, fixed or named by Sentinels.
    Single(Single),
}

/// The one master.
#[derive(Debug)]
pub(crate) struct Single {
    pub(crate) supervisor: Arc<Supervisor>,
    /// Held so that a fixed destination stays; Sentinels hold their own.
    pub(crate) _destination: Option<watch::Sender<Destination>>,
}

impl Route {
    pub(crate) fn is_cluster(&self) -> bool {
        match self {
            Self::Single(_) => false,
        }
    }

    /// Who serves a slot; for requests without keys anybody.
    pub(crate) async fn owner(&self, _slot: Option<Slot>, _deadline: Instant) -> Result<Arc<Supervisor>> {
        match self {
            Self::Single(single) => Ok(single.supervisor.clone()),
        }
    }

    /// The server that a redirection names.
    pub(crate) fn node(&self, _endpoint: &Endpoint) -> Result<Arc<Supervisor>> {
        match self {
            Self::Single(_) => Err(RedisError::CrossSlot),
        }
    }

    /// Has the slots of a cluster looked up again, soon.
    pub(crate) fn refresh(&self) {
        match self {
            Self::Single(_) => {}
        }
    }

    /// Why not everything is served, if so.
    pub(crate) fn fault(&self) -> Option<RedisError> {
        match self {
            Self::Single(single) => single.supervisor.fault(),
        }
    }

    /// The supervisors of all masters.
    pub(crate) fn masters(&self) -> Vec<Arc<Supervisor>> {
        match self {
            Self::Single(single) => vec![single.supervisor.clone()],
        }
    }

    /// How many connections this keeps to each server.
    pub(crate) fn expected(&self) -> BTreeMap<Endpoint, usize> {
        let mut expected = BTreeMap::new();
        for endpoint in self.masters().iter().filter_map(|master| master.destination()) {
            *expected.entry(endpoint).or_default() += 1;
        }
        expected
    }
}
