//! Which answers are being written, so that none is written twice at once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Key = (String, String);

/// The answers that this node writes now. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writing(Arc<Mutex<HashSet<Key>>>);

/// The right to write one answer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    writing: Writing,
    key: Key,
}

impl Writing {
    /// Begins to write an answer; none while somebody else does.
    pub(crate) fn begin(&self, chat_id: &str, message_id: &str) -> Option<Writer> {
        let key = (chat_id.to_owned(), message_id.to_owned());
        self.lock().insert(key.clone()).then(|| Writer { writing: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.writing.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_one_writer_at_a_time() {
        let writing = Writing::default();
        let writer = writing.begin("chat", "a");
        assert!(writer.is_some());
        assert!(writing.begin("chat", "a").is_none());
        assert!(writing.begin("chat", "b").is_some() && writing.begin("other", "a").is_some());
        drop(writer);
        assert!(writing.begin("chat", "a").is_some());
    }
}
