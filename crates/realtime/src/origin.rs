//! Which web pages may connect (`CORS_ALLOW_ORIGIN`), and the log line when one may not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time between two log lines about the same origin.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// Origins remembered for that; more at a time are not logged one by one.
const REMEMBERED: usize = 256;
/// Characters of an origin that are logged.
const SHOWN: usize = 200;

/// The allowed origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// Every origin (`*`).
    Any,
    /// Only these, compared exactly. A request without origin is allowed always.
    Only(Vec<String>),
}

impl OriginRule {
    /// Whether a request with this `Origin` header may connect.
    pub fn allows(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::Only(allowed), Some(origin)) => allowed.iter().any(|entry| entry == origin),
        }
    }
}

/// Logs refused origins, each at most once a minute.
#[derive(Default)]
pub(crate) struct RefusedOrigins {
    logged: Mutex<HashMap<String, Instant>>,
}

impl RefusedOrigins {
    /// Says what was refused and how to allow it.
    pub(crate) fn log(&self, origin: &str) {
        let origin: String = origin.chars().take(SHOWN).collect();
        if self.is_due(&origin, Instant::now()) {
            tracing::warn!(
                "{origin} is not an accepted origin. Pages from there get no live updates. If it is yours, set \
                 CORS_ALLOW_ORIGIN=\"{origin}\" (several are separated by ;) and restart."
            );
        }
    }

    fn is_due(&self, origin: &str, now: Instant) -> bool {
        let mut logged = self.logged.lock();
        if logged.get(origin).is_some_and(|last| now.duration_since(*last) < LOG_EVERY) {
            return false;
        }
        if logged.len() >= REMEMBERED {
            logged.retain(|_, last| now.duration_since(*last) < LOG_EVERY);
        }
        let room = logged.len() < REMEMBERED;
        if room {
            logged.insert(origin.to_owned(), now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_exactly() {
        let rule = OriginRule::Only(vec!["https://a.example".into()]);
        assert!(rule.allows(None));
        assert!(rule.allows(Some("https://a.example")));
        for other in ["https://a.example/", "http://a.example", "https://A.example", "null", "*", ""] {
            assert!(!rule.allows(Some(other)), "{other}");
            assert!(OriginRule::Any.allows(Some(other)));
        }
    }

    #[test]
    fn each_origin_is_logged_once_a_minute_and_the_memory_is_bounded() {
        let refused = RefusedOrigins::default();
        let start = Instant::now();
        assert!(refused.is_due("https://x", start));
        assert!(!refused.is_due("https://x", start + Duration::from_secs(59)));
        assert!(refused.is_due("https://x", start + Duration::from_secs(61)));
        for number in 0..10_000 {
            refused.is_due(&format!("https://{number}"), start);
        }
        assert!(refused.logged.lock().len() <= REMEMBERED);
        assert!(refused.is_due("https://new", start + Duration::from_secs(200)));
    }
}
