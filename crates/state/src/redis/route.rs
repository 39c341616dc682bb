//! The way of a request: to the one master, or in a cluster to the owner of its slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::sentinel::Sentinels;
use super::slot::Slot;
use super::supervisor::{Destination, Supervisor};

/// The way of a request.
#[derive(Debug)]
pub(crate) enum Route {
    /// One server, fixed or named by Sentinels.
    Single(Single),
    /// A cluster.
    Cluster(Arc<Cluster>),
}

/// Who says where the one master is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The configuration.
    Fixed(Arc<watch::Sender<Destination>>),
    /// Sentinels.
    Sentinels(Arc<Sentinels>),
}

impl Source {
    /// Always the same server.
    pub(crate) fn fixed(endpoint: Endpoint) -> Self {
        Self::Fixed(Arc::new(watch::channel(Ok(endpoint)).0))
    }

    pub(crate) fn destinations(&self) -> watch::Receiver<Destination> {
        match self {
            Self::Fixed(sender) => sender.subscribe(),
            Self::Sentinels(sentinels) => sentinels.destinations(),
        }
    }
}

/// The one master.
#[derive(Debug)]
pub(crate) struct Single {
    pub(crate) supervisor: Arc<Supervisor>,
    /// Whoever says where it is, held so that it goes on.
    pub(crate) _source: Source,
}

impl Route {
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Who serves a slot; for requests without keys anybody, preferably the owner of `near`.
    pub(crate) async fn owner(
        &self,
        slot: Option<Slot>,
        near: Option<Slot>,
        deadline: Instant,
    ) -> Result<Arc<Supervisor>> {
        match self {
            Self::Single(single) => Ok(single.supervisor.clone()),
            Self::Cluster(cluster) => cluster.owner(slot, near, deadline).await,
        }
    }

    /// The server that a redirection names. Only a cluster has redirections.
    pub(crate) fn node(&self, endpoint: &Endpoint) -> Result<Arc<Supervisor>> {
        match self {
            Self::Single(single) => Ok(single.supervisor.clone()),
            Self::Cluster(cluster) => cluster.node(endpoint),
        }
    }

    /// Has the slots of a cluster looked up again, soon.
    pub(crate) fn refresh(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.refresh();
        }
    }

    /// Why not everything is served, if so.
    pub(crate) fn fault(&self) -> Option<RedisError> {
        match self {
            Self::Single(single) => single.supervisor.fault(),
            Self::Cluster(cluster) => cluster.fault(),
        }
    }

    /// The supervisors of all masters.
    pub(crate) fn masters(&self) -> Vec<Arc<Supervisor>> {
        match self {
            Self::Single(single) => vec![single.supervisor.clone()],
            Self::Cluster(cluster) => cluster.masters(),
        }
    }

    /// How many connections this keeps to each server.
    pub(crate) fn expected(&self) -> BTreeMap<Endpoint, usize> {
        match self {
            Self::Single(single) => {
                single.supervisor.destination().map(|endpoint| (endpoint, 1)).into_iter().collect()
            }
            Self::Cluster(cluster) => cluster.expected(),
        }
    }
}
