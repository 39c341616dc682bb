//! Sessions and models in use of servers of another kind under the same prefix, which tell nobody of them: read now and then.
//!
//! The reference keeps its sessions in `{prefix}:session_pool` too, as records without a node, and what its sockets use in
//! `{prefix}:usage_pool`. It takes everything out of the former that was not seen for [`COUNTS_FOR`], whoever wrote it; so own
//! sessions are seen for as long as they are connected, whether their page says something or not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::record::Record;
use super::{Inner, USAGE_EXPIRY};
use crate::exchange::Exchange;
use crate::membership::Part;
use crate::redis::{Repeat, Result, cmd};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// The pause is so many times as long as the look was, so that large pools do not keep Redis busy.
const TIMES_A_LOOK: u32 = 20;
/// Longest pause.
const MOST: Duration = Duration::from_secs(30);
/// Entries that are asked for in one command.
const PIECE: usize = 500;
/// Seconds after which the reference takes out a session that was not seen, at its usual heartbeat of at most 30 s.
const COUNTS_FOR: u64 = 120;
/// Seconds after which a session of this node counts as seen again.
const SEEN_EVERY: u64 = 30;

/// One sign in `{prefix}:usage_pool`.
#[derive(Debug, Deserialize)]
struct Sign {
    /// Unix seconds.
    updated_at: u64,
}

/// Looks after the sessions of other servers.
pub(super) struct Others {
    presence: Arc<Inner>,
    exchange: Exchange,
}

impl Others {
    pub(super) fn new(presence: Arc<Inner>, exchange: Exchange) -> Self {
        Self { presence, exchange }
    }

    async fn look(&self) -> Result<()> {
        let seen = self.look_at_sessions().await?;
        let gone: Vec<Arc<str>> = {
            let mut known = self.presence.others.lock();
            let gone = known.difference(&seen).cloned().collect();
            known.clone_from(&seen);
            gone
        };
        self.forget(&gone);
        if seen.is_empty() { Ok(()) } else { self.look_at_usage(&seen).await }
    }

    /// Takes in the sessions that count, and gives their ids.
    async fn look_at_sessions(&self) -> Result<HashSet<Arc<str>>> {
        let pool = self.exchange.socket_key("session_pool");
        let mut seen = HashSet::new();
        let mut cursor = 0_u64;
        loop {
            let scan = cmd("HSCAN").arg(&pool).arg(cursor).arg("COUNT").arg(PIECE).take();
            let connections = self.exchange.connections()?;
            let (next, entries): (u64, Vec<(String, String)>) =
                connections.sockets().command(Repeat::Idempotent, scan).await?;
            let now = self.presence.clock.unix_seconds();
            let mut chats = Vec::new();
            for (id, record) in entries {
                let session = Record::read_other(&id, &record);
                let Some(session) = session.filter(|session| counts(session.last_seen_at, now)) else {
                    continue;
                };
                seen.insert(session.session_id.clone());
                chats.extend(self.presence.pool.lock().put_foreign(session));
            }
            self.presence.tell(chats);
            cursor = next;
            if cursor == 0 {
                return Ok(seen);
            }
        }
    }

    /// Notes the signs of these sessions, each with its age: a sign that is seen late counts no longer for it.
    async fn look_at_usage(&self, sessions: &HashSet<Arc<str>>) -> Result<()> {
        let read = cmd("HGETALL").arg(self.exchange.socket_key("usage_pool")).take();
        let models: HashMap<String, String> =
            self.exchange.connections()?.sockets().command(Repeat::Idempotent, read).await?;
        let clock = &self.presence.clock;
        let (now, millis) = (clock.unix_seconds(), clock.unix_millis());
        let mut usage = self.presence.usage.lock();
        for (model, signs) in &models {
            let Ok(signs) = serde_json::from_str::<HashMap<String, Sign>>(signs) else { continue };
            for (session, Sign { updated_at }) in signs {
                let age = now.saturating_sub(updated_at);
                if age <= USAGE_EXPIRY.as_secs() && sessions.contains(session.as_str()) {
                    usage.note(&session, model, millis.saturating_sub(age * 1000));
                }
            }
        }
        Ok(())
    }

    /// Takes out those that count no more while nothing can be read.
    fn expire(&self) {
        let now = self.presence.clock.unix_seconds();
        let lapsed: Vec<Arc<str>> = {
            let (mut known, pool) = (self.presence.others.lock(), self.presence.pool.lock());
            let holds =
                |id: &Arc<str>| pool.session(id).is_some_and(|session| counts(session.last_seen_at, now));
            let lapsed = known.iter().filter(|id| !holds(id)).cloned().collect();
            known.retain(holds);
            lapsed
        };
        self.forget(&lapsed);
    }

    fn forget(&self, gone: &[Arc<str>]) {
        for id in gone {
            let chats = self.presence.pool.lock().remove_foreign(id);
            self.presence.usage.lock().remove(id);
            self.presence.tell(chats);
        }
    }
}

/// Whether a session counts as connected that was seen then.
fn counts(last_seen_at: u64, now: u64) -> bool {
    now.saturating_sub(last_seen_at) <= COUNTS_FOR
}

impl Part for Others {
    fn run(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let now = self.presence.clock.unix_seconds();
                self.presence.pool.lock().keep_seen(now, SEEN_EVERY);
                let begin = Instant::now();
                if let Err(error) = self.look().await {
                    tracing::debug!(%error, "the sessions of other servers are looked at later");
                    self.expire();
                }
                sleep((begin.elapsed() * TIMES_A_LOOK).clamp(EVERY, MOST)).await;
            }
        })
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Others").finish_non_exhaustive()
    }
}
