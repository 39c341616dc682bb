//! The time of day as rows hold it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix seconds.
pub(crate) fn seconds() -> i64 {
    milliseconds() / 1000
}

/// Now, in Unix milliseconds.
pub(crate) fn milliseconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// Now, in Unix nanoseconds.
pub(crate) fn nanoseconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
}

/// A new id: UUID text.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
