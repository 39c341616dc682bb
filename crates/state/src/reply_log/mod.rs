//! Live replies: the ordered deltas of a reply while it is generated, so that whoever comes late gets the text so
//! far and then the rest.
//!
//! A log has an *epoch* (one writer's unbroken work; a new writer begins a new one) and *offsets* (the first entry of
//! an epoch has offset 0). A reader remembers both and asks for what follows; when the epoch changed or the entries
//! it needs were dropped, it gets a [`Snapshot`] instead. A snapshot is the text so far plus, when the writer keeps
//! one, the serialized state of the whole message at some offset with the entries since.
//!
//! Memory is bounded per entry, per reply and per node: old entries go first, the text so far stays.

#![expect(clippy::unused_async, reason = "the Redis form of these calls waits for the network")]

mod log;
mod missed;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::bus::RedisBus;
use crate::clock::Clock;
use crate::error::{Result, StateError};
use crate::exchange::Exchange;
use log::Log;
use missed::Missed;
use shared::{Shared, SharedWriter};

/// Most replies held at once, finished ones of the last minute included.
pub const MAX_REPLIES: usize = 20_000;

/// Largest single entry.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

/// Bytes of entries kept per reply; older ones are dropped.
pub const MAX_LOG_BYTES: usize = 4 << 20;

/// Longest text of a live reply.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// Bytes of entries, states and texts held on the node. Above it a reply that grows drops its own older entries, and
/// takes no more when it has none left.
pub const MAX_NODE_BYTES: usize = 512 << 20;

/// Entries' bytes since the last state above which [`Appended::wants_state`] asks for a new one, at the least; a
/// larger state is asked for again only when the entries since have outgrown it, so that its cost stays linear.
pub const MIN_BYTES_BETWEEN_STATES: usize = 64 << 10;

/// How long a finished reply can still be read.
pub const FINISHED_FOR: Duration = Duration::from_mins(1);

/// A reply nobody appended to for this long is dropped by [`ReplyLogs::purge`].
pub const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// Which reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplyKey {
    /// The chat.
    pub chat_id: Arc<str>,
    /// The assistant message.
    pub message_id: Arc<str>,
}

impl ReplyKey {
    /// The reply `message_id` of `chat_id`.
    pub fn new(chat_id: &str, message_id: &str) -> Self {
        Self { chat_id: chat_id.into(), message_id: message_id.into() }
    }
}

/// One writer's unbroken work on a reply. Never the same twice; fits a JavaScript number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// One serialized delta event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the epoch, counted from 0.
    pub offset: u64,
    /// What was appended.
    pub data: Bytes,
}

/// The serialized whole message, as its writer last gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The first offset that the state does not contain.
    pub offset: u64,
    /// What the writer gave.
    pub data: Bytes,
}

/// A reply as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The epoch that `offset` counts in.
    pub epoch: Epoch,
    /// The offset that the next entry will have: read on from here.
    pub offset: u64,
    /// The text so far.
    pub text: String,
    /// The whole message as its writer last gave it, if it did and no entry since was dropped.
    pub state: Option<State>,
    /// The entries since `state`; without a state, all entries still held.
    pub entries: Vec<Entry>,
    /// Whether the reply has ended.
    pub finished: bool,
}

/// What a reader gets who asked to go on from an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The entries from that offset on, possibly none.
    Entries {
        /// In order, without gaps.
        entries: Vec<Entry>,
        /// The offset to ask for next.
        next: u64,
        /// Whether the reply has ended.
        finished: bool,
    },
    /// The epoch changed or the entries are gone: start anew from this.
    Resync(Snapshot),
}

impl Snapshot {
    /// What follows `offset` of `epoch` in it.
    fn read_from(self, epoch: Epoch, offset: u64) -> Read {
        let first = self.entries.first().map_or(self.offset, |first| first.offset);
        if epoch != self.epoch || offset < first || offset > self.offset {
            return Read::Resync(self);
        }
        let entries = self.entries.into_iter().filter(|entry| entry.offset >= offset).collect();
        Read::Entries { entries, next: self.offset, finished: self.finished }
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset the entry got.
    pub offset: u64,
    /// Enough was appended that [`ReplyWriter::put_state`] would make reading cheaper.
    pub wants_state: bool,
}

/// All live replies. Clones share them.
#[derive(Clone, Debug)]
pub struct ReplyLogs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    last_epoch: AtomicU64,
    logs: Mutex<HashMap<ReplyKey, Arc<Mutex<Log>>>>,
    /// Bytes of entries, states and texts over all logs.
    bytes: AtomicUsize,
    node_limit: usize,
    /// Where the nodes of a fleet write and read the logs.
    shared: Option<Shared>,
    missed: Missed,
}

