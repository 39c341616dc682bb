//! What waits to be written to one connection: bounded in bytes and packets, shared bytes, one waker.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use crate::frame::Frame;
use crate::reason::DisconnectReason;

/// Capacity that an empty queue may keep; above it the memory is given back.
const KEPT_CAPACITY: usize = 16;

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits, in order.
    Queued,
    /// The connection is ending; nothing more is taken.
    Ending,
    /// The queue was full; the caller has to end the connection.
    Full,
}

/// The outgoing queue. Lives in a mutex that is held for a few instructions only.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Frame>,
    /// Bytes in `queue` and in the batch being written.
    bytes: usize,
    /// Packets in the batch being written.
    in_flight: usize,
    ending: Option<DisconnectReason>,
    aborted: bool,
    writer: Option<Waker>,
    driver: Option<Waker>,
}

impl Outbox {
    /// Queues one event: a frame and the attachments behind it.
    pub(crate) fn push(
        &mut self,
        first: &Frame,
        more: &[Frame],
        max_bytes: usize,
        max_packets: usize,
    ) -> Pushed {
        if self.ending.is_some() {
            return Pushed::Ending;
        }
        let bytes = first.wire().len() + more.iter().map(|frame| frame.wire().len()).sum::<usize>();
        let waiting = self.queue.len() + self.in_flight;
        if waiting > 0 && (self.bytes + bytes > max_bytes || waiting > max_packets) {
            return Pushed::Full;
        }
        self.bytes += bytes;
        self.queue.push_back(first.clone());
        self.queue.extend(more.iter().cloned());
        Pushed::Queued
    }

    /// Ends the connection for `reason`. False when it was ending already.
    pub(crate) fn end(&mut self, reason: DisconnectReason) -> bool {
        if self.ending.is_some() {
            return false;
        }
        self.ending = Some(reason);
        if matches!(reason, DisconnectReason::SlowConsumer | DisconnectReason::WriteTimeout) {
            // The peer does not read; what it missed it recovers after it is back.
            self.bytes -= self.queue.drain(..).map(|frame| frame.wire().len()).sum::<usize>();
            self.queue.shrink_to(0);
        }
        true
    }

    /// Makes the connection task stop without waiting for the peer any longer.
    pub(crate) fn abort(&mut self) {
        self.aborted = true;
    }

    pub(crate) fn ending(&self) -> Option<DisconnectReason> {
        self.ending
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Bytes and packets that wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.bytes, self.queue.len() + self.in_flight)
    }

    /// Moves all that waits to the end of `batch`.
    pub(crate) fn take_into(&mut self, batch: &mut VecDeque<Frame>) {
        self.in_flight += self.queue.len();
        if batch.is_empty() {
            std::mem::swap(batch, &mut self.queue);
        } else {
            batch.append(&mut self.queue);
        }
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue.shrink_to(0);
        }
    }

    /// Takes packets for one poll, up to these bounds but at least one.
    pub(crate) fn take_some(&mut self, max_bytes: usize, max_packets: usize) -> Vec<Frame> {
        let mut bytes = 0;
        let count = self
            .queue
            .iter()
            .take(max_packets)
            .take_while(|frame| {
                bytes += frame.wire().len();
                bytes <= max_bytes
            })
            .count()
            .max(1)
            .min(self.queue.len());
        let taken: Vec<Frame> = self.queue.drain(..count).collect();
        self.bytes -= taken.iter().map(|frame| frame.wire().len()).sum::<usize>();
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue.shrink_to(0);
        }
        taken
    }

    /// Counts a batch as written.
    pub(crate) fn written(&mut self, packets: usize, bytes: usize) {
        self.in_flight = self.in_flight.saturating_sub(packets);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Asks to be woken at the next push or ending.
    pub(crate) fn register_writer(&mut self, context: &Context<'_>) {
        register(&mut self.writer, context);
    }

    /// Asks to be woken at the ending; for polling, where another task writes.
    pub(crate) fn register_driver(&mut self, context: &Context<'_>) {
        register(&mut self.driver, context);
    }

    /// The waker of the writer. Wake it after the lock is released.
    pub(crate) fn take_writer(&mut self) -> Option<Waker> {
        self.writer.take()
    }

    /// The wakers of both. Wake them after the lock is released.
    pub(crate) fn take_wakers(&mut self) -> [Option<Waker>; 2] {
        [self.writer.take(), self.driver.take()]
    }
}

fn register(slot: &mut Option<Waker>, context: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(context.waker()),
        None => *slot = Some(context.waker().clone()),
    }
}

/// Gives the memory of an emptied batch back when a burst made it large.
pub(crate) fn shrink(batch: &mut VecDeque<Frame>) {
    if batch.is_empty() && batch.capacity() > KEPT_CAPACITY {
        batch.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox, text: &str) -> Pushed {
        outbox.push(&Frame::text(text), &[], 100, 3)
    }

    #[test]
    fn the_queue_is_bounded_in_bytes() {
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, &"x".repeat(60)), Pushed::Queued);
        assert_eq!(push(&mut outbox, &"x".repeat(60)), Pushed::Full);
        assert_eq!(push(&mut outbox, &"x".repeat(30)), Pushed::Queued);
        assert_eq!(outbox.load(), (94, 2));
    }

    #[test]
    fn the_queue_is_bounded_in_packets_being_written_too() {
        let mut outbox = Outbox::default();
        let mut batch = VecDeque::new();
        for _ in 0..4 {
            assert_eq!(push(&mut outbox, "x"), Pushed::Queued);
        }
        outbox.take_into(&mut batch);
        assert_eq!(push(&mut outbox, "x"), Pushed::Full);
        outbox.written(4, 12);
        assert_eq!(push(&mut outbox, "x"), Pushed::Queued);
        assert_eq!(outbox.load(), (3, 1));
    }

    #[test]
    fn one_large_event_is_taken_when_nothing_waits() {
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, &"x".repeat(5000)), Pushed::Queued);
        assert_eq!(push(&mut outbox, "x"), Pushed::Full);
    }

    #[test]
    fn nothing_is_taken_after_the_end_and_a_slow_one_drops_its_queue() {
        let mut outbox = Outbox::default();
        push(&mut outbox, "x");
        assert!(outbox.end(DisconnectReason::SlowConsumer));
        assert!(!outbox.end(DisconnectReason::Shutdown));
        assert_eq!(outbox.load(), (0, 0));
        assert_eq!(push(&mut outbox, "x"), Pushed::Ending);
    }

    #[test]
    fn a_poll_takes_at_least_one_and_not_too_much() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            push(&mut outbox, "0123456789");
        }
        assert_eq!(outbox.take_some(25, 9).len(), 2);
        assert_eq!(outbox.take_some(1, 9).len(), 1);
        assert_eq!(outbox.take_some(1, 9).len(), 0);
        push(&mut outbox, "a");
        push(&mut outbox, "b");
        assert_eq!(outbox.take_some(100, 1).len(), 1);
        assert_eq!(outbox.take_some(100, 1).len(), 1);
        assert_eq!(outbox.load(), (0, 0));
    }
}
