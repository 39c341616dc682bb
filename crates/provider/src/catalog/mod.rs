//! The models of all connections as one list that is always at hand.
//!
//! Each connection is listed by a task of its own, one at a time, on demand. A caller waits a short grace for lists that
//! are being renewed and then gets what is known; a connection that failed before is not waited for at all. A failing
//! connection keeps its last good list for a while, and its failure is kept for the admin page.

mod member;
mod snapshot;
mod status;

use crate::connection::Connection;
use crate::error::ProviderError;
use crate::model::{ListedModel, Model, ModelList};
use crate::options::CatalogOptions;
use arc_swap::{ArcSwap, Guard};
use futures_util::future::{BoxFuture, join_all, select_all};
use parking_lot::Mutex;
use snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;

pub use member::Freshness;
pub(crate) use member::Member;
pub use status::{ConnectionState, ConnectionStatus, FailureReport};

/// Lists the models of one connection, within its own bound of time.
pub(crate) type Lister =
    Arc<dyn Fn(Arc<Member>) -> BoxFuture<'static, Result<Vec<ListedModel>, ProviderError>> + Send + Sync>;

/// The joined list of models.
pub(crate) struct Catalog {
    options: CatalogOptions,
    list_timeout: Duration,
    lister: Lister,
    shared: Arc<Shared>,
}

/// What the listing tasks share with the catalog.
struct Shared {
    members: ArcSwap<Vec<Arc<Member>>>,
    snapshot: ArcSwap<Snapshot>,
    /// Held while the list is joined anew, so that an older join cannot overwrite a newer one.
    joining: Mutex<()>,
}

impl Shared {
    fn join(&self, options: &CatalogOptions) {
        let _joining = self.joining.lock();
        let joined = Snapshot::join(&self.members.load(), options, &self.snapshot.load());
        self.snapshot.store(Arc::new(joined));
    }
}

impl Catalog {
    pub(crate) fn new(options: CatalogOptions, list_timeout: Duration, lister: Lister) -> Self {
        let shared =
            Shared { members: ArcSwap::default(), snapshot: ArcSwap::default(), joining: Mutex::default() };
        Self { options, list_timeout, lister, shared: Arc::new(shared) }
    }

    /// Takes over new settings; connections that stay the same keep what is known about them.
    pub(crate) fn replace(&self, connections: Vec<Connection>) {
        let before = self.shared.members.load_full();
        let members = connections.into_iter().map(|connection| {
            let older = before.iter().find(|older| older.connection.same_source(&connection));
            let member = Member::new(connection);
            if let Some(older) = older {
                member.adopt(older);
            }
            Arc::new(member)
        });
        self.shared.members.store(Arc::new(members.collect()));
        self.shared.join(&self.options);
    }

    pub(crate) fn members(&self) -> Guard<Arc<Vec<Arc<Member>>>> {
        self.shared.members.load()
    }

    /// What is known now, without waiting and without asking anybody.
    pub(crate) fn known(&self) -> ModelList {
        let snapshot = self.shared.snapshot.load();
        ModelList { models: Arc::clone(&snapshot.models), version: snapshot.version }
    }

    /// The joined list; see the head of the module for how long this may wait.
    pub(crate) async fn models(&self, freshness: Freshness) -> ModelList {
        let members = self.shared.members.load_full();
        self.refresh(&members, freshness);
        self.wait(&members, freshness).await;
        if self.shared.snapshot.load().models.is_empty() {
            // Nothing to offer at all: the first list that arrives is worth waiting for.
            self.wait_until(&members, |catalog| !catalog.shared.snapshot.load().models.is_empty()).await;
        }
        self.known()
    }

    /// A model that is known now.
    pub(crate) fn model(&self, id: &str) -> Option<Arc<Model>> {
        self.shared.snapshot.load().routes.get(id).map(|route| Arc::clone(&route.model))
    }

    /// Where a request for a model goes: from memory when the model is known; otherwise connections whose list is
    /// missing or due are asked first.
    pub(crate) async fn route(&self, id: &str) -> Result<(Arc<Member>, Arc<str>), ProviderError> {
        let known = |catalog: &Self| {
            let snapshot = catalog.shared.snapshot.load();
            snapshot.routes.get(id).and_then(|route| route.choose(&catalog.options))
        };
        if let Some(place) = known(self) {
            return Ok(place);
        }
        let members = self.shared.members.load_full();
        self.refresh(&members, Freshness::Cached);
        self.wait_until(&members, |catalog| known(catalog).is_some()).await;
        known(self).ok_or_else(|| ProviderError::ModelNotFound { model: id.to_owned() })
    }

    pub(crate) fn statuses(&self) -> Vec<ConnectionStatus> {
        let members = self.shared.members.load();
        members
            .iter()
            .map(|member| ConnectionStatus::of(member, member.offered(&self.options).len()))
            .collect()
    }

    /// Starts the listings that are due.
    fn refresh(&self, members: &[Arc<Member>], freshness: Freshness) {
        for member in members {
            if !member.begin(freshness, &self.options) {
                continue;
            }
            let attempt = Attempt(Arc::clone(member));
            let (lister, shared, options) =
                (Arc::clone(&self.lister), Arc::clone(&self.shared), self.options.clone());
            tokio::spawn(async move {
                let outcome = lister(Arc::clone(&attempt.0)).await;
                // Joined before the attempt ends, so that those who wait for its end see the result.
                if attempt.0.record(outcome) {
                    shared.join(&options);
                }
            });
        }
    }

    /// Waits for the listings under way, each within its grace.
    async fn wait(&self, members: &[Arc<Member>], freshness: Freshness) {
        let waits = members.iter().filter_map(|member| {
            let until = member.patience(freshness, &self.options)?;
            let mut listing = member.subscribe();
            Some(async move {
                let ended = listing.wait_for(|listing| listing.under_way.is_none());
                // Past the grace the caller gets what is known.
                let _ = tokio::time::timeout_at(until, ended).await;
            })
        });
        join_all(waits).await;
    }

    /// Waits until `enough`, or until no listing is under way that is worth waiting for.
    async fn wait_until(&self, members: &[Arc<Member>], enough: impl Fn(&Self) -> bool) {
        let wait = |member: &Arc<Member>| {
            let mut listing = member.subscribe();
            let until = {
                let listing = listing.borrow();
                // A connection that failed before is unlikely to be the one that helps.
                let patience =
                    if listing.failure.is_some() { self.options.first_grace } else { self.list_timeout };
                listing.under_way? + patience
            };
            Some(Box::pin(async move {
                let ended = listing.wait_for(|listing| listing.under_way.is_none());
                let _ = tokio::time::timeout_at(until, ended).await;
            }))
        };
        let mut under_way: Vec<_> = members.iter().filter_map(wait).collect();
        while !under_way.is_empty() && !enough(self) {
            under_way = select_all(under_way).await.2;
        }
    }
}

/// An attempt to list a connection; its end is made known however it comes about.
struct Attempt(Arc<Member>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.end();
    }
}
