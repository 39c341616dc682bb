//! Wall-clock time, replaceable in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a part of the server reads the time of day from.
///
/// Everything that compares times shared with other nodes, clients or SQL (token expiry, revocation, rate limit
/// buckets) reads it here; a test hands in a clock of its own and moves it by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `unix_seconds` until [`Clock::advance`] moves it; clones share the time.
    pub fn manual(unix_seconds: u64) -> Self {
        Self { manual: Some(Arc::new(AtomicU64::new(unix_seconds.saturating_mul(1_000_000_000)))) }
    }

    /// Nanoseconds since 1970; 0 when the machine's clock stands before that.
    pub fn unix_nanos(&self) -> u64 {
        match &self.manual {
            Some(nanos) => nanos.load(Ordering::Relaxed),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// Whole milliseconds since 1970.
    pub fn unix_millis(&self) -> u64 {
        self.unix_nanos() / 1_000_000
    }

    /// Whole seconds since 1970.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Moves a manual clock forward; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Some(nanos) = &self.manual {
            nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_by_hand_and_is_shared_by_clones() {
        let clock = Clock::manual(100);
        let other = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(other.unix_millis(), 101_500);
        clock.advance(Duration::from_nanos(1));
        assert_eq!((other.unix_nanos(), other.unix_millis()), (101_500_000_001, 101_500));
        assert_eq!(other.unix_seconds(), 101);
    }

    #[test]
    fn system_clock_is_past_2025() {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(1_000_000_000));
        assert!((1_735_689_600..2_735_689_600).contains(&clock.unix_seconds()));
    }
}
