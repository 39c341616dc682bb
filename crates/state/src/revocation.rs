//! Tokens and users whose sessions were ended, answered from memory.
//!
//! SQL holds the truth about single tokens (a row per revoked token); this is the copy that every authenticated
//! request asks, without a round trip. A user's password or role change ends sessions through a new session stamp
//! in SQL; [`Revocations::end_user`] only announces it, so that sockets close and cached identities are dropped.
//!
//! In a fleet each revocation is published to the other nodes. That is the fast way and may fail; whoever holds sessions
//! therefore also reads SQL again: after [`Revocations::missed`], often while [`Revocations::is_cut_off`], and now and then.

mod fleet;
mod marks;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::exchange::Exchange;
use fleet::{Announcer, Ear, News};
use marks::Marks;

/// Most revoked tokens held at once (about 50 bytes each). Past it, see [`Revocations::revoke_token`].
pub const MAX_REVOKED_TOKENS: usize = 1_000_000;

/// Announcements a subscriber may lag behind before it is told that it missed some.
pub const EVENT_QUEUE: usize = 1024;

/// Bytes kept of the digest of a token's id; enough that two ids never meet.
const KEY_BYTES: usize = 16;

type TokenKey = [u8; KEY_BYTES];

/// One revoked token, as the SQL row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// The `jti` claim of the token.
    pub token_id: String,
    /// Whose token it was.
    pub user_id: String,
    /// Unix seconds after which the token is refused for its age anyway; `None` keeps the entry for good.
    pub expires_at: Option<u64>,
}

/// Something that ended one or more sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// This token is no longer accepted: close its sockets, leave the user's others.
    Token {
        /// The `jti` claim of the token.
        token_id: Arc<str>,
        /// Whose token it was.
        user_id: Arc<str>,
    },
    /// All sessions of this user ended or its rights changed: close all of the user's sockets.
    User {
        /// The user.
        user_id: Arc<str>,
    },
    /// Something of this user changed in SQL: keep the sockets whose session still holds, close the others.
    Changed {
        /// The user.
        user_id: Arc<str>,
    },
    /// Anything may have been revoked: check every session.
    Anything,
    /// This node ended sessions of the user, and the other nodes know it: servers of another kind, which do not hear of it, are to
    /// close the user's sockets, and refuse those whose token was revoked when they come again.
    Told {
        /// The user.
        user_id: Arc<str>,
    },
}

/// The set of revoked tokens and users of the fleet, as this node knows it. Clones share the set.
#[derive(Clone, Debug)]
pub struct Revocations {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    capacity: usize,
    tokens: RwLock<HashMap<TokenKey, Option<u64>>>,
    /// Unix seconds up to which (inclusive) tokens of the user are refused.
    users: RwLock<HashMap<Box<str>, u64>>,
    events: broadcast::Sender<Revoked>,
    /// Counts the times at which something may have been missed.
    missed: watch::Sender<u64>,
    announcer: Option<Announcer>,
    marks: OnceLock<Marks>,
}

impl Revocations {
    /// An empty set; fill it with [`Revocations::load`] before serving.
    pub fn new(clock: Clock) -> Self {
        Self::build(clock, MAX_REVOKED_TOKENS, None)
    }

    /// An empty set of a node that tells the others and, from now on, hears them.
    pub async fn fleet(clock: Clock, exchange: Exchange) -> Self {
        let announcer = Announcer::new(exchange.clone());
        let revocations = Self::build(clock, MAX_REVOKED_TOKENS, Some(announcer.clone()));
        let ear = Ear(Arc::downgrade(&revocations.inner), exchange.node_id().to_string());
        exchange.listen(announcer.channel(), Arc::new(ear)).await;
        revocations
    }

    /// An empty set that holds at most `capacity` tokens, for tests of the bound.
    pub fn with_capacity(clock: Clock, capacity: usize) -> Self {
        Self::build(clock, capacity, None)
    }

