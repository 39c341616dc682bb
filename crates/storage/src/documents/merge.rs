//! What has to be written so that the stored tree becomes the given one.

use std::collections::{HashMap, HashSet, VecDeque};

use super::input::Incoming;
use crate::{Message, NewMessage, Result, StorageError};

/// The difference between the stored tree and the wanted one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Ids of messages to delete.
    pub(super) delete: Vec<String>,
    /// Messages to add or replace, with their sequence numbers.
    pub(super) write: Vec<(i64, NewMessage)>,
    /// The next free sequence number.
    pub(super) next_sequence: i64,
    /// The id of the newest of the wanted messages.
    pub(super) last: Option<String>,
    /// Ids of all messages of the result.
    pub(super) ids: HashSet<String>,
}

/// Compares the trees.
///
/// Rows of replies in `running` are neither written nor deleted, and the messages that lead to them are not
/// deleted either: somebody is writing there, and the document is older than what he wrote. The same holds for rows
/// that are not done, unless the document says that they are, and for rows that are done where the document says that
/// they are not: it missed the end.
///
/// Errors: [`StorageError::Malformed`] if messages would follow each other in a circle.
pub(super) fn plan(
    stored: Vec<Message>,
    wanted: Vec<Incoming>,
    running: &[String],
    next_sequence: i64,
) -> Result<Plan> {
    let stored: HashMap<String, Message> =
        stored.into_iter().map(|message| (message.id.clone(), message)).collect();
    let said: HashMap<&str, Option<bool>> =
        wanted.iter().map(|incoming| (incoming.message.id.as_str(), incoming.message.done)).collect();
    let is_stale = |row: &Message| {
        let said = said.get(row.id.as_str()).copied().flatten();
        matches!((row.done, said), (Some(false), None | Some(false)) | (Some(true), Some(false)))
    };
    let running: HashSet<String> = stored
        .values()
        .filter(|row| running.contains(&row.id) || is_stale(row))
        .map(|row| row.id.clone())
        .collect();
    let kept = with_ancestors(&running, &stored);

    let mut parents: HashMap<&str, Option<&str>> = HashMap::new();
    for id in &kept {
        parents.insert(id, stored[*id].parent_id.as_deref());
    }
    for Incoming { message, .. } in &wanted {
        if !running.contains(message.id.as_str()) {
            parents.insert(&message.id, message.parent_id.as_deref());
        }
    }
    refuse_circles(&parents)?;

    let mut plan = Plan { next_sequence, ..Plan::default() };
    plan.delete = stored.keys().filter(|id| !parents.contains_key(id.as_str())).cloned().collect();
    plan.delete.sort_unstable();
    plan.ids = parents.keys().map(|id| (*id).to_owned()).collect();
    drop(parents);

    let places = sequences(&wanted, &stored, &mut plan.next_sequence);
    plan.last = places.iter().max_by_key(|(_id, sequence)| **sequence).map(|(id, _sequence)| id.clone());
    for Incoming { message, .. } in wanted {
        let sequence = places[&message.id];
        if running.contains(message.id.as_str()) {
            continue;
        }
        let same = stored
            .get(&message.id)
            .is_some_and(|row| row.sequence == sequence && NewMessage::from(row.clone()) == message);
        if !same {
            plan.write.push((sequence, message));
        }
    }
    Ok(plan)
}

/// These messages and all that lead to them.
fn with_ancestors<'a>(ids: &'a HashSet<String>, stored: &'a HashMap<String, Message>) -> HashSet<&'a str> {
    let mut all = HashSet::new();
    for id in ids {
        let mut next = Some(id.as_str());
        while let Some(message) = next.and_then(|id| stored.get(id))
            && all.insert(message.id.as_str())
        {
            next = message.parent_id.as_deref();
        }
    }
    all
}

fn refuse_circles(parents: &HashMap<&str, Option<&str>>) -> Result<()> {
    let mut good: HashSet<&str> = HashSet::new();
    for id in parents.keys() {
        let mut way: HashSet<&str> = HashSet::new();
        let mut next = Some(*id);
        while let Some(id) = next
            && !good.contains(id)
        {
            if !way.insert(id) {
                return Err(StorageError::malformed(
                    format!("chat.history.messages.{id}.parentId"),
                    "messages follow each other in a circle",
                ));
            }
            next = parents.get(id).copied().flatten();
        }
        good.extend(way);
    }
    Ok(())
}

