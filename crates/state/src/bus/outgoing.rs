//! The bounded queue of what is to be published.

use std::collections::VecDeque;
use std::time::Duration;

use antiphon_realtime::BusError;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::log_write::LogWrite;
use super::owed::{Owed, Remedy};

/// Messages that wait to be published.
const MAX_WAITING: usize = 16_384;
/// Bytes of these messages.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Messages published in one round trip.
const MAX_BATCH: usize = 128;
/// Bytes published in one round trip, unless a single message has more.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// Time in which the event of an entry in a log is queued behind it.
const EVENT_FOLLOWS: Duration = Duration::from_secs(1);
/// Age at which a message that was not published yet is given up: later it would confuse more than help.
const PATIENCE: Duration = Duration::from_secs(5);

/// One message on its way, or a write to the log of a live reply.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) channel: String,
    pub(super) payload: String,
    /// Whether it goes in parts.
    pub(super) in_parts: bool,
    /// Set for writes to a log; channel and payload are empty then.
    pub(super) log: Option<LogWrite>,
    /// What makes its loss good.
    pub(super) remedy: Remedy,
    /// Gets the number of subscriptions that got it. Set for calls, which must not be sent twice.
    pub(super) reply: Option<oneshot::Sender<u64>>,
    since: Instant,
}

impl Item {
    pub(super) fn new(
        channel: String,
        payload: String,
        remedy: Remedy,
        reply: Option<oneshot::Sender<u64>>,
    ) -> Self {
        Self { channel, payload, in_parts: false, log: None, remedy, reply, since: Instant::now() }
    }

    pub(super) fn log(write: LogWrite) -> Self {
        Self { log: Some(write), ..Self::new(String::new(), String::new(), Remedy::Nothing, None) }
    }

    fn size(&self) -> usize {
        self.channel.len() + self.payload.len() + self.log.as_ref().map_or(0, LogWrite::size)
    }

    /// Whether it waits for the event that comes with it, so that both are one command.
    fn waits_for_event(&self) -> bool {
        self.log.as_ref().is_some_and(LogWrite::is_append) && self.since.elapsed() < EVENT_FOLLOWS
    }
}

/// The queue, and beside it what is owed.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Item>,
    bytes: usize,
    owed: Owed,
    /// The sender has not looked at what is owed since more was added.
    more_owed: bool,
    closed: bool,
}

/// What the sender has to do next.
#[derive(Debug)]
pub(super) struct Work {
    /// What is to be published, in order. Calls and what goes in parts come alone.
    pub(super) batch: Vec<Item>,
    /// What has waited for too long.
    pub(super) expired: Vec<Item>,
    /// Nothing will come any more.
    pub(super) closed: bool,
}

impl Outgoing {
    /// Queues a message, unless the queue is full.
    pub(super) fn push(&self, item: Item) -> Result<(), BusError> {
        let mut state = self.state.lock();
        if state.waiting.len() >= MAX_WAITING || state.bytes + item.size() > MAX_WAITING_BYTES {
            return Err(BusError::Unavailable(format!(
                "{} events with {} bytes wait to be published",
                state.waiting.len(),
                state.bytes
            )));
        }
        state.bytes += item.size();
        let quiet = item.waits_for_event();
        state.waiting.push_back(item);
        drop(state);
        if !quiet {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Notes that a message could not even be queued, and has that made good soon.
    pub(super) fn refuse(&self, remedy: Remedy) {
        let mut state = self.state.lock();
        state.owed.add(remedy, None);
        state.more_owed = true;
        drop(state);
        self.arrived.notify_one();
    }

    /// Notes that a message was not sent.
    pub(super) fn owe(&self, item: Item) {
        self.state.lock().owed.add(item.remedy, Some((item.channel, item.payload)));
    }

    /// Takes all that is owed.
    pub(super) fn take_owed(&self) -> Owed {
        std::mem::take(&mut self.state.lock().owed)
    }

    /// Whether anything has to be made good.
    pub(super) fn owes(&self) -> bool {
        !self.state.lock().owed.is_empty()
    }

    /// Ends the queue: what is in it is still sent.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Waits until there is something to do, if only that more is owed. May be cancelled.
    pub(super) async fn next(&self) -> Work {
        loop {
            if let Some(work) = self.state.lock().take() {
                return work;
            }
            self.arrived.notified().await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Work> {
        let mut work = Work { batch: Vec::new(), expired: Vec::new(), closed: self.closed };
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            let fits = work.batch.len() < MAX_BATCH && bytes + next.size() <= MAX_BATCH_BYTES;
            let alone = next.reply.is_some() || next.in_parts;
            let early = self.waiting.len() == 1 && !self.closed && next.waits_for_event();
            if early || !work.batch.is_empty() && (!fits || alone) {
                break;
            }
            let Some(item) = self.waiting.pop_front() else { break };
            self.bytes -= item.size();
            if item.since.elapsed() > PATIENCE {
                work.expired.push(item);
                continue;
            }
            bytes += item.size();
            work.batch.push(item);
            if alone {
                break;
            }
        }
        let more_owed = std::mem::take(&mut self.more_owed);
        let idle = work.batch.is_empty() && work.expired.is_empty() && !work.closed && !more_owed;
        (!idle).then_some(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(size: usize) -> Item {
        Item::new(String::new(), "x".repeat(size), Remedy::Nothing, None)
    }

    #[tokio::test]
    async fn order_is_kept_and_calls_and_large_events_go_alone() {
        let outgoing = Outgoing::default();
        for number in 0..6 {
            let reply = (number == 2).then(|| oneshot::channel().0);
            let message = Item::new("c".into(), number.to_string(), Remedy::Nothing, reply);
            outgoing.push(Item { in_parts: number == 4, ..message }).unwrap();
        }
        let mut batches = Vec::new();
        for _ in 0..5 {
            let work = outgoing.next().await;
            batches.push(work.batch.into_iter().map(|item| item.payload).collect::<Vec<_>>());
        }
        assert_eq!(batches, [vec!["0", "1"], vec!["2"], vec!["3"], vec!["4"], vec!["5"]]);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_number_and_bytes() {
        let outgoing = Outgoing::default();
        for _ in 0..MAX_WAITING {
            outgoing.push(item(0)).unwrap();
        }
        assert!(matches!(outgoing.push(item(0)), Err(BusError::Unavailable(_))));
        assert_eq!(outgoing.next().await.batch.len(), MAX_BATCH);
        outgoing.push(item(0)).unwrap();
        let large = Outgoing::default();
        large.push(item(MAX_WAITING_BYTES)).unwrap();
        assert!(large.push(item(1)).is_err());
        assert_eq!(large.next().await.batch.len(), 1, "one large message goes alone");
        large.push(item(1)).unwrap();
    }

    #[tokio::test]
    async fn what_waited_for_too_long_is_not_sent() {
        let outgoing = Outgoing::default();
        let since = Instant::now().checked_sub(PATIENCE + Duration::from_millis(1)).unwrap();
        outgoing.push(Item { since, ..item(1) }).unwrap();
        outgoing.push(item(2)).unwrap();
        let work = outgoing.next().await;
        assert_eq!((work.expired.len(), work.batch.len()), (1, 1));
    }
}
