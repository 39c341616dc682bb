//! When the pending deltas of a reply are told: at once while little is going on, joined under load.

use std::time::Duration;
use tokio::time::Instant;

/// Longest time a delta waits for others to be told together.
pub const MAX_GAP: Duration = Duration::from_millis(50);

/// Part of the gap that each live reply on this node adds.
const GAP_PER_REPLY: Duration = Duration::from_micros(500);

/// Live replies that are told without any gap.
const UNHURRIED_REPLIES: usize = 8;

/// Pending bytes that are told without waiting for the gap to pass.
pub const FULL: usize = 4 * 1024;

/// Decides when to tell what is pending. The first delta is told at once.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// When `pending` bytes are due, with `live` replies on this node. Now or earlier means at once.
    pub fn due(&self, now: Instant, pending: usize, live: usize) -> Instant {
        match self.last {
            Some(last) if pending < FULL => last + gap(live),
            _ => now,
        }
    }

    /// Notes that the pending deltas were told.
    pub fn told(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

/// Whether so many live replies share this node that each is told in steps.
pub fn is_hurried(live: usize) -> bool {
    live > UNHURRIED_REPLIES
}

/// Time between two events of one reply while `live` replies share this node.
fn gap(live: usize) -> Duration {
    let busy = live.saturating_sub(UNHURRIED_REPLIES);
    GAP_PER_REPLY.saturating_mul(u32::try_from(busy).unwrap_or(u32::MAX)).min(MAX_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_delta_never_waits() {
        let now = Instant::now();
        assert_eq!(Pace::default().due(now, 1, 1000), now);
    }

    #[test]
    fn few_replies_are_told_at_once_and_many_within_the_bound() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.told(now);
        assert_eq!(pace.due(now, 1, 1), now);
        assert_eq!(pace.due(now, 1, 28), now + Duration::from_millis(10));
        assert_eq!(pace.due(now, 1, 1_000_000), now + MAX_GAP);
    }

    #[test]
    fn a_full_buffer_does_not_wait() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.told(now);
        assert_eq!(pace.due(now, FULL, 1000), now);
    }
}
