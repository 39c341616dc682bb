//! Identities in memory: loaded once, dropped when changed, refreshed in the background.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Identity;
use crate::accounts::Accounts;
use crate::error::{AuthError, Result};

/// Most identities held.
pub const MAX_IDENTITIES: usize = SHARDS * MAX_PER_SHARD;

/// Age at which an identity that is asked for is loaded again in the background. Changes made through this node or
/// announced to it take effect at once; this is the net below them.
pub const MAX_AGE: Duration = Duration::from_mins(1);

/// How long an identity is served without a successful load while the database is away.
pub const OUTAGE_LIMIT: Duration = Duration::from_mins(15);

/// Longest wait for one load.
pub const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Age at which a load is waited for instead of serving what is there.
const MAX_UNREFRESHED_AGE: Duration = Duration::from_mins(2);

/// How long it is remembered that there is no such account.
const MAX_ABSENCE: Duration = Duration::from_secs(10);

/// Pause after a failed load before the next one.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

const SHARDS: usize = 64;

const MAX_PER_SHARD: usize = 1024;

type Loaded = Result<Option<Arc<Identity>>>;

/// Identities by account id.
#[derive(Debug)]
pub(crate) struct IdentityCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accounts: Arc<dyn Accounts>,
    hasher: RandomState,
    shards: Vec<RwLock<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// Loads under way. A load whose place here was taken away (the account changed meanwhile) is not kept.
    loads: HashMap<Arc<str>, watch::Receiver<Option<Loaded>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None`: there is no such account.
    identity: Option<Arc<Identity>>,
    loaded_at: Instant,
    retry_at: Instant,
}

/// A load that has been announced.
struct Begun {
    user_id: Arc<str>,
    done: watch::Sender<Option<Loaded>>,
    load: watch::Receiver<Option<Loaded>>,
}

/// What to do with what is there.
enum Found {
    Serve(Option<Arc<Identity>>),
    Refresh(Arc<Identity>),
    Load { otherwise: Option<Arc<Identity>> },
}

impl IdentityCache {
    pub(crate) fn new(accounts: Arc<dyn Accounts>) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { inner: Arc::new(Inner { accounts, hasher: RandomState::new(), shards }) }
    }

    /// The identity of an account; `None` when there is no such account.
    ///
    /// Fails with [`AuthError::Unavailable`] when it is not in memory (or for longer than [`OUTAGE_LIMIT`]) and
    /// cannot be loaded.
    pub(crate) async fn get(&self, user_id: &str) -> Loaded {
        match self.inner.find(user_id) {
            Found::Serve(identity) => Ok(identity),
            Found::Refresh(identity) => {
                self.inner.start_load(user_id);
                Ok(Some(identity))
            }
            Found::Load { otherwise } => match (self.load(user_id).await, otherwise) {
                (Err(_), Some(identity)) => Ok(Some(identity)),
                (loaded, _) => loaded,
            },
        }
    }

    /// Loads, with one call, those of these accounts that would be waited for one by one; [`IdentityCache::get`] then has them.
    ///
    /// Fails as that does.
    pub(crate) async fn load_many(&self, user_ids: &[&str]) -> Result<()> {
        let begun: Vec<Begun> = user_ids
            .iter()
            .filter(|user_id| matches!(self.inner.find(user_id), Found::Load { .. }))
            .filter_map(|user_id| self.inner.announce(user_id).ok())
            .collect();
        if begun.is_empty() {
            return Ok(());
        }
        // In a task of its own: others may join these loads, whatever becomes of the caller.
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.load_begun(begun).await })
            .await
            .unwrap_or(Err(AuthError::Unavailable))
    }

    /// Forgets an account that changed; a load under way is not kept.
    pub(crate) fn invalidate(&self, user_id: &str) {
        let mut shard = self.inner.shard(user_id).write();
        shard.entries.remove(user_id);
        shard.loads.remove(user_id);
    }

    /// Forgets all accounts; loads under way are not kept.
    pub(crate) fn clear(&self) {
        for shard in &self.inner.shards {
            let mut shard = shard.write();
            shard.entries.clear();
            shard.loads.clear();
        }
    }

    /// Drops what could not be served any more.
    pub(crate) fn purge(&self) {
        for shard in &self.inner.shards {
            shard.write().entries.retain(|_, entry| entry.loaded_at.elapsed() < OUTAGE_LIMIT);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.read().entries.len()).sum()
    }

    async fn load(&self, user_id: &str) -> Loaded {
        let mut load = self.inner.start_load(user_id);
        let loaded = load.wait_for(Option::is_some).await.map(|loaded| loaded.clone());
        if let Ok(Some(loaded)) = loaded {
            return loaded;
        }
        // Only a load that panicked ends without an answer.
        let mut shard = self.inner.shard(user_id).write();
        if shard.loads.get(user_id).is_some_and(|current| current.same_channel(&load)) {
            shard.loads.remove(user_id);
        }
        Err(AuthError::Unavailable)
    }
}

impl Inner {
    fn shard(&self, user_id: &str) -> &RwLock<Shard> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let at = self.hasher.hash_one(user_id) as usize % SHARDS;
        &self.shards[at]
    }

    fn find(&self, user_id: &str) -> Found {
        let shard = self.shard(user_id).read();
        let Some(entry) = shard.entries.get(user_id) else { return Found::Load { otherwise: None } };
        let now = Instant::now();
        let age = now.duration_since(entry.loaded_at);
        match &entry.identity {
            None if age < MAX_ABSENCE => Found::Serve(None),
            Some(identity) if age < MAX_AGE => Found::Serve(Some(Arc::clone(identity))),
            Some(identity) if now < entry.retry_at && age < OUTAGE_LIMIT => {
                Found::Serve(Some(Arc::clone(identity)))
            }
            Some(identity) if age < MAX_UNREFRESHED_AGE => Found::Refresh(Arc::clone(identity)),
            Some(identity) if age < OUTAGE_LIMIT => Found::Load { otherwise: Some(Arc::clone(identity)) },
            None | Some(_) => Found::Load { otherwise: None },
        }
    }

    /// Joins the load of the account that is under way, or begins one in a task of its own: callers that go away do
    /// not stop it for the others.
    fn start_load(self: &Arc<Self>, user_id: &str) -> watch::Receiver<Option<Loaded>> {
        let begun = match self.announce(user_id) {
            Ok(begun) => begun,
            Err(under_way) => return under_way,
        };
        let (inner, load) = (Arc::clone(self), begun.load.clone());
        tokio::spawn(async move {
            let loading = tokio::time::timeout(LOAD_TIMEOUT, inner.accounts.load(&begun.user_id)).await;
            let loaded = loading.unwrap_or(Err(AuthError::Unavailable));
            inner.finish(&begun, loaded.map(|identity| identity.map(Arc::new)));
        });
        load
    }

    /// Announces a load of the account; when one is under way, fails with that.
    fn announce(&self, user_id: &str) -> std::result::Result<Begun, watch::Receiver<Option<Loaded>>> {
        let mut shard = self.shard(user_id).write();
        if let Some(load) = shard.loads.get(user_id) {
            return Err(load.clone());
        }
        let user_id: Arc<str> = user_id.into();
        let (done, load) = watch::channel(None);
        shard.loads.insert(Arc::clone(&user_id), load.clone());
        Ok(Begun { user_id, done, load })
    }

    /// Keeps what came of a load, and tells those who wait for it.
    fn finish(&self, begun: &Begun, loaded: Loaded) {
        self.keep(&begun.user_id, &begun.load, &loaded);
        begun.done.send_replace(Some(loaded));
    }

    async fn load_begun(&self, begun: Vec<Begun>) -> Result<()> {
        let user_ids: Vec<Arc<str>> = begun.iter().map(|begun| Arc::clone(&begun.user_id)).collect();
        let loading = tokio::time::timeout(LOAD_TIMEOUT, self.accounts.load_many(&user_ids)).await;
        let found = loading.unwrap_or(Err(AuthError::Unavailable)).map(|identities| {
            let known = identities.into_iter().map(|identity| (Arc::clone(&identity.id), Arc::new(identity)));
            known.collect::<HashMap<_, _>>()
        });
        for begun in &begun {
            let loaded = match &found {
                Ok(identities) => Ok(identities.get(&begun.user_id).cloned()),
                Err(error) => Err(error.clone()),
            };
            self.finish(begun, loaded);
        }
        found.map(|_| ())
    }

    fn keep(&self, user_id: &Arc<str>, load: &watch::Receiver<Option<Loaded>>, loaded: &Loaded) {
        let mut shard = self.shard(user_id).write();
        if !shard.loads.get(user_id).is_some_and(|current| current.same_channel(load)) {
            return;
        }
        shard.loads.remove(user_id);
        let now = Instant::now();
        match loaded {
            Ok(identity) => {
                shard.make_room(user_id);
                let entry = Entry { identity: identity.clone(), loaded_at: now, retry_at: now };
                shard.entries.insert(Arc::clone(user_id), entry);
            }
            Err(error) => {
                tracing::debug!(user_id = &**user_id, %error, "could not load an account");
                if let Some(entry) = shard.entries.get_mut(user_id) {
                    entry.retry_at = now + RETRY_PAUSE;
                }
            }
        }
    }
}

impl Shard {
    /// Lets go of the identity that was loaded longest ago when there is no room for another.
    fn make_room(&mut self, user_id: &str) {
        if self.entries.len() < MAX_PER_SHARD || self.entries.contains_key(user_id) {
            return;
        }
        let oldest =
            self.entries.iter().min_by_key(|(_, entry)| entry.loaded_at).map(|(id, _)| Arc::clone(id));
        if let Some(oldest) = oldest {
            self.entries.remove(&oldest);
        }
    }
}