/// The one writer of a reply. Dropping it leaves the log as it is: unfinished, for somebody to take over.
#[derive(Debug)]
pub struct ReplyWriter {
    key: ReplyKey,
    epoch: Epoch,
    log: Arc<Mutex<Log>>,
    logs: ReplyLogs,
    shared: Option<SharedWriter>,
}

impl ReplyLogs {
    /// No replies.
    pub fn new(clock: Clock) -> Self {
        Self::with_node_limit(clock, MAX_NODE_BYTES)
    }

    /// No replies; those of other nodes are read over Redis, and these go there with their events and stay for
    /// `kept_for` (`REDIS_RESPONSE_STREAM_TTL`) after their last entry, a day at most. Must be called inside a Tokio runtime.
    pub fn fleet(clock: Clock, exchange: &Exchange, bus: &RedisBus, kept_for: Option<Duration>) -> Self {
        let shared = Shared::new(exchange.clone(), bus.log_way(), kept_for);
        let logs = Self::build(clock, MAX_NODE_BYTES, Some(shared));
        logs.inner.missed.listen(exchange);
        logs
    }

    /// No replies, and room for `node_limit` bytes of entries, for tests of the bound.
    pub fn with_node_limit(clock: Clock, node_limit: usize) -> Self {
        Self::build(clock, node_limit, None)
    }

    fn build(clock: Clock, node_limit: usize, shared: Option<Shared>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                last_epoch: AtomicU64::new(0),
                logs: Mutex::default(),
                bytes: AtomicUsize::new(0),
                node_limit,
                shared,
                missed: Missed::default(),
            }),
        }
    }

    /// Begins a new epoch of the reply with `text` as what it holds already (empty for a fresh one).
    ///
    /// A writer of an earlier epoch is refused from now on.
    pub async fn open(&self, key: ReplyKey, text: &str) -> Result<ReplyWriter> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(StateError::ReplyTooLarge { limit: MAX_TEXT_BYTES });
        }
        let epoch = self.next_epoch();
        let now = self.inner.clock.unix_seconds();
        let log = Arc::new(Mutex::new(Log::new(epoch, text.to_owned(), now)));
        let mut logs = self.inner.logs.lock();
        if !logs.contains_key(&key) && logs.len() >= MAX_REPLIES {
            self.purge_locked(&mut logs, now);
            if logs.len() >= MAX_REPLIES {
                return Err(StateError::TooManyReplies { limit: MAX_REPLIES });
            }
        }
        self.inner.bytes.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(before) = logs.insert(key.clone(), Arc::clone(&log)) {
            self.retire(&before);
        }
        drop(logs);
        let first = log.lock().snapshot();
        let shared = self.inner.shared.as_ref().map(|shared| shared.open(&key, &first));
        Ok(ReplyWriter { key, epoch, log, logs: self.clone(), shared })
    }

    /// The reply as it stands, on whichever node it is written; `None` when it is neither live nor just finished.
    pub async fn snapshot(&self, key: &ReplyKey) -> Option<Snapshot> {
        let here = self.find(key).map(|log| log.lock().snapshot());
        let Some(shared) = &self.inner.shared else { return here };
        if here.as_ref().is_some_and(|here| !here.finished) {
            return here;
        }
        // Another node may write it anew.
        let there = shared.read(key).await;
        match (here, there) {
            (Some(here), Some(there)) if there.epoch <= here.epoch => Some(here),
            (here, there) => there.or(here),
        }
    }

    /// The text so far; `None` when the reply is neither live nor just finished.
    pub async fn text(&self, key: &ReplyKey) -> Option<String> {
        self.snapshot(key).await.map(|snapshot| snapshot.text)
    }

    /// The entries from `offset` of `epoch` on, or a snapshot when they cannot be had.
    pub async fn read_from(&self, key: &ReplyKey, epoch: Epoch, offset: u64) -> Option<Read> {
        if let Some(log) = self.find(key)
            && (self.inner.shared.is_none() || !log.lock().is_finished())
        {
            return Some(log.lock().read_from(epoch, offset));
        }
        self.snapshot(key).await.map(|snapshot| snapshot.read_from(epoch, offset))
    }

    /// Forgets the reply (its chat was deleted). False when there was none.
    pub async fn remove(&self, key: &ReplyKey) -> bool {
        let removed = self.inner.logs.lock().remove(key);
        removed.inspect(|log| self.retire(log)).is_some()
    }

    /// Drops replies that finished a while ago or were abandoned, and says how many.
    pub fn purge(&self) -> usize {
        let now = self.inner.clock.unix_seconds();
        self.purge_locked(&mut self.inner.logs.lock(), now)
    }

    /// A number that changes when sockets of some node may have missed events: whoever writes a reply tells all of it again.
    pub fn missed(&self) -> u64 {
        self.inner.missed.count()
    }

    /// How many replies are held, just finished ones included.
    pub fn len(&self) -> usize {
        self.inner.logs.lock().len()
    }

    /// Whether no reply is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of entries, states and texts held.
    pub fn bytes(&self) -> usize {
        self.inner.bytes.load(Ordering::Relaxed)
    }

    fn find(&self, key: &ReplyKey) -> Option<Arc<Mutex<Log>>> {
        self.inner.logs.lock().get(key).cloned()
    }

    fn purge_locked(&self, logs: &mut HashMap<ReplyKey, Arc<Mutex<Log>>>, now: u64) -> usize {
        let before = logs.len();
        logs.retain(|_, log| {
            let keep = !log.lock().is_over(now);
            if !keep {
                self.retire(log);
            }
            keep
        });
        before - logs.len()
    }

    /// Empties a log that left the map, so that its writer is refused and its bytes are free at once.
    fn retire(&self, log: &Mutex<Log>) {
        let freed = log.lock().retire();
        self.inner.bytes.fetch_sub(freed, Ordering::Relaxed);
    }

    /// The clock's milliseconds with ten bits to tell epochs of one millisecond apart, always growing.
    fn next_epoch(&self) -> Epoch {
        let from_clock = self.inner.clock.unix_millis() << 10;
        let next = |last: u64| Some(from_clock.max(last + 1));
        let last = self.inner.last_epoch.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Epoch(from_clock.max(last.unwrap_or_default() + 1))
    }
}

