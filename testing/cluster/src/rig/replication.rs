//! A master, its replicas, and a failover by hand.

use super::Rig;
use crate::error::Result;
use crate::options::Kind;
use crate::server::Server;
use std::time::Duration;

/// How long replicas may take to follow.
const FOLLOW: Duration = Duration::from_secs(10);

/// How long a failover that was asked for may take.
const FAILOVER: Duration = Duration::from_mins(1);

impl Rig {
    /// Makes all servers replicas of the first, and waits until they follow.
    pub(super) async fn replicate(&self) -> Result<()> {
        let [master, replicas @ ..] = self.servers.as_slice() else { return Ok(()) };
        for replica in replicas {
            follow(replica, master).await?;
        }
        self.replicas_follow(replicas).await
    }

    /// Waits until these servers follow their masters.
    pub(super) async fn replicas_follow(&self, replicas: impl IntoIterator<Item = &Server>) -> Result<()> {
        for replica in replicas {
            let what = format!("{} follows its master", replica.name());
            let up = async || replica.info("master_link_status").await.is_ok_and(|status| status == "up");
            crate::wait_until(&what, FOLLOW, up).await?;
        }
        Ok(())
    }

    /// The first running server that calls itself a master, with preference for one that is followed.
    pub(super) async fn replicating_master(&self) -> Result<&Server> {
        let mut found = None;
        for server in self.servers.iter().filter(|server| server.answers()) {
            if server.info("role").await? != "master" {
                continue;
            }
            if server.info("connected_slaves").await? != "0" {
                return Ok(server);
            }
            found = found.or(Some(server));
        }
        found.ok_or_else(|| self.unknown("a running master"))
    }

    /// Has a replica made the master while all servers run, as an operator does by hand, and returns the new master.
    ///
    /// Standalone: the first replica gets `REPLICAOF NO ONE` and the others, the old master too, follow it. Sentinel:
    /// `SENTINEL FAILOVER`, and the Sentinels choose. Cluster: `CLUSTER FAILOVER` of the owner of slot 0.
    pub async fn fail_over(&self) -> Result<&Server> {
        self.promote(self.master().await?).await
    }

    /// The same in the place of any master.
    pub(super) async fn promote(&self, old: &Server) -> Result<&Server> {
        match self.options.kind {
            Kind::Standalone => {
                let found = self.servers.iter().find(|server| server.port != old.port && server.answers());
                let new = found.ok_or_else(|| self.unknown("a replica"))?;
                new.admin(&["REPLICAOF", "NO", "ONE"]).await?;
                new.admin(&["CONFIG", "REWRITE"]).await?;
                for other in self.servers.iter().filter(|server| server.port != new.port && server.answers())
                {
                    follow(other, new).await?;
                }
            }
            Kind::Sentinel => {
                let found = self.sentinels.iter().find(|sentinel| sentinel.answers());
                let sentinel = found.ok_or_else(|| self.unknown("a running Sentinel"))?;
                sentinel.admin(&["SENTINEL", "FAILOVER", &self.options.master_name]).await?;
            }
            Kind::Cluster => {
                let found = self.shard(old).find(|server| server.port != old.port && server.answers());
                let new = found.ok_or_else(|| self.unknown("a replica"))?;
                new.admin(&["CLUSTER", "FAILOVER"]).await?;
            }
        }
        self.new_master(old, FAILOVER).await
    }

    /// Waits until a master of the rig that was killed, frozen or replaced has a successor, and returns it: most Sentinels name it,
    /// or the slots are its own in the cluster, and it takes writes.
    pub async fn new_master(&self, old: &Server, limit: Duration) -> Result<&Server> {
        let what = format!("{} has a successor", old.name());
        let mut found = None;
        crate::wait_until(&what, limit, async || {
            found = self.successor(old).await;
            found.is_some()
        })
        .await?;
        found.ok_or_else(|| self.unknown("a successor"))
    }

    async fn successor(&self, old: &Server) -> Option<&Server> {
        if self.options.kind == Kind::Cluster {
            for server in self.shard(old).filter(|server| server.port != old.port && server.answers()) {
                let state = server.admin(&["CLUSTER", "INFO"]).await.unwrap_or_default();
                if self.owns_slots(server).await && state.contains("cluster_state:ok") {
                    return Some(server);
                }
            }
            return None;
        }
        let master = self.master().await.ok().filter(|master| master.port != old.port && master.answers())?;
        (master.info("role").await.ok()? == "master").then_some(master)
    }
}

/// Makes one server a replica of another, also after a restart.
pub(super) async fn follow(replica: &Server, master: &Server) -> Result<()> {
    replica.admin(&["REPLICAOF", "127.0.0.1", &master.client_port().to_string()]).await?;
    replica.admin(&["CONFIG", "REWRITE"]).await?;
    Ok(())
}
