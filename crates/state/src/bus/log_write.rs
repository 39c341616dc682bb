//! Writes to the logs of live replies, which go the same way as the events of these replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antiphon_realtime::BusError;
use redis::Cmd;

use super::RedisBus;
use super::outgoing::{Item, Outgoing};
use crate::redis::cmd;

/// Appends to a list that exists and publishes. A list that is full memory's victim must not hold back the event.
const APPEND: &str = "\
local n = redis.pcall('RPUSHX', KEYS[1], ARGV[1]) \
if type(n) ~= 'number' then n = 0 end \
if n > 0 and ARGV[2] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[2]) end \
if ARGV[3] then redis.call('PUBLISH', ARGV[3], ARGV[4]) end \
return n";
/// Writes a list anew.
const REPLACE: &str = "\
redis.call('DEL', KEYS[1]) \
for i = 2, #ARGV do \
local n = redis.pcall('RPUSH', KEYS[1], ARGV[i]) \
if type(n) ~= 'number' then redis.call('DEL', KEYS[1]) return 0 end \
end \
redis.call('EXPIRE', KEYS[1], ARGV[1]) \
return #ARGV - 1";

/// One write. A list: its elements are as the reply log makes them.
#[derive(Debug)]
pub(crate) struct LogWrite {
    pub(crate) key: Arc<str>,
    pub(crate) elements: Vec<Vec<u8>>,
    /// Writes the list anew instead of appending.
    pub(crate) replaces: bool,
    /// Time after which the list is gone; zero for an append that leaves this as it was.
    pub(crate) ttl: Duration,
    /// Set when the list in Redis is not complete any more.
    pub(crate) broken: Arc<AtomicBool>,
}

impl LogWrite {
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.elements.iter().map(Vec::len).sum::<usize>()
    }

    pub(super) fn is_append(&self) -> bool {
        !self.replaces
    }

    /// The command, which also publishes `event` when there is one.
    pub(super) fn command(&self, event: Option<(&str, &str)>) -> Cmd {
        let mut command = cmd("EVAL");
        let ttl = self.ttl.as_secs();
        if self.replaces {
            return command.arg(REPLACE).arg(1).arg(&*self.key).arg(ttl).arg(&self.elements).take();
        }
        command.arg(APPEND).arg(1).arg(&*self.key).arg(&self.elements).arg(ttl);
        if let Some((channel, payload)) = event {
            command.arg(channel).arg(payload);
        }
        command.take()
    }

    /// Takes note of the number of elements that the list has now.
    pub(super) fn written(&self, elements: u64) {
        if elements == 0 {
            self.lost();
        }
    }

    /// The write was not carried out, or nobody knows.
    pub(super) fn lost(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

/// The way of the logs. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct LogWay(Arc<Outgoing>);

impl LogWay {
    /// Queues a write. An append goes out together with the next event.
    pub(crate) fn push(&self, write: LogWrite) -> Result<(), BusError> {
        self.0.push(Item::log(write))
    }
}

impl RedisBus {
    /// The way of the logs of live replies.
    pub(crate) fn log_way(&self) -> LogWay {
        LogWay(self.inner.outgoing.clone())
    }
}