impl ReplyWriter {
    /// Which reply is written.
    pub fn key(&self) -> &ReplyKey {
        &self.key
    }

    /// The epoch of this writer.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Appends one serialized delta event; `text` is what it adds to the text, empty for events that add none.
    pub async fn append(&self, data: Bytes, text: &str) -> Result<Appended> {
        if data.len() > MAX_ENTRY_BYTES {
            return Err(StateError::ReplyTooLarge { limit: MAX_ENTRY_BYTES });
        }
        let now = self.logs.inner.clock.unix_seconds();
        let limit = self.logs.inner.node_limit;
        let mut log = self.log.lock();
        let before = log.bytes();
        if !log.has_entries() && self.logs.bytes() >= limit {
            return Err(StateError::RepliesTooLarge { limit });
        }
        let sent = self.shared.as_ref().map(|_| data.clone());
        let appended = log.append(data, text, now)?;
        // The node is full: this reply makes room for what it brings by letting go of its own oldest entries.
        let held = (self.logs.bytes() + log.bytes()).saturating_sub(before);
        if held > limit {
            log.drop_oldest(held - limit);
        }
        self.account(before, log.bytes());
        if let (Some(shared), Some(sent)) = (&self.shared, sent) {
            let now = self.logs.inner.clock.unix_millis();
            shared.append(appended.offset, &sent, text, now, || log.snapshot());
        }
        Ok(appended)
    }

    /// Gives the serialized whole message with everything appended so far, so that readers need not fold all
    /// entries.
    pub async fn put_state(&self, data: Bytes) -> Result<()> {
        if data.len() > MAX_TEXT_BYTES {
            return Err(StateError::ReplyTooLarge { limit: MAX_TEXT_BYTES });
        }
        let mut log = self.log.lock();
        let before = log.bytes();
        log.put_state(data)?;
        self.account(before, log.bytes());
        if let Some(shared) = &self.shared {
            shared.replace(&log.snapshot());
        }
        Ok(())
    }

    /// Ends the reply: it can be read for [`FINISHED_FOR`] more and takes no further entry.
    pub async fn finish(self) -> Result<()> {
        let mut log = self.log.lock();
        log.finish(self.logs.inner.clock.unix_seconds())?;
        if let Some(shared) = &self.shared {
            shared.finish(&log.snapshot());
        }
        Ok(())
    }

    fn account(&self, before: usize, after: usize) {
        let bytes = &self.logs.inner.bytes;
        if after >= before {
            bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
