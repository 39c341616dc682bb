//! A table in Redis to which each node adds entries of its own, and which every node has in its memory.
//!
//! Reading costs nothing. A change is made in memory, written to Redis by one script for all changes that wait, and told to the
//! others by the same script or beside it. Whatever goes wrong is repaired by writing the own entries again and reading the
//! others': after every gap of the subscription, when the lease was lost, and when the numbers of entries differ.

mod content;
mod pending;
mod reading;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::exchange::Exchange;
use crate::membership::Part;
use crate::redis::{Batch, Repeat, Result, cmd};
pub(crate) use content::{Changes, Content, Names};
use pending::Pending;
pub(crate) use reading::Ear;

/// Entries of one script.
const PORTION: usize = 200;
/// Bytes of the records of one script, but for the last of them.
const PORTION_BYTES: usize = 256 * 1024;
/// Own entries that are looked for in Redis at each comparison.
const SAMPLE: usize = 8;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// The mirror of one table.
pub(crate) struct Mirror<C> {
    content: Arc<C>,
    exchange: Exchange,
    state: Mutex<State>,
    /// Something is to be done.
    wake: Notify,
    /// Held while something is written.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    /// All own entries are to be written.
    rewrite: bool,
    foreign: Foreign,
    /// Nothing is written any more.
    closed: bool,
    /// Entries of which something was heard since a reading began.
    heard: Option<HashSet<Arc<str>>>,
    drift: Drift,
}

/// How well the entries of other nodes are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Foreign {
    /// Some may have been missed: all are to be read.
    #[default]
    Stale,
    /// They are being read.
    Reading,
    /// Whatever is heard now completes them.
    Known,
}

/// By how many entries Redis has more than this node knows.
#[derive(Debug, Default)]
struct Drift {
    last: i64,
    /// What remained after reading again: entries of other servers.
    explained: i64,
}

impl Drift {
    /// Whether reading again may help: the same difference was seen twice.
    fn calls_for_reading(&mut self, now: i64) -> bool {
        let twice = now == self.last && now != self.explained;
        self.last = now;
        if twice || now == 0 {
            self.explained = now;
        }
        twice
    }
}

