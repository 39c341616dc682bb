//! A node that runs in the test process.

use super::{Place, Site};
use antiphon::Node;
use antiphon_config::{Environment, load};
use std::ops::Deref;

/// A running node and how to reach it. Stop it with [`NodeUnderTest::stop`]; a panic stops it with the runtime.
pub(crate) struct NodeUnderTest {
    node: Node,
    site: Site,
}

impl NodeUnderTest {
    /// Starts a node that looks for no provider and listens on a free port of this machine alone.
    pub(super) async fn start(place: &Place, variables: &[(&str, &str)]) -> Self {
        let mut all = place.variables();
        for (name, value) in [
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("ENABLE_LOCAL_MODEL", "false"),
            ("ENABLE_OLLAMA_API", "false"),
            ("ENABLE_OPENAI_API", "false"),
        ]
        .iter()
        .chain(variables)
        {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let config = load(&Environment::from_pairs(all)).expect("a configuration").config;
        let node = Node::start(config).await.expect("the node starts");
        let site = Site::new(format!("http://{}", node.address()));
        Self { node, site }
    }

    /// Stops the node as a signal would.
    pub(crate) async fn stop(self) {
        self.node.shut_down().await;
    }
}

impl Deref for NodeUnderTest {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