    fn build(clock: Clock, capacity: usize, announcer: Option<Announcer>) -> Self {
        let (events, _) = broadcast::channel(EVENT_QUEUE);
        Self {
            inner: Arc::new(Inner {
                clock,
                capacity,
                tokens: RwLock::default(),
                users: RwLock::default(),
                events,
                missed: watch::channel(0).0,
                announcer,
                marks: OnceLock::new(),
            }),
        }
    }

    /// Has [`Revocations::look_up`] ask for what servers of another kind under the same prefix revoke. Without a fleet there are none.
    pub fn heed_others(&self) {
        if let Some(announcer) = &self.inner.announcer {
            self.inner.marks.get_or_init(|| Marks::new(announcer.exchange().clone()));
        }
    }

    /// Looks whether a server of another kind revoked the token, at most once a second for each, and takes that over; to be called
    /// before [`Revocations::is_revoked`].
    ///
    /// Gives the token if that was news: the durable row is the caller's to write.
    pub async fn look_up(
        &self,
        token_id: &str,
        user_id: &str,
        expires_at: Option<u64>,
    ) -> Option<RevokedToken> {
        let marks = self.inner.marks.get()?;
        let key = token_key(token_id);
        if self.inner.tokens.read().contains_key(&key) {
            return None;
        }
        let found = marks.ask(key, token_id, user_id).await?;
        if let Some(at) = found.user_until
            && self.mark_user(user_id, at)
        {
            self.announce(Revoked::Changed { user_id: user_id.into() });
        }
        if !found.token {
            return None;
        }
        let token = RevokedToken { token_id: token_id.to_owned(), user_id: user_id.to_owned(), expires_at };
        self.take(token.clone());
        Some(token)
    }

    /// Changes whenever revocations of other nodes may have been missed: read SQL again.
    pub fn missed(&self) -> watch::Receiver<u64> {
        self.inner.missed.subscribe()
    }

    /// Whether there are other nodes to hear of.
    pub fn is_fleet(&self) -> bool {
        self.inner.announcer.is_some()
    }

    /// Whether other nodes cannot be heard now, or not for sure.
    pub fn is_cut_off(&self) -> bool {
        self.inner.announcer.as_ref().is_some_and(Announcer::is_cut_off)
    }

    /// Takes over tokens that were revoked elsewhere, and announces on this node those that it did not know.
    pub fn take_over(&self, tokens: impl IntoIterator<Item = RevokedToken>) {
        tokens.into_iter().for_each(|token| self.take(token));
    }

    /// Announces, on this node, a change of a user that was found in SQL.
    pub fn found_changed(&self, user_id: &str) {
        self.announce(Revoked::Changed { user_id: user_id.into() });
    }

    /// Announces, on this node, that everything has to be checked, after SQL was read again.
    pub fn check_everything(&self) {
        self.announce(Revoked::Anything);
    }

    /// Takes over what SQL knows, without announcing it.
    pub fn load(&self, tokens: impl IntoIterator<Item = RevokedToken>) {
        for token in tokens {
            self.insert(&token);
        }
    }

    /// Whether a token must be refused.
    ///
    /// `issued_at` is its `iat` claim: a token without one falls under any mark on its user.
    pub fn is_revoked(&self, token_id: &str, user_id: &str, issued_at: Option<u64>) -> bool {
        {
            let tokens = self.inner.tokens.read();
            if !tokens.is_empty() && tokens.contains_key(&token_key(token_id)) {
                return true;
            }
        }
        let users = self.inner.users.read();
        users
            .get(user_id)
            .is_some_and(|revoked_at| issued_at.is_none_or(|issued_at| issued_at <= *revoked_at))
    }

    /// Refuses one token from now on and announces it.
    ///
    /// The durable row comes first and is the caller's. When the set is full of live entries, all tokens that the
    /// user holds up to now are refused instead: too many sessions end, never too few.
    ///
    /// In a fleet the others are told before this returns, or a second later beside it.
    pub async fn revoke_token(&self, token: RevokedToken) {
        let RevokedToken { token_id, user_id, expires_at } = token.clone();
        self.revoke(token);
        self.tell(News::Token { token_id, user_id, expires_at }).await;
    }

