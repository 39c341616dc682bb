//! Own entries that changed and are not written yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Entries that wait. With more of them the whole is written again, which costs less than remembering.
const MAX_WAITING: usize = 100_000;

/// A queue that holds each entry once.
#[derive(Debug, Default)]
pub(super) struct Pending {
    order: VecDeque<Arc<str>>,
    /// Whether the others are told of the change.
    tell: HashMap<Arc<str>, bool>,
}

impl Pending {
    /// Notes a change; false when there are too many, of which none is kept then.
    pub(super) fn note(&mut self, id: &str, tell: bool) -> bool {
        if let Some(told) = self.tell.get_mut(id) {
            *told |= tell;
            return true;
        }
        if self.order.len() >= MAX_WAITING {
            self.order = VecDeque::new();
            self.tell = HashMap::new();
            return false;
        }
        let id: Arc<str> = id.into();
        self.order.push_back(id.clone());
        self.tell.insert(id, tell);
        true
    }

    /// The one that waits for the longest, and whether the others are told.
    pub(super) fn pop(&mut self) -> Option<(Arc<str>, bool)> {
        let id = self.order.pop_front()?;
        let tell = self.tell.remove(&id).unwrap_or(true);
        Some((id, tell))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_waits_once_and_is_told_if_any_of_its_changes_is() {
        let mut pending = Pending::default();
        assert!(pending.note("a", false) && pending.note("b", false) && pending.note("a", true));
        assert_eq!(pending.pop(), Some(("a".into(), true)));
        assert_eq!(pending.pop(), Some(("b".into(), false)));
        assert_eq!(pending.pop(), None);
    }

    #[test]
    fn too_many_are_given_up_for_writing_everything() {
        let mut pending = Pending::default();
        for number in 0..MAX_WAITING {
            assert!(pending.note(&number.to_string(), true));
        }
        assert!(pending.note("0", true));
        assert!(!pending.note("one more", true));
        assert!(pending.is_empty());
    }
}
