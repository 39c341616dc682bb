//! Who is connected, which chats they have open, and which models are in use.
//!
//! Three indexes (session, user, chat) answer every question without walking over all sessions. A session enters when
//! its socket proved who it is and leaves when the socket closes; realtime owns both moments.
//!
//! In a fleet each node writes its sessions to Redis and has those of all others in its memory, so that no question waits for
//! the network; see [`fleet`] for the keys.

#![expect(clippy::unused_async, reason = "callers are ready for answers that come over the network")]

mod fleet;
mod others;
mod pool;
mod record;
#[cfg(test)]
mod tests;
mod usage;
mod usage_fleet;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::error::Result;
use crate::membership::Membership;
use crate::mirror::{Ear, Mirror};
use fleet::Sessions;
use others::Others;
use pool::Pool;
use usage::Usage;
use usage_fleet::{UsageEar, UsageSender};

/// Most sessions of one node.
pub const MAX_SESSIONS: usize = 200_000;

/// Most sessions of other nodes; further ones are not counted.
pub const MAX_FOREIGN_SESSIONS: usize = 2_000_000;

/// Chats whose participants changed elsewhere that a subscriber may lag behind.
const CHANGE_QUEUE: usize = 1024;

/// Most chats one session may have open.
pub const MAX_CHATS_PER_SESSION: usize = 64;

/// Most models one session may be counted for at once.
pub const MAX_MODELS_PER_SESSION: usize = 16;

/// A model counts as in use this long after a session last said so.
pub const USAGE_EXPIRY: Duration = Duration::from_secs(3);

/// One connected, identified socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The Socket.IO session id.
    pub session_id: Arc<str>,
    /// Whose it is.
    pub user_id: Arc<str>,
    /// The user's name, as other participants of a chat see it.
    pub user_name: Arc<str>,
    /// The `jti` of the token it was opened with; empty for sessions of other nodes.
    pub token_id: Arc<str>,
    /// Unix seconds.
    pub connected_at: u64,
    /// Unix seconds of the last sign of life; for sessions of other nodes that of their last change.
    pub last_seen_at: u64,
    /// The chats it has open, sorted.
    pub chat_ids: BTreeSet<Arc<str>>,
}

/// A user who has a chat open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Participant {
    /// The user's id.
    pub id: Arc<str>,
    /// The user's name.
    pub name: Arc<str>,
}

/// The session pool and the usage pool. Clones share them.
#[derive(Clone, Debug)]
pub struct Presence {
    inner: Arc<Inner>,
    mirror: Option<Arc<Mirror<Sessions>>>,
    sender: Option<Arc<UsageSender>>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    capacity: usize,
    pool: Mutex<Pool>,
    usage: Mutex<Usage>,
    changes: broadcast::Sender<Arc<str>>,
    /// Those of the sessions that servers of another kind own.
    others: Mutex<HashSet<Arc<str>>>,
}

impl Inner {
    /// Tells those who follow [`Presence::changes`], if anybody does.
    fn tell(&self, chats: Vec<Arc<str>>) {
        for chat in chats {
            let _ = self.changes.send(chat);
        }
    }
}

