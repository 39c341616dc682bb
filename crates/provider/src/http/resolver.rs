//! Name resolution with a cache (`AIOHTTP_POOL_DNS_TTL`).

use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names kept; beyond it the cache starts afresh.
const NAMES_KEPT: usize = 256;

/// Resolves through the operating system and keeps the answer for a time.
pub(super) struct CachingResolver {
    ttl: Option<Duration>,
    known: Arc<Mutex<Known>>,
}

type Known = HashMap<String, (Instant, Vec<SocketAddr>)>;

/// The operating system's answer to a name without addresses.
#[derive(Debug)]
pub(super) struct ResolutionFailed(pub(super) String);

impl fmt::Display for ResolutionFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ResolutionFailed {}

impl CachingResolver {
    pub(super) fn new(ttl: Option<Duration>) -> Self {
        Self { ttl: ttl.filter(|ttl| !ttl.is_zero()), known: Arc::default() }
    }

    /// Drops what is known about a name.
    pub(super) fn forget(&self, host: &str) {
        if self.ttl.is_some() {
            self.known.lock().remove(host);
        }
    }

    fn fresh(&self, host: &str) -> Option<Vec<SocketAddr>> {
        let ttl = self.ttl?;
        let known = self.known.lock();
        let (since, addresses) = known.get(host)?;
        (since.elapsed() < ttl).then(|| addresses.clone())
    }
}

impl Resolve for CachingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        if let Some(addresses) = self.fresh(&host) {
            return Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) });
        }
        let known = self.ttl.is_some().then(|| Arc::clone(&self.known));
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> =
                found.map_err(|error| ResolutionFailed(format!("{host}: {error}")))?.collect();
            if addresses.is_empty() {
                return Err(ResolutionFailed(format!("{host}: no address")).into());
            }
            if let Some(known) = known {
                let mut known = known.lock();
                if known.len() >= NAMES_KEPT {
                    known.clear();
                }
                known.insert(host, (Instant::now(), addresses.clone()));
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_kept_until_it_is_forgotten() {
        let resolver = CachingResolver::new(Some(Duration::from_mins(1)));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.unwrap().next().is_some());
        assert!(resolver.fresh("localhost").is_some());
        resolver.forget("localhost");
        assert!(resolver.fresh("localhost").is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_without_a_time_to_live() {
        let resolver = CachingResolver::new(Some(Duration::ZERO));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.unwrap().next().is_some());
        assert!(resolver.known.lock().is_empty());
    }
}
