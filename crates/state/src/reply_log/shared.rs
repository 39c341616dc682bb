//! A live reply in Redis, so that other nodes can read it while it is written.
//!
//! | key | type | what | slot |
//! |---|---|---|---|
//! | `{prefix}:antiphon:reply:{chat}:{message}` | string | the id of the writing node | `{prefix}` |
//! | `{prefix}:antiphon:{node}:log:{chat}:{message}` | list | the reply, see below | `{node}` |
//!
//! The first element is a head: epoch, next offset, text and state at some moment. Each further one is an entry with its
//! offset and the text it adds. Entries are appended in the same command that publishes their event; the tag makes that
//! command take the way of all events of the node. An entry that comes twice, because a connection broke, has the same offset.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{Entry, Epoch, FINISHED_FOR, MAX_LOG_BYTES, MAX_TEXT_BYTES, ReplyKey, Snapshot, State};
use crate::bus::{LogWay, LogWrite};
use crate::exchange::Exchange;
use crate::redis::{Repeat, cmd};

/// Time after which the place of a log is forgotten, and longest time for which a log is kept after its last entry.
const PLACE_KEPT_FOR: Duration = Duration::from_hours(24);
/// Longest wait for a log of another node.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// Time between two renewals of a log's lifetime, which is longer by as much: most appends then need no command for it.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Pause between two attempts to write a log anew.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// The logs of a fleet.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    exchange: Exchange,
    way: LogWay,
    /// Time after the last entry for which a log is kept.
    kept_for: Duration,
}

/// The log of one reply that this node writes.
#[derive(Debug)]
pub(super) struct SharedWriter {
    shared: Shared,
    reply: ReplyKey,
    key: Arc<str>,
    broken: Arc<AtomicBool>,
    /// Milliseconds on the clock of the last attempt to write it anew.
    mended: AtomicU64,
    /// Bytes appended since it was written anew.
    appended: AtomicU64,
    /// Milliseconds on the clock of the last renewal of its lifetime.
    renewed: AtomicU64,
}

impl Shared {
    /// `kept_for` is `REDIS_RESPONSE_STREAM_TTL`; without an end, or with a later one, it is a day.
    pub(super) fn new(exchange: Exchange, way: LogWay, kept_for: Option<Duration>) -> Self {
        let kept_for = kept_for.unwrap_or(PLACE_KEPT_FOR).min(PLACE_KEPT_FOR);
        Self { exchange, way, kept_for }
    }

    fn place(&self, reply: &ReplyKey) -> String {
        self.exchange.socket_key(&format!("antiphon:reply:{}:{}", reply.chat_id, reply.message_id))
    }

    fn key(&self, node_id: &str, reply: &ReplyKey) -> String {
        self.exchange.key_of_node(node_id, &format!("log:{}:{}", reply.chat_id, reply.message_id))
    }

    /// Begins a log.
    pub(super) fn open(&self, reply: &ReplyKey, first: &Snapshot) -> SharedWriter {
        let writer = SharedWriter {
            shared: self.clone(),
            reply: reply.clone(),
            key: self.key(self.exchange.node_id(), reply).into(),
            broken: Arc::default(),
            mended: AtomicU64::new(0),
            appended: AtomicU64::new(0),
            renewed: AtomicU64::new(0),
        };
        writer.replace(first);
        writer
    }

    /// The reply as another node has written it so far; `None` when there is none, or it cannot be read in time.
    pub(super) async fn read(&self, reply: &ReplyKey) -> Option<Snapshot> {
        let sockets = self.exchange.connections().ok()?.sockets().clone();
        if !sockets.is_up() {
            return None;
        }
        let reading = async {
            let get = cmd("GET").arg(self.place(reply)).take();
            let node_id: Option<String> = sockets.command(Repeat::Idempotent, get).await?;
            let Some(node_id) = node_id else { return Ok(None) };
            let range = cmd("LRANGE").arg(self.key(&node_id, reply)).arg(0).arg(-1).take();
            sockets.command::<Vec<Vec<u8>>>(Repeat::Idempotent, range).await.map(Some)
        };
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(elements)) => decode(&elements?),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the log of a reply could not be read; its chat shows the text that is stored");
                None
            }
            Err(_) => None,
        }
    }
}