impl Presence {
    /// Empty pools.
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(clock, MAX_SESSIONS)
    }

    /// Empty pools for at most `capacity` sessions, for tests of the bound.
    pub fn with_capacity(clock: Clock, capacity: usize) -> Self {
        let inner = Inner {
            clock,
            capacity,
            pool: Mutex::default(),
            usage: Mutex::default(),
            changes: broadcast::channel(CHANGE_QUEUE).0,
            others: Mutex::default(),
        };
        Self { inner: Arc::new(inner), mirror: None, sender: None }
    }

    /// Pools that are shared with the other nodes while the membership runs.
    pub async fn fleet(clock: Clock, membership: &Membership) -> Self {
        let exchange = membership.exchange();
        let alone = Self::new(clock);
        let sessions = Sessions::new(alone.inner.clone(), membership);
        let channel = sessions.channel().to_owned();
        let mirror = Arc::new(Mirror::new(Arc::new(sessions), exchange.clone()));
        let sender = Arc::new(UsageSender::new(alone.inner.clone(), exchange.clone()));
        membership.add(mirror.clone());
        membership.add(sender.clone());
        exchange.listen(&channel, Arc::new(Ear(Arc::downgrade(&mirror)))).await;
        exchange.listen(sender.channel(), Arc::new(UsageEar(Arc::downgrade(&sender)))).await;
        // What others wrote before this node listened.
        mirror.repair();
        Self { mirror: Some(mirror), sender: Some(sender), ..alone }
    }

    /// Counts the sessions of servers of another kind under the same prefix too, a few seconds after they came, and keeps own
    /// sessions from being taken out by them. To be called before the membership runs.
    pub fn count_others(&self, membership: &Membership) {
        membership.add(Arc::new(Others::new(self.inner.clone(), membership.exchange().clone())));
    }

    /// The ids of the user's sessions at servers of another kind, in no order.
    pub async fn other_sessions_of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        let mut ids = self.inner.pool.lock().sessions_of_user(user_id);
        let others = self.inner.others.lock();
        ids.retain(|id| others.contains(id));
        ids
    }

    /// The chats that sessions of this node have open and whose participants changed on another node. After lag or at any
    /// time, [`Presence::chats_here`] gives all of the former.
    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.inner.changes.subscribe()
    }

    /// The chats that sessions of this node have open, in no order.
    pub fn chats_here(&self) -> Vec<Arc<str>> {
        self.inner.pool.lock().chats_here()
    }

    fn note(&self, session_id: &str) {
        if let Some(mirror) = &self.mirror {
            mirror.note(session_id, true);
        }
    }

    /// Enters a session, or gives an already entered one its (new) identity; open chats are kept only when the
    /// user stays the same.
    pub async fn connect(
        &self,
        session_id: &str,
        user_id: &str,
        user_name: &str,
        token_id: &str,
    ) -> Result<()> {
        let now = self.inner.clock.unix_seconds();
        let session = Session {
            session_id: session_id.into(),
            user_id: user_id.into(),
            user_name: user_name.into(),
            token_id: token_id.into(),
            connected_at: now,
            last_seen_at: now,
            chat_ids: BTreeSet::new(),
        };
        self.inner.pool.lock().connect(session, self.inner.capacity)?;
        self.note(session_id);
        Ok(())
    }

    /// Takes a session out of every pool and returns it, with the chats it had open; `None` when it was not there.
    pub async fn disconnect(&self, session_id: &str) -> Option<Session> {
        self.inner.usage.lock().remove(session_id);
        let left = {
            let mut pool = self.inner.pool.lock();
            if pool.is_foreign(session_id) { None } else { pool.remove(session_id) }
        };
        if left.is_some() {
            self.note(session_id);
        }
        left
    }

    /// Notes a sign of life. False when the session is not there.
    pub async fn seen(&self, session_id: &str) -> bool {
        let now = self.inner.clock.unix_seconds();
        self.inner.pool.lock().seen(session_id, now)
    }

    /// The session with this id.
    pub async fn session(&self, session_id: &str) -> Option<Session> {
        self.inner.pool.lock().session(session_id)
    }

    /// The ids of the user's sessions, in no order.
    pub async fn sessions_of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        self.inner.pool.lock().sessions_of_user(user_id)
    }

    /// How many users have at least one session.
    pub async fn user_count(&self) -> usize {
        self.inner.pool.lock().user_count()
    }

    /// Whether the user has at least one session.
    pub async fn is_online(&self, user_id: &str) -> bool {
        self.inner.pool.lock().is_online(user_id)
    }

    /// How many sessions are connected.
    pub async fn session_count(&self) -> usize {
        self.inner.pool.lock().session_count()
    }

    /// Notes that the session has the chat open. True when the chat's participants changed by it.
    pub async fn open_chat(&self, session_id: &str, chat_id: &str) -> Result<bool> {
        let changed = self.inner.pool.lock().open_chat(session_id, chat_id)?;
        self.note(session_id);
        Ok(changed)
    }

    /// Notes that the session closed the chat. True when the chat's participants changed by it.
    pub async fn close_chat(&self, session_id: &str, chat_id: &str) -> bool {
        let changed = self.inner.pool.lock().close_chat(session_id, chat_id);
        self.note(session_id);
        changed
    }

    /// The users who have the chat open, each once, by id.
    pub async fn participants(&self, chat_id: &str) -> Vec<Participant> {
        self.inner.pool.lock().participants(chat_id)
    }

    /// The ids of the sessions that have the chat open, in no order.
    pub async fn sessions_in_chat(&self, chat_id: &str) -> Vec<Arc<str>> {
        self.inner.pool.lock().sessions_in_chat(chat_id)
    }

    /// Notes that the session uses the model. False when it already counts for as many models as it may.
    pub async fn use_model(&self, session_id: &str, model_id: &str) -> bool {
        let noted = self.inner.usage.lock().note(session_id, model_id, self.inner.clock.unix_millis());
        if noted && let Some(sender) = &self.sender {
            sender.note(session_id, model_id);
        }
        noted
    }

    /// The models in use now, sorted.
    pub async fn model_ids(&self) -> Vec<String> {
        self.inner.usage.lock().model_ids(self.inner.clock.unix_millis())
    }

    /// Drops what is no longer in use, so that sessions which never ask leave nothing behind.
    pub fn purge(&self) {
        self.inner.usage.lock().expire(self.inner.clock.unix_millis());
    }
}