impl<C: Content> Mirror<C> {
    pub(crate) fn new(content: Arc<C>, exchange: Exchange) -> Self {
        Self {
            content,
            exchange,
            state: Mutex::default(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Notes that an own entry changed, came or went. No lock of the content may be held.
    pub(crate) fn note(&self, id: &str, tell: bool) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if !state.pending.note(id, tell) {
            state.rewrite = true;
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Whether all entries of other nodes are known: nothing is missed now, and what was missed has been read.
    pub(crate) fn is_complete(&self) -> bool {
        let cut_off = self.exchange.is_cut_off();
        let state = self.state.lock();
        !cut_off && state.foreign == Foreign::Known
    }

    /// Writes all own entries, and reads all others, soon.
    pub(crate) fn repair(&self) {
        let mut state = self.state.lock();
        state.rewrite = true;
        state.foreign = Foreign::Stale;
        drop(state);
        self.wake.notify_one();
    }

    /// Does one thing that is to be done; false when there is none.
    async fn step(&self) -> Result<bool> {
        let _writing = self.writing.lock().await;
        let (rewrite, reread) = {
            let mut state = self.state.lock();
            if state.closed {
                return Ok(false);
            }
            (std::mem::take(&mut state.rewrite), state.foreign == Foreign::Stale)
        };
        if rewrite && let Err(error) = self.note_all().await {
            self.state.lock().rewrite = true;
            return Err(error);
        }
        if reread {
            self.read().await?;
        }
        Ok(self.write().await? || rewrite || reread)
    }

    /// Notes every own entry, and those which Redis takes for own but are none.
    async fn note_all(&self) -> Result<()> {
        let connections = self.exchange.connections()?;
        let link = self.content.names().link(&connections);
        let key = self.content.names().owned_by(self.exchange.node_id());
        let mut ids: HashSet<Arc<str>> = self.content.own().into_iter().collect();
        let mut cursor = 0_u64;
        loop {
            let scan = cmd("SSCAN").arg(&key).arg(cursor).arg("COUNT").arg(reading::PIECE).take();
            let (next, some): (u64, Vec<String>) = link.command(Repeat::Idempotent, scan).await?;
            ids.extend(some.into_iter().map(Into::into));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut state = self.state.lock();
        for id in ids {
            state.pending.note(&id, true);
        }
        Ok(())
    }

    /// Writes a portion of the changes; false when there were none.
    async fn write(&self) -> Result<bool> {
        let mut taken: HashMap<Arc<str>, bool> = HashMap::new();
        let mut changes = Changes::default();
        while taken.len() < PORTION && changes.bytes() <= PORTION_BYTES {
            // In a statement of its own: the lock must not be held while the content is asked.
            let next = self.state.lock().pending.pop();
            let Some((id, tell)) = next else { break };
            changes.add(&id, self.content.record(&id), tell);
            taken.insert(id, tell);
        }
        if taken.is_empty() {
            return Ok(false);
        }
        match self.content.write(&changes).await {
            Ok(lost) => {
                if lost {
                    self.state.lock().rewrite = true;
                }
                Ok(true)
            }
            Err(error) => {
                let mut state = self.state.lock();
                for (id, tell) in taken {
                    if !state.pending.note(&id, tell) {
                        state.rewrite = true;
                    }
                }
                Err(error)
            }
        }
    }

    /// Compares the numbers of entries with those in Redis, and looks whether some of the own entries are there.
    ///
    /// The numbers alone do not tell when the table was evicted and the set of the own entries was not.
    async fn compare(&self) -> Result<()> {
        let idle = |state: &State| {
            state.pending.is_empty() && !state.rewrite && state.foreign == Foreign::Known && !state.closed
        };
        if !idle(&self.state.lock()) {
            return Ok(());
        }
        let names = self.content.names();
        let (own, foreign) = self.content.counts();
        let count_own = cmd("SCARD").arg(names.owned_by(self.exchange.node_id())).take();
        let count_all = cmd("HLEN").arg(names.table()).take();
        let connections = self.exchange.connections()?;
        let mut look = cmd("HMGET").arg(names.table()).take();
        let ids = self.content.own();
        let sample = sample(&ids);
        match sample.as_slice() {
            // The command needs a field.
            [] => look.arg(""),
            sample => look.arg(sample),
        };
        let batch = Batch::new().with(count_own).with(count_all).with(look);
        let (owned, all, found): (i64, i64, Vec<Option<String>>) =
            names.link(&connections).batch(Repeat::Idempotent, batch).await?;
        let lacking = !sample.is_empty() && found.iter().any(Option::is_none);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut state = self.state.lock();
        if !idle(&state) || self.content.counts() != (own, foreign) {
            return Ok(());
        }
        let drifted = state.drift.calls_for_reading(all - count(own) - count(foreign));
        state.rewrite |= lacking || owned != count(own);
        if drifted {
            state.foreign = Foreign::Stale;
        }
        if state.rewrite || drifted {
            tracing::debug!(
                table = names.table(),
                owned,
                own,
                all,
                foreign,
                "entries in Redis were lost and are repaired"
            );
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }
}

/// Some of the ids, spread over all.
fn sample(ids: &[Arc<str>]) -> Vec<&str> {
    ids.iter().step_by(ids.len().div_ceil(SAMPLE).max(1)).map(|id| &**id).collect()
}

impl<C: Content> Part for Mirror<C> {
    fn run(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                match self.step().await {
                    Ok(true) => {}
                    Ok(false) => self.wake.notified().await,
                    Err(error) => {
                        tracing::debug!(%error, table = self.content.names().table(), "changes wait until Redis takes them");
                        sleep(PAUSE).await;
                    }
                }
            }
        })
    }

    fn lost(&self) {
        self.repair();
    }

    fn tick(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for id in self.content.touched() {
                self.note(&id, false);
            }
            if let Err(error) = self.compare().await {
                tracing::debug!(%error, table = self.content.names().table(), "the table is compared later");
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.state.lock().closed = true;
            // A portion that is being written is waited for; no other follows.
            drop(self.writing.lock().await);
        })
    }

    fn clean<'a>(&'a self, node: &'a str, own: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.content.clean(node, own))
    }
}

impl<C> fmt::Debug for Mirror<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mirror").field("state", &*self.state.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Drift;

    #[test]
    fn a_difference_that_reading_does_not_explain_calls_for_it_once() {
        let mut drift = Drift::default();
        let asked: Vec<bool> =
            [0, 2, 2, 2, 2, 3, 3, 3, 0, 2, 2].map(|now| drift.calls_for_reading(now)).into();
        let expected = [false, false, true, false, false, false, true, false, false, false, true];
        assert_eq!(asked, expected);
    }
}
