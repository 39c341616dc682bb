//! Keeps a repeated line from filling the log.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets a line through once a period and key.
///
/// Holds a bounded number of keys. While it is full of recent ones, new keys are held back too, so that a flood of
/// different keys cannot fill the log either.
#[derive(Debug)]
pub struct RateLimited<K> {
    period: Duration,
    capacity: usize,
    keys: Mutex<HashMap<K, Entry>>,
}

#[derive(Debug)]
struct Entry {
    logged: Instant,
    held_back: u64,
}

impl<K: Hash + Eq> RateLimited<K> {
    /// Lets one line through each `period` for each of at most `capacity` keys.
    pub fn new(period: Duration, capacity: usize) -> Self {
        Self { period, capacity, keys: Mutex::new(HashMap::new()) }
    }

    /// Whether to log now: `Some` with the number of lines of this key that were held back since the last one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let refusals = antiphon_telemetry::RateLimited::new(Duration::from_mins(1), 100);
    /// if let Some(held_back) = refusals.allow("https://other.example") {
    ///     tracing::warn!(held_back, "A page of another site was refused.");
    /// }
    /// assert_eq!(refusals.allow("https://other.example"), None);
    /// ```
    pub fn allow(&self, key: K) -> Option<u64> {
        self.allow_at(key, Instant::now())
    }

    fn allow_at(&self, key: K, now: Instant) -> Option<u64> {
        let mut keys = self.keys.lock();
        if let Some(entry) = keys.get_mut(&key) {
            if now.duration_since(entry.logged) < self.period {
                entry.held_back = entry.held_back.saturating_add(1);
                return None;
            }
            entry.logged = now;
            return Some(std::mem::take(&mut entry.held_back));
        }
        if keys.len() >= self.capacity {
            keys.retain(|_, entry| now.duration_since(entry.logged) < self.period);
            if keys.len() >= self.capacity {
                return None;
            }
        }
        keys.insert(key, Entry { logged: now, held_back: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    #[test]
    fn a_line_passes_once_a_period_and_tells_what_was_held_back() {
        let limited = RateLimited::new(PERIOD, 10);
        let start = Instant::now();
        assert_eq!(limited.allow_at("a", start), Some(0));
        assert_eq!(limited.allow_at("a", start + PERIOD / 2), None);
        assert_eq!(limited.allow_at("b", start + PERIOD / 2), Some(0));
        assert_eq!(limited.allow_at("a", start + PERIOD), Some(1));
        assert_eq!(limited.allow_at("a", start + PERIOD * 2), Some(0));
    }

    #[test]
    fn many_keys_take_bounded_room_and_lines() {
        let limited = RateLimited::new(PERIOD, 10);
        let start = Instant::now();
        let lines = (0..1000).filter(|key| limited.allow_at(*key, start).is_some()).count();
        assert_eq!((lines, limited.keys.lock().len()), (10, 10));
        assert_eq!(limited.allow_at(2000, start + PERIOD), Some(0));
        assert_eq!(limited.keys.lock().len(), 1);
    }
}
