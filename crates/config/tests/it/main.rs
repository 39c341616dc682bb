//! The configuration as the server sees it.

#![expect(clippy::expect_used, reason = "the helpers of tests may fail like the tests")]

mod guide;
mod reference;
mod settings;
mod values;

use antiphon_config::{ConfigErrors, Environment, Loaded, load};

/// Loads an environment of these variables, which must be a good one.
fn loaded(pairs: &[(&str, &str)]) -> Loaded {
    attempt(pairs).expect("a configuration")
}

fn attempt(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    load(&Environment::from_pairs(pairs.iter().copied()))
}

/// The notices about one variable.
fn notices(loaded: &Loaded, subject: &str) -> Vec<String> {
    loaded
        .notices
        .iter()
        .filter(|notice| notice.subject == subject)
        .map(|notice| notice.text.clone())
        .collect()
}

/// The effective value of a variable, and its origin in words.
fn effective(loaded: &Loaded, name: &str) -> (String, String) {
    let row = loaded.report.rows.iter().find(|row| row.name == name).expect(name);
    (row.value.clone(), row.origin.to_string())
}
