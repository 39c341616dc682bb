//! Wakes the tasks that write to sockets: at once, or many events a second together.
//!
//! A socket that is woken for each of a thousand events a second makes a system call for each, and that is most of what
//! an event costs. Woken once for all that was queued within a moment, it writes them with one call.

use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Least time between two wakings. The runtime's clock counts in milliseconds, so an event waits for 2 ms at most, and for
/// nothing while less than one a millisecond comes.
const TICK: Duration = Duration::from_millis(1);

/// The wakings of one node. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakings(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// When writers were woken last.
    last: Option<Instant>,
    /// Who waits for the next time; not empty means that it is arranged.
    wakers: Vec<Waker>,
}

impl Wakings {
    /// Wakes these writers now or, if some were woken within the last tick, together with others at its end.
    /// Must be called inside a Tokio runtime.
    pub(crate) fn wake(&self, wakers: Vec<Waker>) {
        if wakers.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut waiting = self.0.lock();
        let due = waiting.last.map_or(now, |last| last + TICK);
        if !waiting.wakers.is_empty() {
            waiting.wakers.extend(wakers);
        } else if due > now {
            waiting.wakers = wakers;
            let wakings = self.clone();
            tokio::spawn(async move {
                sleep_until(due).await;
                wakings.wake_waiting();
            });
        } else {
            waiting.last = Some(now);
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn wake_waiting(&self) {
        let mut waiting = self.0.lock();
        waiting.last = Some(Instant::now());
        let wakers = mem::take(&mut waiting.wakers);
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counter {
        fn waker(self: &Arc<Self>) -> Vec<Waker> {
            vec![self.clone().into()]
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_woken_at_once_and_the_next_ones_together() {
        let (wakings, counter) = (Wakings::default(), Arc::new(Counter::default()));
        wakings.wake(counter.waker());
        assert_eq!(counter.count(), 1, "at once");
        for _ in 0..3 {
            wakings.wake(counter.waker());
        }
        assert_eq!(counter.count(), 1, "they wait");
        tokio::time::sleep(2 * TICK).await;
        assert_eq!(counter.count(), 4, "all of them");
        tokio::time::sleep(2 * TICK).await;
        wakings.wake(counter.waker());
        assert_eq!(counter.count(), 5, "after a pause at once again");
    }
}
