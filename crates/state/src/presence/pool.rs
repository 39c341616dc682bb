//! The sessions of the fleet as this node knows them, with their indexes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{MAX_CHATS_PER_SESSION, MAX_FOREIGN_SESSIONS, Participant, Session};
use crate::error::{Result, StateError};

#[derive(Debug, Default)]
pub(super) struct Pool {
    sessions: HashMap<Arc<str>, Session>,
    by_user: HashMap<Arc<str>, HashSet<Arc<str>>>,
    by_chat: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Those of `sessions` that other nodes own.
    foreign: HashSet<Arc<str>>,
    /// Own sessions with a sign of life that is not written yet.
    touched: HashSet<Arc<str>>,
}

impl Pool {
    /// Enters an own session. Its open chats are kept when it was there with the same user.
    pub(super) fn connect(&mut self, session: Session, capacity: usize) -> Result<()> {
        if let Some(known) = self.sessions.get_mut(&session.session_id)
            && !self.foreign.contains(&session.session_id)
            && known.user_id == session.user_id
        {
            known.user_name = session.user_name;
            known.token_id = session.token_id;
            known.last_seen_at = session.last_seen_at;
            return Ok(());
        }
        self.remove(&session.session_id);
        if self.counts().0 >= capacity {
            return Err(StateError::TooManySessions { limit: capacity });
        }
        self.enter(session);
        Ok(())
    }

    /// Enters a session that is not there.
    fn enter(&mut self, mut session: Session) {
        if let Some((user_id, _)) = self.by_user.get_key_value(&session.user_id) {
            session.user_id = Arc::clone(user_id);
        }
        let id = &session.session_id;
        self.by_user.entry(Arc::clone(&session.user_id)).or_default().insert(Arc::clone(id));
        for chat_id in &session.chat_ids {
            self.by_chat.entry(Arc::clone(chat_id)).or_default().insert(Arc::clone(id));
        }
        self.sessions.insert(Arc::clone(id), session);
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, session_id: &str) -> Option<Session> {
        let session = self.sessions.remove(session_id)?;
        self.foreign.remove(session_id);
        self.touched.remove(session_id);
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

    /// Takes in a session of another node as it is now, and gives the chats that own sessions have open and whose participants
    /// changed by it.
    pub(super) fn put_foreign(&mut self, session: Session) -> Vec<Arc<str>> {
        let id = Arc::clone(&session.session_id);
        let known = self.sessions.contains_key(&id);
        if known && !self.foreign.contains(&id) || !known && self.foreign.len() >= MAX_FOREIGN_SESSIONS {
            return Vec::new();
        }
        let old = self.sessions.get(&id).map(|old| old.chat_ids.clone()).unwrap_or_default();
        let touched: Vec<Arc<str>> =
            old.union(&session.chat_ids).filter(|chat| self.is_open_here(chat)).cloned().collect();
        let before: Vec<_> = touched.iter().map(|chat| self.participants(chat)).collect();
        self.remove(&id);
        self.foreign.insert(id);
        self.enter(session);
        let changed = touched.into_iter().zip(before);
        changed.filter(|(chat, before)| self.participants(chat) != *before).map(|(chat, _)| chat).collect()
    }

    /// Takes out a session of another node; gives the same as [`Pool::put_foreign`].
    pub(super) fn remove_foreign(&mut self, session_id: &str) -> Vec<Arc<str>> {
        if !self.foreign.contains(session_id) {
            return Vec::new();
        }
        let Some(left) = self.remove(session_id) else { return Vec::new() };
        let chats = left.chat_ids.into_iter();
        chats
            .filter(|chat| self.is_open_here(chat) && !self.user_has_chat_open(&left.user_id, chat))
            .collect()
    }

    pub(super) fn is_foreign(&self, session_id: &str) -> bool {
        self.foreign.contains(session_id)
    }

    fn is_open_here(&self, chat_id: &str) -> bool {
        let ids = self.by_chat.get(chat_id);
        ids.is_some_and(|ids| ids.iter().any(|id| !self.foreign.contains(id)))
    }

    pub(super) fn chats_here(&self) -> Vec<Arc<str>> {
        self.by_chat.keys().filter(|chat| self.is_open_here(chat)).cloned().collect()
    }

    pub(super) fn own(&self) -> Vec<Arc<str>> {
        self.sessions.keys().filter(|id| !self.foreign.contains(*id)).cloned().collect()
    }

    pub(super) fn foreign(&self) -> Vec<Arc<str>> {
        self.foreign.iter().cloned().collect()
    }

    /// How many sessions are own, and how many foreign.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.sessions.len() - self.foreign.len(), self.foreign.len())
    }