    /// Refuses every token of the user issued up to `at` (Unix seconds, inclusive) and announces it.
    pub async fn revoke_user_until(&self, user_id: &str, at: u64) {
        self.mark_user(user_id, at);
        self.announce(Revoked::User { user_id: user_id.into() });
        self.tell(News::Until { user_id: user_id.to_owned(), at }).await;
    }

    /// Announces that all sessions of the user ended through SQL (new session stamp, role change, deletion).
    pub async fn end_user(&self, user_id: &str) {
        self.announce(Revoked::User { user_id: user_id.into() });
        self.tell(News::User { user_id: user_id.to_owned() }).await;
    }

    /// What is revoked from now on. A receiver that lags must check every session it holds again.
    pub fn subscribe(&self) -> broadcast::Receiver<Revoked> {
        self.inner.events.subscribe()
    }

    /// Drops the tokens that are refused for their age anyway, and says how many.
    pub fn purge(&self) -> usize {
        let now = self.inner.clock.unix_seconds();
        let mut tokens = self.inner.tokens.write();
        let before = tokens.len();
        tokens.retain(|_, expires_at| expires_at.is_none_or(|expires_at| expires_at > now));
        let after = tokens.len();
        tokens.shrink_to(after * 2);
        before - after
    }

    /// How many revoked tokens are held.
    pub fn len(&self) -> usize {
        self.inner.tokens.read().len()
    }

    /// Whether no revoked token is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses a token and announces it on this node.
    fn revoke(&self, token: RevokedToken) {
        let announcement = if self.insert(&token) {
            Revoked::Token { token_id: token.token_id.into(), user_id: token.user_id.into() }
        } else {
            Revoked::User { user_id: token.user_id.into() }
        };
        self.announce(announcement);
    }

    /// The same for a token of another node, unless it is known.
    fn take(&self, token: RevokedToken) {
        if !self.inner.tokens.read().contains_key(&token_key(&token.token_id)) {
            self.revoke(token);
        }
    }

    async fn tell(&self, news: News) {
        if let Some(announcer) = &self.inner.announcer {
            let user_id = news.user_id().into();
            announcer.tell(news, self.inner.clock.unix_seconds()).await;
            self.announce(Revoked::Told { user_id });
        }
    }

    /// False when the set was full and the user was marked instead.
    fn insert(&self, token: &RevokedToken) -> bool {
        let now = self.inner.clock.unix_seconds();
        if token.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return true;
        }
        if self.len() >= self.inner.capacity {
            self.purge();
        }
        let mut tokens = self.inner.tokens.write();
        let room = tokens.len() < self.inner.capacity;
        match tokens.entry(token_key(&token.token_id)) {
            // Told twice with different ends, the later end wins.
            Entry::Occupied(mut held) => {
                let later = held.get().zip(token.expires_at).map(|(held, told)| held.max(told));
                held.insert(later);
                true
            }
            Entry::Vacant(free) if room => {
                free.insert(token.expires_at);
                true
            }
            Entry::Vacant(_) => {
                drop(tokens);
                self.mark_user(&token.user_id, now);
                false
            }
        }
    }

    /// True when tokens are refused by it that were not before.
    fn mark_user(&self, user_id: &str, at: u64) -> bool {
        let mut users = self.inner.users.write();
        let news = users.get(user_id).is_none_or(|mark| *mark < at);
        if news {
            users.insert(user_id.into(), at);
        }
        news
    }

    fn announce(&self, revoked: Revoked) {
        // An error only says that nobody listens.
        let _ = self.inner.events.send(revoked);
    }
}

