//! A token bucket: so many packets a second on average, so many at once.

/// Thousandths of a token in a token: the clock has milliseconds.
const UNIT: u64 = 1000;

/// Counts what one client sends.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Thousandths of tokens left.
    level: u64,
    /// Millisecond of the last refill.
    at: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(burst: u32, now: u64) -> Self {
        Self { level: u64::from(burst) * UNIT, at: now }
    }

    /// Takes one token; false when there is none.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32, now: u64) -> bool {
        let refill = now.saturating_sub(self.at).saturating_mul(u64::from(per_second));
        self.at = now;
        self.level = self.level.saturating_add(refill).min(u64::from(burst).max(1) * UNIT);
        let enough = self.level >= UNIT;
        if enough {
            self.level -= UNIT;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_counts() {
        let mut bucket = Bucket::new(5, 0);
        assert_eq!((0..10).filter(|_| bucket.take(2, 5, 0)).count(), 5);
        assert!(!bucket.take(2, 5, 499));
        assert!(bucket.take(2, 5, 500));
        assert!(!bucket.take(2, 5, 500));
        assert_eq!((0..10).filter(|_| bucket.take(2, 5, 1_000_000)).count(), 5, "a pause fills it, not more");
    }

    #[test]
    fn a_clock_that_stands_or_jumps_is_harmless() {
        let mut bucket = Bucket::new(1, 100);
        assert!(bucket.take(1, 1, 0));
        assert!(!bucket.take(1, 1, 0));
        assert!(bucket.take(u32::MAX, u32::MAX, u64::MAX));
    }
}
