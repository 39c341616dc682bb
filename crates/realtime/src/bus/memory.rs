//! The bus inside one process.

use futures_util::future::BoxFuture;
use parking_lot::RwLock;

use super::{Bus, BusError, BusMessage, NodeInbox, Reach};

/// Joins the nodes that share one instance of it; with a single node it does nothing.
#[derive(Default)]
pub struct MemoryBus {
    nodes: RwLock<Vec<NodeInbox>>,
}

impl MemoryBus {
    /// A bus without nodes; each [`crate::Realtime`] made with it joins.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Bus for MemoryBus {
    fn attach(&self, inbox: NodeInbox) {
        let mut nodes = self.nodes.write();
        nodes.retain(NodeInbox::is_alive);
        nodes.push(inbox);
    }

    fn has_peers(&self) -> bool {
        self.nodes.read().len() > 1
    }

    fn publish(&self, message: BusMessage) -> BoxFuture<'_, Result<Reach, BusError>> {
        // A copy, so that no lock is held while a node acts: it may publish in turn.
        let nodes = self.nodes.read().clone();
        let mut reach = Reach::Nobody;
        for node in nodes.iter().filter(|node| node.is_alive()) {
            if Some(node.host_id()) != message.host_id() {
                reach = Reach::Somebody;
            }
            node.deliver(message.clone());
        }
        Box::pin(std::future::ready(Ok(reach)))
    }
}