    /// Notes a sign of life of an own session.
    pub(super) fn seen(&mut self, session_id: &str, now: u64) -> bool {
        if self.foreign.contains(session_id) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(session_id) else { return false };
        session.last_seen_at = now;
        self.touched.insert(Arc::clone(&session.session_id));
        true
    }

    /// Has own sessions count as seen now that were not for so many seconds: they are connected.
    pub(super) fn keep_seen(&mut self, now: u64, after: u64) {
        let Self { sessions, foreign, touched, .. } = self;
        for (id, session) in sessions.iter_mut() {
            if now.saturating_sub(session.last_seen_at) >= after && !foreign.contains(id) {
                session.last_seen_at = now;
                touched.insert(id.clone());
            }
        }
    }

    /// The own sessions with a sign of life since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    pub(super) fn session(&self, session_id: &str) -> Option<Session> {
        self.sessions.get(session_id).cloned()
    }

    /// An own session.
    pub(super) fn own_session(&self, session_id: &str) -> Option<&Session> {
        self.sessions.get(session_id).filter(|_| !self.foreign.contains(session_id))
    }

    pub(super) fn sessions_of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        self.by_user.get(user_id).into_iter().flatten().cloned().collect()
    }

    pub(super) fn sessions_in_chat(&self, chat_id: &str) -> Vec<Arc<str>> {
        self.by_chat.get(chat_id).into_iter().flatten().cloned().collect()
    }

    pub(super) fn user_count(&self) -> usize {
        self.by_user.len()
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn is_online(&self, user_id: &str) -> bool {
        self.by_user.contains_key(user_id)
    }

    /// True when the chat's participants changed.
    pub(super) fn open_chat(&mut self, session_id: &str, chat_id: &str) -> Result<bool> {
        let chat_key = match self.by_chat.get_key_value(chat_id) {
            Some((chat_id, _)) => Arc::clone(chat_id),
            None => chat_id.into(),
        };
        let session = self.sessions.get_mut(session_id).ok_or(StateError::UnknownSession)?;
        if session.chat_ids.contains(chat_id) {
            return Ok(false);
        }
        if session.chat_ids.len() >= MAX_CHATS_PER_SESSION {
            return Err(StateError::TooManyChats { limit: MAX_CHATS_PER_SESSION });
        }
        session.chat_ids.insert(Arc::clone(&chat_key));
        let session_id = Arc::clone(&session.session_id);
        let user_id = Arc::clone(&session.user_id);
        let was_there = self.user_has_chat_open(&user_id, chat_id);
        self.by_chat.entry(chat_key).or_default().insert(session_id);
        Ok(!was_there)
    }

    /// True when the chat's participants changed.
    pub(super) fn close_chat(&mut self, session_id: &str, chat_id: &str) -> bool {
        let Some(session) = self.sessions.get_mut(session_id) else { return false };
        if !session.chat_ids.remove(chat_id) {
            return false;
        }
        let user_id = Arc::clone(&session.user_id);
        self.leave_chat(session_id, chat_id);
        !self.user_has_chat_open(&user_id, chat_id)
    }

    pub(super) fn participants(&self, chat_id: &str) -> Vec<Participant> {
        let ids = self.by_chat.get(chat_id).into_iter().flatten();
        let sessions = ids.filter_map(|session_id| self.sessions.get(session_id));
        let mut participants: Vec<Participant> = sessions
            .map(|session| Participant {
                id: Arc::clone(&session.user_id),
                name: Arc::clone(&session.user_name),
            })
            .collect();
        participants.sort_unstable();
        participants.dedup_by(|one, other| one.id == other.id);
        participants
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
