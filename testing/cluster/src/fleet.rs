//! Several nodes of Antiphon that share a database and Redis.

use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::node::Node;
use crate::ports;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a node is started because another process took its port.
const ATTEMPTS: usize = 5;

/// Nodes with the same variables. Dropping it ends them, frozen ones too, and removes their data.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<Node>,
    program: PathBuf,
    variables: Vec<(String, String)>,
    /// How many nodes it has started, so that each has a name and a folder of its own.
    started: AtomicUsize,
    ground: Arc<Ground>,
}

impl Fleet {
    /// Starts so many nodes of the program, all at once, and waits until they say where they listen; they need not be ready then.
    ///
    /// `variables` is all of their environment but for these, which it may override: each node has a port that the system
    /// chooses and a `DATA_DIR` of its own; they share an SQLite file (`DATABASE_URL`) and a `WEBUI_SECRET_KEY`; the local
    /// model and Ollama are off.
    pub async fn start<Name, Value>(
        program: &Path,
        count: usize,
        variables: impl IntoIterator<Item = (Name, Value)>,
    ) -> Result<Self>
    where
        Name: Into<String>,
        Value: Into<String>,
    {
        let program = std::path::absolute(program).map_err(Error::file(program))?;
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let ground = Arc::new(Ground::new()?);
        let mut fleet = Self { nodes: Vec::new(), program, variables, started: AtomicUsize::new(0), ground };
        // All at once; then one that found its port taken by another process is started anew.
        for port in ports::free(count)? {
            let node = fleet.spawn(port, &[])?;
            fleet.nodes.push(node);
        }
        for index in 0..count {
            match fleet.nodes[index].wait_listening().await {
                Err(Error::PortTaken { .. }) => fleet.nodes[index] = fleet.spawn_listening(&[]).await?,
                listens => listens?,
            }
        }
        Ok(fleet)
    }

    /// Starts one more node, with further variables of its own.
    pub async fn add(&mut self, variables: &[(&str, &str)]) -> Result<&Node> {
        let node = self.spawn_listening(variables).await?;
        self.nodes.push(node);
        Ok(&self.nodes[self.nodes.len() - 1])
    }

    async fn spawn_listening(&self, variables: &[(&str, &str)]) -> Result<Node> {
        for _ in 1..ATTEMPTS {
            let node = self.spawn(ports::free(1)?[0], variables)?;
            match node.wait_listening().await {
                Err(Error::PortTaken { .. }) => {}
                listens => return listens.map(|()| node),
            }
        }
        let node = self.spawn(ports::free(1)?[0], variables)?;
        node.wait_listening().await.map(|()| node)
    }

    fn spawn(&self, port: u16, variables: &[(&str, &str)]) -> Result<Node> {
        let own = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let all: Vec<(String, String)> = self.variables.iter().cloned().chain(own).collect();
        let name = format!("node-{}", self.started.fetch_add(1, Ordering::Relaxed));
        Node::start(&self.ground, &name, port, self.program.clone(), &all)
    }

    /// The nodes, in the order of their start.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The ports of the nodes, for a [`Balancer`](crate::Balancer).
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// Waits until all nodes take requests.
    pub async fn wait_ready(&self, limit: Duration) -> Result<()> {
        for node in &self.nodes {
            node.wait_ready(limit).await?;
        }
        Ok(())
    }

    /// The folder of the fleet, gone when it is dropped.
    pub fn folder(&self) -> &Path {
        self.ground.path()
    }
}
