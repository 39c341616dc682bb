//! An error together with what led to it.

use std::error::Error;
use std::fmt::Write;
use std::iter::successors;

/// What led to an error, from the nearest cause to the first one; the error itself is not among them.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

/// The text of an error and of each of its causes, with colons between them. Whether it may be shown is up to the caller.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    causes(error).fold(error.to_string(), |mut text, cause| {
        let _ = write!(text, ": {cause}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Told {
        words: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(words: &'static str, source: Option<Told>) -> Told {
        Told { words, source: source.map(Box::new) }
    }

    #[test]
    fn every_cause_is_told_once_and_in_order() {
        let error = told("no settings", Some(told("no database", Some(told("no route", None)))));
        assert_eq!(with_causes(&error), "no settings: no database: no route");
        let causes: Vec<_> = causes(&error).map(ToString::to_string).collect();
        assert_eq!(causes, ["no database", "no route"]);
        assert_eq!(with_causes(&told("alone", None)), "alone");
    }
}
