//! The node's way to Redis, as handlers see it: they look at it, the server owns it and ends it.

use antiphon_state::redis::Connections;
use parking_lot::RwLock;
use std::sync::{Arc, Weak};

/// A look at the links to Redis. It keeps nothing open: when the server ends the links, they end.
#[derive(Clone, Debug, Default)]
pub struct RedisLinks {
    links: Option<Weak<Connections>>,
    /// Why this node must not work with the others there, although it reaches Redis.
    stranger: Arc<RwLock<Option<String>>>,
}

impl RedisLinks {
    /// A look at these links.
    pub fn of(connections: &Arc<Connections>) -> Self {
        Self { links: Some(Arc::downgrade(connections)), stranger: Arc::default() }
    }

    /// Says, or takes back, why this node does not belong to the fleet at this Redis.
    pub fn set_stranger(&self, reason: Option<String>) {
        *self.stranger.write() = reason;
    }

    /// What there is to look at; nothing without Redis, and nothing after the links have been ended.
    pub(crate) fn look(&self) -> Option<Arc<Connections>> {
        self.links.as_ref()?.upgrade()
    }

    /// Why this node cannot work with others, if so: the link, what is wrong with it, and what to do, without secrets.
    pub(crate) fn fault(&self) -> Option<String> {
        let links = self.links.as_ref()?;
        let Some(connections) = links.upgrade() else {
            return Some(
                "The links to Redis have been ended, because this node is shutting down.".to_owned(),
            );
        };
        let broken = connections.status().links.into_iter().find_map(|link| {
            let fault = link.fault?;
            let remedy = link.remedy.unwrap_or_default();
            Some(format!("Redis, link {}: {fault}. {remedy}", link.name))
        });
        broken.or_else(|| self.stranger.read().clone())
    }
}