/// The sequence number of each wanted message.
///
/// Only the order among the children of one parent matters. Stored numbers are kept where they already ascend, so
/// that a document that changes nothing writes nothing; others get new numbers, in the order of the document.
fn sequences(
    wanted: &[Incoming],
    stored: &HashMap<String, Message>,
    next_sequence: &mut i64,
) -> HashMap<String, i64> {
    let mut sequences = HashMap::with_capacity(wanted.len());
    let mut moved: HashMap<Option<&str>, VecDeque<&str>> = HashMap::new();
    let mut is_moved: HashSet<&str> = HashSet::new();
    for (parent, family) in families(wanted) {
        let mut last = i64::MIN;
        let mut members = family.into_iter().peekable();
        while let Some(id) = members.peek()
            && let Some(sequence) = stored.get(*id).map(|message| message.sequence)
            && sequence > last
        {
            last = sequence;
            sequences.insert((*id).to_owned(), sequence);
            members.next();
        }
        let rest: VecDeque<&str> = members.collect();
        is_moved.extend(rest.iter().copied());
        moved.insert(parent, rest);
    }
    for Incoming { message, .. } in wanted {
        if !is_moved.contains(message.id.as_str()) {
            continue;
        }
        // Each member of a family marks a place of the family; the places are filled in the family's order.
        if let Some(id) = moved.get_mut(&message.parent_id.as_deref()).and_then(VecDeque::pop_front) {
            sequences.insert(id.to_owned(), *next_sequence);
            *next_sequence += 1;
        }
    }
    sequences
}

