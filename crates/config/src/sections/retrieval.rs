//! Variables about documents, which are only known by name until a release reads documents.

use crate::registry::{Entry, variable};
use crate::rules::{Text, Whole};

const TITLE: &str = "Documents";

/// The rows of the registry.
pub(crate) fn entries() -> Vec<Entry> {
    vec![
        variable("VECTOR_DB", Text).or("chroma").reserved().entry(TITLE, "Where vectors are kept."),
        variable("CHROMA_HTTP_HOST", Text).or("").reserved().entry(TITLE, "Host of a Chroma server."),
        variable("CHROMA_HTTP_PORT", Whole::<u16>::port())
            .or("8000")
            .reserved()
            .entry(TITLE, "Port of a Chroma server."),
    ]
}
