//! Who is connected, which chats they have open, and which models are in use.
//!
//! Three indexes (session, user, chat) answer every question without walking over all sessions. A session enters when
//! its socket proved who it is and leaves when the socket closes; realtime owns both moments.

#![expect(clippy::unused_async, reason = "the Redis form of these calls waits for the network")]

#[cfg(test)]
mod tests;
mod usage;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::error::{Result, StateError};
use usage::Usage;

/// Most sessions of one node.
pub const MAX_SESSIONS: usize = 200_000;

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
    /// The `jti` of the token it was opened with.
    pub token_id: Arc<str>,
    /// Unix seconds.
    pub connected_at: u64,
    /// Unix seconds of the last sign of life.
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
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    capacity: usize,
    pool: Mutex<Pool>,
    usage: Mutex<Usage>,
}

#[derive(Debug, Default)]
struct Pool {
    sessions: HashMap<Arc<str>, Session>,
    by_user: HashMap<Arc<str>, HashSet<Arc<str>>>,
    by_chat: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl Presence {
    /// Empty pools.
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(clock, MAX_SESSIONS)
    }

    /// Empty pools for at most `capacity` sessions, for tests of the bound.
    pub fn with_capacity(clock: Clock, capacity: usize) -> Self {
        Self { inner: Arc::new(Inner { clock, capacity, pool: Mutex::default(), usage: Mutex::default() }) }
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
        let mut pool = self.inner.pool.lock();
        if let Some(session) = pool.sessions.get_mut(session_id) {
            if &*session.user_id == user_id {
                session.user_name = user_name.into();
                session.token_id = token_id.into();
                session.last_seen_at = now;
                return Ok(());
            }
            pool.remove(session_id);
        }
        if pool.sessions.len() >= self.inner.capacity {
            return Err(StateError::TooManySessions { limit: self.inner.capacity });
        }
        let session_id: Arc<str> = session_id.into();
        let user_id = match pool.by_user.get_key_value(user_id) {
            Some((user_id, _)) => Arc::clone(user_id),
            None => user_id.into(),
        };
        pool.by_user.entry(Arc::clone(&user_id)).or_default().insert(Arc::clone(&session_id));
        let session = Session {
            session_id: Arc::clone(&session_id),
            user_id,
            user_name: user_name.into(),
            token_id: token_id.into(),
            connected_at: now,
            last_seen_at: now,
            chat_ids: BTreeSet::new(),
        };
        pool.sessions.insert(session_id, session);
        Ok(())
    }

    /// Takes a session out of every pool and returns it, with the chats it had open; `None` when it was not there.
    pub async fn disconnect(&self, session_id: &str) -> Option<Session> {
        self.inner.usage.lock().remove(session_id);
        self.inner.pool.lock().remove(session_id)
    }

    /// Notes a sign of life. False when the session is not there.
    pub async fn seen(&self, session_id: &str) -> bool {
        let now = self.inner.clock.unix_seconds();
        match self.inner.pool.lock().sessions.get_mut(session_id) {
            Some(session) => {
                session.last_seen_at = now;
                true
            }
            None => false,
        }
    }

    /// The session with this id.
    pub async fn session(&self, session_id: &str) -> Option<Session> {
        self.inner.pool.lock().sessions.get(session_id).cloned()
    }