fn token_key(token_id: &str) -> TokenKey {
    let digest = Sha256::digest(token_id.as_bytes());
    let mut key = TokenKey::default();
    key.copy_from_slice(&digest[..KEY_BYTES]);
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn token(token_id: &str, expires_at: Option<u64>) -> RevokedToken {
        RevokedToken { token_id: token_id.into(), user_id: "ada".into(), expires_at }
    }

    #[tokio::test]
    async fn revokes_one_token_and_leaves_the_others_of_its_user() {
        let revocations = Revocations::new(Clock::manual(NOW));
        revocations.revoke_token(token("a", Some(NOW + 10))).await;
        assert!(revocations.is_revoked("a", "ada", Some(NOW - 5)));
        assert!(!revocations.is_revoked("b", "ada", Some(NOW - 5)));
    }

    #[tokio::test]
    async fn purge_drops_expired_tokens_and_keeps_those_without_expiry() {
        let clock = Clock::manual(NOW);
        let revocations = Revocations::new(clock.clone());
        revocations.load([
            token("short", Some(NOW + 10)),
            token("long", Some(NOW + 100)),
            token("ever", None),
        ]);
        clock.advance(Duration::from_secs(10));
        assert_eq!(revocations.purge(), 1);
        assert_eq!(revocations.len(), 2);
        clock.advance(Duration::from_secs(1_000_000));
        assert_eq!(revocations.purge(), 1);
        assert!(revocations.is_revoked("ever", "ada", None));
    }

    #[tokio::test]
    async fn an_entry_told_twice_keeps_the_later_end() {
        let clock = Clock::manual(NOW);
        let revocations = Revocations::new(clock.clone());
        revocations.load([token("a", Some(NOW + 100)), token("a", Some(NOW + 10))]);
        clock.advance(Duration::from_secs(50));
        revocations.purge();
        assert!(revocations.is_revoked("a", "ada", None));
        revocations.load([token("a", None)]);
        clock.advance(Duration::from_secs(500));
        revocations.purge();
        assert!(revocations.is_revoked("a", "ada", None));
    }

    #[tokio::test]
    async fn a_mark_on_the_user_refuses_tokens_up_to_it_and_those_without_iat() {
        let revocations = Revocations::new(Clock::manual(NOW));
        revocations.revoke_user_until("ada", NOW).await;
        revocations.revoke_user_until("ada", NOW - 100).await;
        assert!(revocations.is_revoked("x", "ada", Some(NOW)));
        assert!(revocations.is_revoked("x", "ada", None));
        assert!(!revocations.is_revoked("x", "ada", Some(NOW + 1)));
        assert!(!revocations.is_revoked("x", "bob", None));
    }

    #[tokio::test]
    async fn a_full_set_ends_all_sessions_of_the_user_rather_than_forgetting_one() {
        let clock = Clock::manual(NOW);
        let revocations = Revocations::with_capacity(clock.clone(), 1);
        let mut events = revocations.subscribe();
        revocations.revoke_token(token("a", None)).await;
        revocations.revoke_token(token("b", None)).await;
        assert!(revocations.is_revoked("b", "ada", Some(NOW)));
        assert!(!revocations.is_revoked("b", "ada", Some(NOW + 1)));
        assert_eq!(events.recv().await, Ok(Revoked::Token { token_id: "a".into(), user_id: "ada".into() }));
        assert_eq!(events.recv().await, Ok(Revoked::User { user_id: "ada".into() }));
    }

    #[tokio::test]
    async fn a_full_set_makes_room_by_purging_first() {
        let clock = Clock::manual(NOW);
        let revocations = Revocations::with_capacity(clock.clone(), 1);
        revocations.revoke_token(token("a", Some(NOW + 1))).await;
        clock.advance(Duration::from_secs(2));
        revocations.revoke_token(token("b", Some(NOW + 100))).await;
        assert!(revocations.is_revoked("b", "bob", Some(NOW + 50)));
        assert_eq!(revocations.len(), 1);
    }

    #[tokio::test]
    async fn the_end_of_all_sessions_is_announced() {
        let revocations = Revocations::new(Clock::manual(NOW));
        let mut events = revocations.subscribe();
        revocations.end_user("ada").await;
        assert_eq!(events.try_recv(), Ok(Revoked::User { user_id: "ada".into() }));
        assert!(!revocations.is_revoked("x", "ada", None));
    }
}
