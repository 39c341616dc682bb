//! `testing/compat/scoreboard.md`: which operations of the reference are served here.

use super::{anonymous, keep, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const HEAD: &str = "# Scoreboard

Which operations of the reference (0.12.4) this server has. *Done*: it answers what the reference's clients expect.
*Partial*: it answers, but not for everything; the reason stands beside it. *Absent*: it answers 404 `{\"detail\"}`.

Generated from `operations.json`, `partial.json` and the route table by `UPDATE=1 cargo test -p antiphon-api --test it`.

";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Done,
    Partial,
    Absent,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Absent => "absent",
        }
    }
}

struct Board {
    /// Operations by tag.
    operations: BTreeMap<String, Vec<String>>,
    /// Reasons.
    partial: BTreeMap<String, String>,
    /// Routes, anonymous.
    served: BTreeSet<String>,
}

impl Board {
    fn open() -> Self {
        let routes = antiphon_api::routes::table();
        let served = routes.iter().map(|route| anonymous(&format!("{} {}", route.method, route.path)));
        Self {
            operations: serde_json::from_str(&read("testing/compat/operations.json"))
                .expect("operations by tag"),
            partial: serde_json::from_str(&read("testing/compat/partial.json")).expect("reasons"),
            served: served.collect(),
        }
    }

    fn state(&self, operation: &str) -> State {
        match (self.served.contains(&anonymous(operation)), self.partial.contains_key(operation)) {
            (false, _) => State::Absent,
            (true, true) => State::Partial,
            (true, false) => State::Done,
        }
    }

    fn counts<'a>(&self, operations: impl Iterator<Item = &'a String>) -> [usize; 3] {
        let mut counts = [0; 3];
        for operation in operations {
            counts[self.state(operation) as usize] += 1;
        }
        counts
    }

    fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        text.push_str("| part | done | partial | absent | all |\n|---|---:|---:|---:|---:|\n");
        let mut row = |name: &str, [done, partial, absent]: [usize; 3]| {
            let all = done + partial + absent;
            writeln!(text, "| {name} | {done} | {partial} | {absent} | {all} |").expect("a String takes it");
        };
        for (tag, operations) in &self.operations {
            row(tag, self.counts(operations.iter()));
        }
        row("**all**", self.counts(self.operations.values().flatten()));
        for (tag, operations) in &self.operations {
            writeln!(text, "\n## {tag}\n\n| operation | state | |\n|---|---|---|")
                .expect("a String takes it");
            for operation in operations {
                let state = self.state(operation);
                let reason = if state == State::Partial { self.partial[operation].as_str() } else { "" };
                writeln!(text, "| `{operation}` | {} | {reason} |", state.name()).expect("a String takes it");
            }
        }
        text
    }
}

#[test]
fn the_scoreboard_is_as_the_routes_are() {
    let board = Board::open();
    assert_eq!(board.operations.values().map(Vec::len).sum::<usize>(), 597);
    keep("testing/compat/scoreboard.md", &board.render());
}

#[test]
fn what_is_partial_is_an_operation_and_served() {
    let board = Board::open();
    let known: BTreeSet<&String> = board.operations.values().flatten().collect();
    for (operation, reason) in &board.partial {
        assert!(known.contains(operation), "{operation} of partial.json is none of the reference's");
        assert!(board.state(operation) == State::Partial, "{operation} of partial.json is not served");
        assert!(reason.ends_with('.'), "{operation}: a reason is a sentence");
    }
}
