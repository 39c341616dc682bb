//! The limits of `AIOHTTP_POOL_CONNECTIONS` and `AIOHTTP_POOL_CONNECTIONS_PER_HOST`.
//!
//! Each request in flight uses one HTTP/1.1 connection, so a limit on requests is a limit on connections.

use crate::error::{Label, ProviderError};
use crate::options::POOL_WAIT_TIMEOUT;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// Hosts whose semaphores are kept; idle ones are dropped beyond it.
const HOSTS_KEPT: usize = 256;

/// A place in the pool; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _total: Option<OwnedSemaphorePermit>,
    _host: Option<OwnedSemaphorePermit>,
}

pub(super) struct Admission {
    total: Option<(usize, Arc<Semaphore>)>,
    per_host: Option<usize>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Admission {
    pub(super) fn new(total: Option<usize>, per_host: Option<usize>) -> Self {
        // In the reference's HTTP client a limit of 0 means no limit.
        let total = total.filter(|&limit| limit > 0).map(|limit| (limit, semaphore(limit)));
        Self { total, per_host: per_host.filter(|&limit| limit > 0), hosts: Mutex::default() }
    }

    /// Waits for a place; none is needed when no limit is set.
    pub(super) async fn enter(&self, url: &Url, label: &Label) -> Result<Option<Permit>, ProviderError> {
        if self.total.is_none() && self.per_host.is_none() {
            return Ok(None);
        }
        let wait = |limit: usize, semaphore: Arc<Semaphore>, variable: &'static str| async move {
            let busy = ProviderError::Busy { connection: label.clone(), variable, limit };
            match tokio::time::timeout(POOL_WAIT_TIMEOUT, semaphore.acquire_owned()).await {
                Ok(Ok(permit)) => Ok(permit),
                _ => Err(busy),
            }
        };
        // The host first: a request that waits for a busy host must not hold a place that others could use.
        let host = match self.per_host {
            Some(limit) => {
                Some(wait(limit, self.host(url, limit), "AIOHTTP_POOL_CONNECTIONS_PER_HOST").await?)
            }
            None => None,
        };
        let total = match &self.total {
            Some((limit, semaphore)) => {
                Some(wait(*limit, Arc::clone(semaphore), "AIOHTTP_POOL_CONNECTIONS").await?)
            }
            None => None,
        };
        Ok(Some(Permit { _total: total, _host: host }))
    }

    fn host(&self, url: &Url, limit: usize) -> Arc<Semaphore> {
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let mut hosts = self.hosts.lock();
        if hosts.len() > HOSTS_KEPT {
            hosts.retain(|_, semaphore| semaphore.available_permits() < limit);
        }
        Arc::clone(hosts.entry(host).or_insert_with(|| semaphore(limit)))
    }
}

fn semaphore(limit: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)))
}
