//! A bound on log lines that clients can cause.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Length of a window in milliseconds.
const WINDOW: u64 = 60_000;
/// Lines in a window; what goes beyond is logged at the debug level only.
const LINES: u32 = 20;

/// Counts lines in windows of a minute.
#[derive(Debug, Default)]
pub(crate) struct LogBudget {
    window: AtomicU64,
    used: AtomicU32,
}

impl LogBudget {
    /// Whether one more line is fine at this millisecond. Two threads at the turn of a window may gain a line.
    pub(crate) fn take(&self, now: u64) -> bool {
        let window = now / WINDOW;
        if self.window.swap(window, Ordering::Relaxed) != window {
            self.used.store(0, Ordering::Relaxed);
        }
        self.used.fetch_add(1, Ordering::Relaxed) < LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_so_many_lines() {
        let budget = LogBudget::default();
        assert_eq!((0..1000).filter(|now| budget.take(*now)).count(), 20);
        assert_eq!((0..1000).filter(|now| budget.take(WINDOW + now)).count(), 20);
    }
}
