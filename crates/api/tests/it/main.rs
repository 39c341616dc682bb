//! Files of the tree that are generated from the route table, and kept true to it.
//!
//! A test fails when a file is stale. `UPDATE=1 cargo test -p antiphon-api --test it` writes it anew.

#![cfg(test)]

mod openapi;
mod scoreboard;

use std::path::{Path, PathBuf};

/// A file of the tree.
fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    let path = in_tree(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a file of the tree with what it should be, or writes it.
#[track_caller]
fn keep(path: &str, expected: &str) {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it writes")]
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    if update {
        std::fs::write(in_tree(path), expected).expect("the file is written");
    }
    let found = std::fs::read_to_string(in_tree(path)).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is stale. Write it anew: UPDATE=1 cargo test -p antiphon-api --test it"
    );
}

/// `METHOD /path` with `{}` for each capture, by which operations and routes are compared.
fn anonymous(operation: &str) -> String {
    let parts: Vec<&str> =
        operation.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    parts.join("/")
}
