//! One reply's entries, text and state.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    ABANDONED_AFTER, Appended, Entry, Epoch, FINISHED_FOR, MAX_LOG_BYTES, MAX_TEXT_BYTES,
    MIN_BYTES_BETWEEN_STATES, Read, Snapshot, State,
};
use crate::error::{Result, StateError};

#[derive(Debug)]
pub(super) struct Log {
    epoch: Epoch,
    text: String,
    /// Without gaps; the first has offset `first`.
    entries: VecDeque<Bytes>,
    first: u64,
    entries_bytes: usize,
    state: Option<State>,
    /// Bytes appended since `state` was given.
    since_state: usize,
    touched_at: u64,
    finished: bool,
    /// Out of the map: another writer has the reply, or nobody.
    retired: bool,
}

impl Log {
    pub(super) fn new(epoch: Epoch, text: String, now: u64) -> Self {
        Self {
            epoch,
            text,
            entries: VecDeque::new(),
            first: 0,
            entries_bytes: 0,
            state: None,
            since_state: 0,
            touched_at: now,
            finished: false,
            retired: false,
        }
    }

    /// Bytes of entries, state and text.
    pub(super) fn bytes(&self) -> usize {
        self.entries_bytes + self.text.len() + self.state.as_ref().map_or(0, |state| state.data.len())
    }

    pub(super) fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn append(&mut self, data: Bytes, text: &str, now: u64) -> Result<Appended> {
        self.check_writable()?;
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            return Err(StateError::ReplyTooLarge { limit: MAX_TEXT_BYTES });
        }
        let offset = self.next();
        self.text.push_str(text);
        self.touched_at = now;
        self.entries_bytes += data.len();
        self.since_state += data.len();
        self.entries.push_back(data);
        if self.entries_bytes > MAX_LOG_BYTES {
            self.drop_oldest(self.entries_bytes - MAX_LOG_BYTES);
        }
        let state_bytes = self.state.as_ref().map_or(0, |state| state.data.len());
        Ok(Appended { offset, wants_state: self.since_state > state_bytes.max(MIN_BYTES_BETWEEN_STATES) })
    }

    /// Lets go of at least `bytes` of the oldest entries, as far as there are any.
    pub(super) fn drop_oldest(&mut self, bytes: usize) {
        let goal = self.entries_bytes.saturating_sub(bytes);
        while self.entries_bytes > goal {
            let Some(entry) = self.entries.pop_front() else { break };
            self.entries_bytes -= entry.len();
            self.first += 1;
        }
        // A state is of use only together with every entry after it.
        if self.state.as_ref().is_some_and(|state| state.offset < self.first) {
            self.state = None;
        }
    }

    pub(super) fn put_state(&mut self, data: Bytes) -> Result<()> {
        self.check_writable()?;
        self.state = Some(State { offset: self.next(), data });
        self.since_state = 0;
        Ok(())
    }

    pub(super) fn finish(&mut self, now: u64) -> Result<()> {
        self.check_writable()?;
        self.finished = true;
        self.touched_at = now;
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let since = self.state.as_ref().map_or(self.first, |state| state.offset);
        Snapshot {
            epoch: self.epoch,
            offset: self.next(),
            text: self.text.clone(),
            state: self.state.clone(),
            entries: self.entries_from(since),
            finished: self.finished,
        }
    }

    pub(super) fn read_from(&self, epoch: Epoch, offset: u64) -> Read {
        if epoch != self.epoch || offset < self.first || offset > self.next() {
            return Read::Resync(self.snapshot());
        }
        Read::Entries { entries: self.entries_from(offset), next: self.next(), finished: self.finished }
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        let kept_for = if self.finished { FINISHED_FOR } else { ABANDONED_AFTER };
        now.saturating_sub(self.touched_at) >= kept_for.as_secs()
    }

    /// Empties the log and refuses its writer; returns the bytes that were held.
    pub(super) fn retire(&mut self) -> usize {
        let bytes = self.bytes();
        self.first = self.next();
        self.entries = VecDeque::new();
        self.entries_bytes = 0;
        self.state = None;
        self.text = String::new();
        self.retired = true;
        bytes
    }

    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn entries_from(&self, offset: u64) -> Vec<Entry> {
        let skip = usize::try_from(offset.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let first = self.first;
        let numbered = (first..).zip(self.entries.iter());
        numbered.skip(skip).map(|(offset, data)| Entry { offset, data: data.clone() }).collect()
    }

    fn check_writable(&self) -> Result<()> {
        if self.retired || self.finished { Err(StateError::ReplyTakenOver) } else { Ok(()) }
    }
}
