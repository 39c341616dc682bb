//! When the pending deltas of a reply are told: at once after a pause, joined when they come fast or many replies are live.

use std::time::Duration;
use tokio::time::Instant;

/// Time between two tellings of a reply while few are live: 100 a second are more than a screen shows. A model that is slower than
/// that has each delta told at once.
const MIN_GAP: Duration = Duration::from_millis(10);

/// Longest time a delta waits for others to be told together.
const MAX_GAP: Duration = Duration::from_millis(50);

/// Part of the gap that each live reply on this node adds, where that comes to more than [`MIN_GAP`].
const GAP_PER_REPLY: Duration = Duration::from_millis(1);

/// Pending bytes that are told without waiting for the gap to pass.
pub const FULL: usize = 4 * 1024;

/// Decides when to tell what is pending. The first delta is told at once.
#[derive(Debug)]
pub struct Pace {
    /// The start of the node's grid of times at which replies are told.
    origin: Instant,
    last: Option<Instant>,
}

impl Pace {
    /// A reply that nothing was told of. All replies of a node have the same `origin`: those that wait are told at the
    /// same times, so that one waking of the process, and one write to Redis, serve them all.
    pub fn new(origin: Instant) -> Self {
        Self { origin, last: None }
    }

    /// When `pending` bytes are due, with `live` replies on this node. Now or earlier means at once.
    pub fn due(&self, now: Instant, pending: usize, live: usize) -> Instant {
        match self.last {
            Some(last) if pending < FULL => self.on_the_grid(last, gap(live)),
            _ => now,
        }
    }

    /// Notes that the pending deltas were told.
    pub fn told(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// The next time of the grid after `last`, at most a gap later.
    fn on_the_grid(&self, last: Instant, gap: Duration) -> Instant {
        let behind = last.saturating_duration_since(self.origin).as_micros() % gap.as_micros();
        last + gap - Duration::from_micros(u64::try_from(behind).unwrap_or_default())
    }
}

/// Time between two events of one reply while `live` replies share this node.
fn gap(live: usize) -> Duration {
    GAP_PER_REPLY.saturating_mul(u32::try_from(live).unwrap_or(u32::MAX)).clamp(MIN_GAP, MAX_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_delta_never_waits() {
        let now = Instant::now();
        assert_eq!(Pace::new(now).due(now, 1, 1000), now);
    }

    #[test]
    fn a_model_of_human_pace_is_told_at_once_and_many_replies_within_the_bound() {
        let origin = Instant::now();
        let mut pace = Pace::new(origin);
        pace.told(origin + 100 * MS);
        assert!(
            pace.due(origin + 120 * MS, 1, 1) <= origin + 120 * MS,
            "50 tokens a second wait for nothing"
        );
        assert_eq!(pace.due(origin + 100 * MS, 1, 20), origin + 120 * MS);
        assert_eq!(pace.due(origin + 100 * MS, 1, 30), origin + 120 * MS);
        assert_eq!(pace.due(origin + 100 * MS, 1, 1_000_000), origin + 150 * MS);
    }

    #[test]
    fn replies_that_wait_are_told_at_the_same_times() {
        let origin = Instant::now();
        for told in 0..200_u32 {
            let mut pace = Pace::new(origin);
            let told = origin + 7 * MS + 3 * told * MS;
            pace.told(told);
            let due = pace.due(told, 1, 40);
            assert_eq!((due - origin).as_millis() % 40, 0, "on the grid");
            assert!((1..=40).contains(&(due - told).as_millis()), "at most a gap after the last");
        }
    }

    #[test]
    fn a_full_buffer_does_not_wait() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.told(now);
        assert_eq!(pace.due(now, FULL, 1000), now);
    }
}
