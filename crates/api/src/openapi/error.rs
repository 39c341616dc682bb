//! Why the descriptions do not fit the route table. None of these happens outside development: a test reads them all.

use super::ShapeError;
use thiserror::Error;

/// A description that cannot be used.
#[derive(Debug, Error)]
pub enum DescriptionError {
    /// A file is no JSON.
    #[error("the description of {tag} is no JSON")]
    File {
        /// Which file.
        tag: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A notation that means nothing.
    #[error("the shape of {place} cannot be read")]
    Shape {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: ShapeError,
    },
    /// A part of a description is missing or means nothing.
    #[error("the description of {operation} has no usable {part:?}")]
    Part {
        /// Which description.
        operation: String,
        /// Which part.
        part: String,
    },
    /// A route or shape is described in two places.
    #[error("{0} is described twice")]
    Twice(String),
    /// A route has no description.
    #[error("{0} is served, but described nowhere; add it to a file in crates/api/src/openapi/descriptions")]
    Undescribed(String),
    /// A description has no route.
    #[error("{0} is described, but not served; take it out of crates/api/src/openapi/descriptions")]
    NotServed(String),
}

impl DescriptionError {
    pub(super) fn shape(place: &str, source: ShapeError) -> Self {
        Self::Shape { place: place.to_owned(), source }
    }
}
