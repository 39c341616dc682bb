//! The bounded queue between the subscription and whoever reads it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Messages that wait to be read. When there are more, the newest are left out and a [`Event::Resumed`] is put in their
/// place.
pub const MAX_WAITING: usize = 65_536;

/// What comes from a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message on a channel that was subscribed to.
    Message {
        /// The channel.
        channel: Arc<str>,
        /// The bytes that were published.
        payload: Vec<u8>,
    },
    /// The subscription works, and messages may have been missed before: whoever mirrors a state reads it again.
    ///
    /// Comes at the start, after every gap, and when messages were left out because nobody read them in time.
    Resumed {
        /// How long nothing was received; 0 when messages were left out.
        gap: Duration,
    },
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    messages: usize,
    /// Messages were left out since the last event.
    left_out: bool,
    total_left_out: u64,
    closed: bool,
}

/// What was taken from the queue.
enum Taken {
    Event(Event),
    /// There is nothing now.
    Nothing,
    /// There will be nothing any more.
    End,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

impl Queue {
    /// Adds a message, or leaves it out when the queue is full.
    pub(crate) fn message(&self, channel: &str, payload: Vec<u8>) {
        let mut waiting = self.waiting.lock();
        if waiting.messages >= MAX_WAITING {
            waiting.left_out = true;
            waiting.total_left_out += 1;
        } else {
            if std::mem::take(&mut waiting.left_out) {
                waiting.resumed(Duration::ZERO);
            }
            waiting.messages += 1;
            waiting.events.push_back(Event::Message { channel: channel.into(), payload });
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Adds the end of a gap.
    pub(crate) fn resumed(&self, gap: Duration) {
        let mut waiting = self.waiting.lock();
        waiting.left_out = false;
        waiting.resumed(gap);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Messages left out so far.
    pub(crate) fn left_out(&self) -> u64 {
        self.waiting.lock().total_left_out
    }

    /// Nothing will be added any more.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    fn take(&self) -> Taken {
        let mut waiting = self.waiting.lock();
        match waiting.events.pop_front() {
            Some(event) => {
                if matches!(event, Event::Message { .. }) {
                    waiting.messages -= 1;
                }
                Taken::Event(event)
            }
            None if std::mem::take(&mut waiting.left_out) => {
                Taken::Event(Event::Resumed { gap: Duration::ZERO })
            }
            None if waiting.closed => Taken::End,
            None => Taken::Nothing,
        }
    }
}

impl Waiting {
    fn resumed(&mut self, gap: Duration) {
        // One after another tells nothing new.
        if let Some(Event::Resumed { gap: last }) = self.events.back_mut() {
            *last = gap.max(*last);
        } else {
            self.events.push_back(Event::Resumed { gap });
        }
    }
}

/// The reading end of a subscription.
#[derive(Debug)]
pub struct Events {
    pub(crate) queue: Arc<Queue>,
}

impl Events {
    /// The next event; `None` when the subscription was shut down and everything has been read. May be cancelled.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.queue.take() {
                Taken::Event(event) => return Some(event),
                Taken::End => return None,
                Taken::Nothing => self.queue.arrived.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_overflow_is_a_gap_and_takes_bounded_room() {
        let queue = Arc::new(Queue::default());
        for number in 0..MAX_WAITING + 10 {
            queue.message("c", number.to_string().into_bytes());
        }
        let mut events = Events { queue: queue.clone() };
        assert_eq!(queue.left_out(), 10);
        assert!(matches!(events.next().await, Some(Event::Message { .. })));
        queue.message("c", b"late".to_vec());
        for _ in 1..MAX_WAITING {
            assert!(matches!(events.next().await, Some(Event::Message { .. })));
        }
        // The gap stands where messages are missing: before the one that came after.
        assert_eq!(events.next().await, Some(Event::Resumed { gap: Duration::ZERO }));
        assert_eq!(
            events.next().await,
            Some(Event::Message { channel: "c".into(), payload: b"late".to_vec() })
        );
        queue.close();
        assert_eq!(events.next().await, None);
    }

    #[tokio::test]
    async fn an_overflow_without_a_later_message_is_told_too() {
        let queue = Arc::new(Queue::default());
        for _ in 0..=MAX_WAITING {
            queue.message("c", Vec::new());
        }
        let mut events = Events { queue: queue.clone() };
        for _ in 0..MAX_WAITING {
            assert!(matches!(events.next().await, Some(Event::Message { .. })));
        }
        assert_eq!(events.next().await, Some(Event::Resumed { gap: Duration::ZERO }));
        queue.resumed(Duration::from_secs(1));
        queue.resumed(Duration::from_secs(2));
        queue.close();
        assert_eq!(events.next().await, Some(Event::Resumed { gap: Duration::from_secs(2) }));
        assert_eq!(events.next().await, None);
    }
}