impl SharedWriter {
    /// Appends an entry, or writes the log anew when it is not complete. `now` is in milliseconds.
    pub(super) fn append(
        &self,
        offset: u64,
        data: &[u8],
        text: &str,
        now: u64,
        whole: impl FnOnce() -> Snapshot,
    ) {
        if self.broken.load(Ordering::Relaxed) {
            self.mend(now, whole);
            return;
        }
        let element = entry(offset, data, text);
        let bytes = self.appended.fetch_add(element.len() as u64, Ordering::Relaxed) + element.len() as u64;
        if bytes > MAX_LOG_BYTES as u64 {
            self.replace(&whole());
            return;
        }
        // Also when the clock was set back.
        let due = now.abs_diff(self.renewed.load(Ordering::Relaxed)) >= millis(RENEW_EVERY);
        if due {
            self.renewed.store(now, Ordering::Relaxed);
        }
        self.write(vec![element], false, if due { self.lifetime() } else { Duration::ZERO });
    }

    fn mend(&self, now: u64, whole: impl FnOnce() -> Snapshot) {
        let is_up = self.shared.exchange.connections().is_ok_and(|connections| connections.sockets().is_up());
        if is_up && now.saturating_sub(self.mended.load(Ordering::Relaxed)) >= millis(MEND_EVERY) {
            self.mended.store(now, Ordering::Relaxed);
            self.replace(&whole());
        }
    }

    /// Writes the whole log anew, and where it is.
    pub(super) fn replace(&self, whole: &Snapshot) {
        let mut elements = vec![head(whole)];
        elements.extend(whole.entries.iter().map(|entry_| entry(entry_.offset, &entry_.data, "")));
        self.broken.store(false, Ordering::Relaxed);
        self.appended.store(0, Ordering::Relaxed);
        self.write(elements, true, self.lifetime());
        let (shared, place) = (self.shared.clone(), self.shared.place(&self.reply));
        tokio::spawn(async move {
            let Ok(connections) = shared.exchange.connections() else { return };
            let sockets = connections.sockets().clone();
            drop(connections);
            let ttl = PLACE_KEPT_FOR.as_secs();
            let set = cmd("SET").arg(place).arg(&**shared.exchange.node_id()).arg("EX").arg(ttl).take();
            if let Err(error) = sockets.command::<()>(Repeat::Idempotent, set).await {
                tracing::debug!(%error, "the place of a live reply could not be noted; other nodes show what is stored");
            }
        });
    }

    /// Ends the log: it can be read for a little while.
    pub(super) fn finish(&self, whole: &Snapshot) {
        // The text is in SQL already; the head alone says that it has ended.
        let end = Snapshot { text: String::new(), state: None, entries: Vec::new(), ..whole.clone() };
        self.write(vec![head(&end)], true, FINISHED_FOR);
    }

    /// Lasts until the last word is as old as it may be, although not every word renews it.
    fn lifetime(&self) -> Duration {
        self.shared.kept_for + RENEW_EVERY
    }

