//! The node's way to Redis, as handlers see it: they look at it, the server owns it and ends it.

use antiphon_state::redis::Connections;
use std::sync::{Arc, Weak};

/// A look at the links to Redis. It keeps nothing open: when the server ends the links, they end.
#[derive(Clone, Debug, Default)]
pub struct RedisLinks(Option<Weak<Connections>>);

impl RedisLinks {
    /// A look at these links.
    pub fn of(connections: &Arc<Connections>) -> Self {
        Self(Some(Arc::downgrade(connections)))
    }

    /// What there is to look at; nothing without Redis, and nothing after the links have been ended.
    pub(crate) fn look(&self) -> Option<Arc<Connections>> {
        self.0.as_ref()?.upgrade()
    }

    /// Why this node cannot work with others, if so: the link, what is wrong with it, and what to do, without secrets.
    pub(crate) fn fault(&self) -> Option<String> {
        let links = self.0.as_ref()?;
        let Some(connections) = links.upgrade() else {
            return Some(
                "The links to Redis have been ended, because this node is shutting down.".to_owned(),
            );
        };
        connections.status().links.into_iter().find_map(|link| {
            let fault = link.fault?;
            let remedy = link.remedy.unwrap_or_default();
            Some(format!("Redis, link {}: {fault}. {remedy}", link.name))
        })
    }
}