/// The children of each parent, first as the parent lists them, then as they come in the document.
fn families(wanted: &[Incoming]) -> HashMap<Option<&str>, Vec<&str>> {
    let parents: HashMap<&str, Option<&str>> = wanted
        .iter()
        .map(|incoming| (incoming.message.id.as_str(), incoming.message.parent_id.as_deref()))
        .collect();
    let listed = wanted.iter().flat_map(|parent| {
        parent
            .children
            .iter()
            .map(String::as_str)
            .filter(|child| parents.get(child).copied().flatten() == Some(parent.message.id.as_str()))
    });
    let mut seen: HashSet<&str> = HashSet::new();
    let mut families: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
    for id in listed.chain(wanted.iter().map(|incoming| incoming.message.id.as_str())) {
        if seen.insert(id) {
            families.entry(parents.get(id).copied().flatten()).or_default().push(id);
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(id: &str, parent: Option<&str>, children: &[&str], content: &str) -> Incoming {
        Incoming {
            message: NewMessage {
                id: id.into(),
                parent_id: parent.map(Into::into),
                role: "user".into(),
                content: Some(content.into()),
                ..NewMessage::default()
            },
            children: children.iter().map(|child| (*child).to_owned()).collect(),
        }
    }

    fn stored(id: &str, parent: Option<&str>, sequence: i64, content: &str) -> Message {
        Message {
            id: id.into(),
            parent_id: parent.map(Into::into),
            sequence,
            role: "user".into(),
            content: Some(content.into()),
            model: None,
            done: None,
            timestamp: None,
            output: None,
            error: None,
            usage: None,
            extra: serde_json::Map::new(),
        }
    }

    fn written(plan: &Plan) -> Vec<(i64, &str)> {
        plan.write.iter().map(|(sequence, message)| (*sequence, message.id.as_str())).collect()
    }

    #[test]
    fn the_same_tree_writes_nothing() {
        let rows =
            vec![stored("a", None, 0, "x"), stored("b", Some("a"), 1, "y"), stored("c", Some("a"), 2, "z")];
        let tree = vec![
            incoming("c", Some("a"), &[], "z"),
            incoming("a", None, &["b", "c"], "x"),
            incoming("b", Some("a"), &[], "y"),
        ];
        let plan = plan(rows, tree, &[], 3).unwrap();
        assert!(plan.write.is_empty() && plan.delete.is_empty(), "{plan:?}");
        assert_eq!(plan.next_sequence, 3);
    }

    #[test]
    fn only_differences_are_written() {
        let rows = vec![
            stored("a", None, 0, "x"),
            stored("b", Some("a"), 1, "y"),
            stored("gone", Some("a"), 2, "z"),
        ];
        let tree = vec![
            incoming("a", None, &["b", "new"], "x"),
            incoming("b", Some("a"), &[], "changed"),
            incoming("new", Some("a"), &[], "n"),
        ];
        let plan = plan(rows, tree, &[], 3).unwrap();
        assert_eq!(written(&plan), [(1, "b"), (3, "new")]);
        assert_eq!(plan.delete, ["gone"]);
    }

    #[test]
    fn children_follow_the_order_of_their_parent() {
        let rows =
            vec![stored("a", None, 0, "x"), stored("b", Some("a"), 1, "y"), stored("c", Some("a"), 2, "z")];
        let tree = vec![
            incoming("a", None, &["c", "b"], "x"),
            incoming("b", Some("a"), &[], "y"),
            incoming("c", Some("a"), &[], "z"),
        ];
        let plan = plan(rows, tree, &[], 3).unwrap();
        assert_eq!(written(&plan), [(3, "b")]);
    }

    #[test]
    fn running_replies_and_what_leads_to_them_stay() {
        let rows = vec![
            stored("q", None, 0, "question"),
            stored("r", Some("q"), 1, "half"),
            stored("old", None, 2, "old"),
        ];
        let running = ["r".to_owned()];
        let stale = plan(rows.clone(), vec![incoming("old", None, &[], "old")], &running, 3).unwrap();
        assert!(stale.delete.is_empty() && stale.write.is_empty(), "{stale:?}");
        let overwriting = plan(
            rows,
            vec![incoming("q", None, &["r"], "question"), incoming("r", Some("q"), &[], "")],
            &running,
            3,
        )
        .unwrap();
        assert_eq!(overwriting.delete, ["old"]);
        assert!(overwriting.write.is_empty(), "{overwriting:?}");
    }

    #[test]
    fn what_the_document_missed_stays() {
        let rows = |done| {
            let mut reply = stored("r", Some("q"), 1, "the whole text");
            reply.done = Some(done);
            vec![stored("q", None, 0, "question"), reply]
        };
        let tree = |done| {
            let mut reply = incoming("r", Some("q"), &[], "half");
            reply.message.done = done;
            vec![incoming("q", None, &["r"], "question"), reply]
        };
        // It says "not done" of what is done by now, or does not know yet what is being written.
        assert!(plan(rows(true), tree(Some(false)), &[], 2).unwrap().write.is_empty());
        assert!(plan(rows(false), tree(Some(false)), &[], 2).unwrap().write.is_empty());
        let before = plan(rows(false), vec![incoming("q", None, &[], "question")], &[], 2).unwrap();
        assert!(before.delete.is_empty() && before.ids.contains("r"), "{before:?}");
        // Whoever knows the end may change it.
        assert_eq!(written(&plan(rows(true), tree(Some(true)), &[], 2).unwrap()), [(1, "r")]);
        assert_eq!(written(&plan(rows(false), tree(Some(true)), &[], 2).unwrap()), [(1, "r")]);
        let deleted = plan(rows(true), vec![incoming("q", None, &[], "question")], &[], 2).unwrap();
        assert_eq!(deleted.delete, ["r"]);
    }

    #[test]
    fn circles_are_refused() {
        let circle = vec![incoming("a", Some("b"), &[], ""), incoming("b", Some("a"), &[], "")];
        assert!(matches!(plan(Vec::new(), circle, &[], 0), Err(StorageError::Malformed { .. })));
        // A circle through a running reply that keeps its stored parent.
        let rows = vec![stored("a", None, 0, ""), stored("r", Some("a"), 1, "")];
        let circle = vec![incoming("a", Some("r"), &[], ""), incoming("r", None, &[], "")];
        assert!(matches!(plan(rows, circle, &["r".into()], 2), Err(StorageError::Malformed { .. })));
    }

    #[test]
    fn a_parent_that_is_nowhere_is_a_root() {
        let plan = plan(Vec::new(), vec![incoming("a", Some("lost"), &[], "x")], &[], 0).unwrap();
        assert_eq!(written(&plan), [(0, "a")]);
    }
}