    fn write(&self, elements: Vec<Vec<u8>>, replaces: bool, ttl: Duration) {
        let write = LogWrite { key: self.key.clone(), elements, replaces, ttl, broken: self.broken.clone() };
        if self.shared.way.push(write).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `{offset} {bytes of text}\n{text}{data}`
fn entry(offset: u64, data: &[u8], text: &str) -> Vec<u8> {
    let mut element = format!("{offset} {}\n{text}", text.len()).into_bytes();
    element.extend_from_slice(data);
    element
}

/// `{epoch} {next offset} {1 when finished} {bytes of text} {offset of the state or -}\n{text}{state}`
fn head(whole: &Snapshot) -> Vec<u8> {
    let next = whole.entries.first().map_or(whole.offset, |first| first.offset);
    let state = whole.state.as_ref();
    let state_offset = state.map_or_else(|| "-".to_owned(), |state| state.offset.to_string());
    let (epoch, text) = (whole.epoch.0, &whole.text);
    let mut element =
        format!("{epoch} {next} {} {} {state_offset}\n{text}", u8::from(whole.finished), text.len())
            .into_bytes();
    element.extend_from_slice(state.map_or(&[], |state| &state.data));
    element
}

/// The numbers of an element and what follows them.
fn split(element: &[u8]) -> Option<(Vec<&str>, &[u8])> {
    let end = element.iter().position(|byte| *byte == b'\n')?;
    let numbers = std::str::from_utf8(element.get(..end)?).ok()?.split(' ').collect();
    Some((numbers, element.get(end + 1..)?))
}

/// Text of this many bytes, and the rest.
fn take_text<'a>(bytes: &'a [u8], length: &str) -> Option<(&'a str, &'a [u8])> {
    let (text, rest) = bytes.split_at_checked(length.parse().ok()?)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// Puts the elements together; `None` for what is not a log, or has a gap.
fn decode(elements: &[Vec<u8>]) -> Option<Snapshot> {
    let (first, entries) = elements.split_first()?;
    let (numbers, rest) = split(first)?;
    let [epoch, next, finished, text_bytes, state_offset] = numbers[..] else { return None };
    let (text, state) = take_text(rest, text_bytes)?;
    let state = state_offset.parse().ok().map(|offset| State { offset, data: Bytes::copy_from_slice(state) });
    let mut snapshot = Snapshot {
        epoch: Epoch(epoch.parse().ok()?),
        offset: next.parse().ok()?,
        text: text.to_owned(),
        state,
        entries: Vec::new(),
        finished: finished == "1",
    };
    for element in entries {
        let (numbers, rest) = split(element)?;
        let [offset, text_bytes] = numbers[..] else { return None };
        let offset: u64 = offset.parse().ok()?;
        if offset < snapshot.offset {
            continue;
        }
        let (text, data) = take_text(rest, text_bytes)?;
        if offset > snapshot.offset || snapshot.text.len() + text.len() > MAX_TEXT_BYTES {
            return None;
        }
        snapshot.offset += 1;
        snapshot.text.push_str(text);
        snapshot.entries.push(Entry { offset, data: Bytes::copy_from_slice(data) });
    }
    Some(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            epoch: Epoch(7),
            offset: 5,
            text: "é\n1 2\n".to_owned(),
            state: Some(State { offset: 4, data: Bytes::from_static(b"{\n}") }),
            entries: vec![Entry { offset: 4, data: Bytes::from_static(b"{4}") }],
            finished: false,
        }
    }

    fn elements() -> Vec<Vec<u8>> {
        let whole = snapshot();
        vec![head(&whole), entry(4, b"{4}", ""), entry(5, b"{\n5}", "\u{1f388}\n")]
    }

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let read = decode(&elements()).unwrap();
        let mut expected = snapshot();
        expected.offset = 6;
        expected.text.push_str("\u{1f388}\n");
        expected.entries.push(Entry { offset: 5, data: Bytes::from_static(b"{\n5}") });
        assert_eq!(read, expected);
    }

    #[test]
    fn an_entry_that_came_twice_counts_once_and_a_gap_is_no_log() {
        let mut twice = elements();
        twice.push(twice[2].clone());
        assert_eq!(decode(&twice), decode(&elements()));
        let mut gap = elements();
        gap.remove(1);
        assert_eq!(decode(&gap), None);
        assert_eq!(decode(&[]), None);
        for broken in [&b""[..], b"x", b"1 2\n", b"1 2 0 9 -\nshort", b"1 2 0 1 -\n\xff"] {
            assert_eq!(decode(&[broken.to_vec()]), None, "{broken:?}");
        }
    }
}