    /// The ids of the user's sessions, in no order.
    pub async fn sessions_of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        self.inner
            .pool
            .lock()
            .by_user
            .get(user_id)
            .map(|ids| ids.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// How many users have at least one session.
    pub async fn user_count(&self) -> usize {
        self.inner.pool.lock().by_user.len()
    }

    /// Whether the user has at least one session.
    pub async fn is_online(&self, user_id: &str) -> bool {
        self.inner.pool.lock().by_user.contains_key(user_id)
    }

    /// How many sessions are connected.
    pub async fn session_count(&self) -> usize {
        self.inner.pool.lock().sessions.len()
    }

    /// Notes that the session has the chat open. True when the chat's participants changed by it.
    pub async fn open_chat(&self, session_id: &str, chat_id: &str) -> Result<bool> {
        let mut pool = self.inner.pool.lock();
        let chat_key = match pool.by_chat.get_key_value(chat_id) {
            Some((chat_id, _)) => Arc::clone(chat_id),
            None => chat_id.into(),
        };
        let session = pool.sessions.get_mut(session_id).ok_or(StateError::UnknownSession)?;
        if session.chat_ids.contains(chat_id) {
            return Ok(false);
        }
        if session.chat_ids.len() >= MAX_CHATS_PER_SESSION {
            return Err(StateError::TooManyChats { limit: MAX_CHATS_PER_SESSION });
        }
        session.chat_ids.insert(Arc::clone(&chat_key));
        let session_id = Arc::clone(&session.session_id);
        let user_id = Arc::clone(&session.user_id);
        let was_there = pool.user_has_chat_open(&user_id, chat_id);
        pool.by_chat.entry(chat_key).or_default().insert(session_id);
        Ok(!was_there)
    }

    /// Notes that the session closed the chat. True when the chat's participants changed by it.
    pub async fn close_chat(&self, session_id: &str, chat_id: &str) -> bool {
        let mut pool = self.inner.pool.lock();
        let Some(session) = pool.sessions.get_mut(session_id) else { return false };
        if !session.chat_ids.remove(chat_id) {
            return false;
        }
        let user_id = Arc::clone(&session.user_id);
        pool.leave_chat(session_id, chat_id);
        !pool.user_has_chat_open(&user_id, chat_id)
    }

    /// The users who have the chat open, each once, by id.
    pub async fn participants(&self, chat_id: &str) -> Vec<Participant> {
        let pool = self.inner.pool.lock();
        let mut participants: Vec<Participant> = pool
            .by_chat
            .get(chat_id)
            .into_iter()
            .flatten()
            .filter_map(|session_id| pool.sessions.get(session_id))
            .map(|session| Participant {
                id: Arc::clone(&session.user_id),
                name: Arc::clone(&session.user_name),
            })
            .collect();
        participants.sort_unstable();
        participants.dedup_by(|one, other| one.id == other.id);
        participants
    }

    /// The ids of the sessions that have the chat open, in no order.
    pub async fn sessions_in_chat(&self, chat_id: &str) -> Vec<Arc<str>> {
        self.inner
            .pool
            .lock()
            .by_chat
            .get(chat_id)
            .map(|ids| ids.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Notes that the session uses the model. False when it already counts for as many models as it may.
    pub async fn use_model(&self, session_id: &str, model_id: &str) -> bool {
        self.inner.usage.lock().note(session_id, model_id, self.inner.clock.unix_millis())
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

impl Pool {
    fn remove(&mut self, session_id: &str) -> Option<Session> {
        let session = self.sessions.remove(session_id)?;
        if let Some(ids) = self.by_user.get_mut(&session.user_id) {
            ids.remove(session_id);
            if ids.is_empty() {
                self.by_user.remove(&session.user_id);
            }
        }
        for chat_id in &session.chat_ids {
            self.leave_chat(session_id, chat_id);
        }
        Some(session)
    }

    fn leave_chat(&mut self, session_id: &str, chat_id: &str) {
        if let Some(ids) = self.by_chat.get_mut(chat_id) {
            ids.remove(session_id);
            if ids.is_empty() {
                self.by_chat.remove(chat_id);
            }
        }
    }

    /// Looks at the user's sessions or the chat's, whichever are fewer.
    fn user_has_chat_open(&self, user_id: &str, chat_id: &str) -> bool {
        let (Some(of_user), Some(in_chat)) = (self.by_user.get(user_id), self.by_chat.get(chat_id)) else {
            return false;
        };
        let (fewer, more) =
            if of_user.len() < in_chat.len() { (of_user, in_chat) } else { (in_chat, of_user) };
        fewer.iter().any(|session_id| more.contains(session_id))
    }
}
