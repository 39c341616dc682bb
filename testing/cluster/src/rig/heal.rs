//! A rig that was broken is made whole again.

use super::Rig;
use crate::error::Result;
use crate::options::Kind;
use crate::proxy::Proxy;
use std::time::Duration;

/// How long the servers may take to find together again.
const TOGETHER: Duration = Duration::from_secs(45);

impl Rig {
    /// Undoes what was done to processes and network, and waits until the topology is whole: proxies pass, frozen servers go on,
    /// dead ones are started (with what they had on disk), replicas follow, Sentinels see all, all slots are served.
    ///
    /// Who is the master is left as it is, and so are settings that were changed by command.
    pub async fn heal(&self) -> Result<()> {
        self.proxies().for_each(Proxy::pass);
        for server in self.servers.iter().chain(&self.sentinels) {
            if server.frozen() {
                server.thaw()?;
            } else if server.pid().is_none() {
                server.restart(true).await?;
            }
        }
        match self.options.kind {
            Kind::Standalone => {
                let master = self.replicating_master().await?;
                self.replicas_follow(self.servers.iter().filter(|server| server.port != master.port)).await
            }
            Kind::Sentinel => self.follow_named_master(TOGETHER).await,
            Kind::Cluster => self.cluster_is_whole(TOGETHER).await,
        }
    }
}
