//! A master with two replicas, watched by three Sentinels.

use super::{Configuration, Rig, SENTINEL_REPLICAS, SENTINELS, replication};
use crate::error::Result;
use crate::server::Server;
use std::time::Duration;

/// How long Sentinels may take to see the master, the replicas and each other.
const WATCH: Duration = Duration::from_secs(10);

impl Rig {
    pub(super) async fn start_sentinel_rig(&mut self) -> Result<()> {
        let servers = self.start_servers(1 + SENTINEL_REPLICAS).await?;
        // Sentinels look at the replicas once as they come up, and then only every ten seconds: all is to be in place then.
        self.replicate().await?;
        let plain = self.options.tls && self.options.plain_sentinels;
        let (all, places) = self.places(SENTINELS, false, plain)?;
        let configuration =
            Configuration { options: &self.options, certificates: self.certificates.as_ref() };
        for (index, (&own, place)) in all.iter().zip(places).enumerate() {
            let lines = configuration.sentinel(own, &all, servers[0], &servers[1..]);
            self.sentinels.push(self.start_one(
                &format!("sentinel-{index}"),
                place,
                &lines,
                &["--sentinel"],
            )?);
        }
        for sentinel in &self.sentinels {
            sentinel.wait_ready().await?;
        }
        for sentinel in &self.sentinels {
            let what = format!("{} sees the master, the replicas and the other Sentinels", sentinel.name());
            crate::wait_until(&what, WATCH, async || self.sees_all(sentinel, true).await).await?;
        }
        Ok(())
    }

    /// Has the servers follow the master that Sentinels name, and waits until the Sentinels see all there is.
    ///
    /// They would do the first by themselves, and take ten seconds until they are sure.
    pub(super) async fn follow_named_master(&self, limit: Duration) -> Result<()> {
        let mut named = None;
        crate::wait_until("most Sentinels name a master that is one", limit, async || {
            named = self.named_master().await;
            match named {
                Some(master) => master.info("role").await.is_ok_and(|role| role == "master"),
                None => false,
            }
        })
        .await?;
        let master = named.ok_or_else(|| self.unknown("a master"))?;
        for other in self.servers.iter().filter(|server| server.port != master.port) {
            let follows = other.info("role").await? == "slave"
                && other.info("master_port").await? == master.client_port().to_string();
            if !follows {
                replication::follow(other, master).await?;
            }
        }
        self.replicas_follow(self.servers.iter().filter(|server| server.port != master.port)).await?;
        for sentinel in &self.sentinels {
            let what = format!("{} sees all servers and the other Sentinels again", sentinel.name());
            crate::wait_until(&what, limit, async || self.sees_all(sentinel, false).await).await?;
        }
        Ok(())
    }

    /// Whether a Sentinel is connected to all there is; and, as it learns only every ten seconds, that the replicas follow.
    async fn sees_all(&self, sentinel: &Server, links: bool) -> bool {
        let name = &self.options.master_name;
        let ask = async |what: &str| sentinel.admin(&["SENTINEL", what, name]).await.unwrap_or_default();
        let (master, replicas, sentinels) =
            (ask("MASTER").await, ask("REPLICAS").await, ask("SENTINELS").await);
        values(&master, "flags") == ["master"]
            && values(&replicas, "flags") == ["slave"; SENTINEL_REPLICAS]
            && (!links || values(&replicas, "master-link-status") == ["ok"; SENTINEL_REPLICAS])
            && values(&sentinels, "flags") == ["sentinel"; SENTINELS - 1]
    }

    /// The server that most of the running Sentinels name as the master.
    pub(super) async fn named_master(&self) -> Option<&Server> {
        let mut named = Vec::new();
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.answers()) {
            let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.options.master_name];
            let answer = sentinel.admin(&command).await.unwrap_or_default();
            named.extend(answer.lines().nth(1).and_then(|port| port.parse::<u16>().ok()));
        }
        let votes = |server: &Server| named.iter().filter(|&&port| port == server.client_port()).count();
        let best = self.servers.iter().max_by_key(|server| votes(server))?;
        (2 * votes(best) > named.len()).then_some(best)
    }
}

/// The values of a field in a reply of field names and values, line by line.
fn values<'a>(reply: &'a str, field: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = reply.lines().collect();
    // The reply of SENTINEL REPLICAS is a list of such lists, so names are at even places in all of it.
    lines.chunks_exact(2).filter(|pair| pair[0] == field).map(|pair| pair[1]).collect()
}
