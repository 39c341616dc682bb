//! What the server says about its own HTTP surface.
//!
//! The route table says what is served and to whom; the files in `descriptions` say of each route what it does, what it
//! takes and what it answers, in the notation of [`Shape`]. [`Surface::read`] puts both together and fails unless they
//! match; [`Surface::document`] is the OpenAPI document. Tests compare every answer of the whole suite with it.

mod document;
mod error;
mod operation;
mod schema;
mod shape;

pub use error::DescriptionError;
pub use operation::{Body, Operation};
pub use shape::{Field, Shape, ShapeError};

use crate::routes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The descriptions, by the tag of their operations.
const DESCRIPTIONS: [(&str, &str); 11] = [
    ("auths", include_str!("descriptions/auths.json")),
    ("channels", include_str!("descriptions/channels.json")),
    ("chats", include_str!("descriptions/chats.json")),
    ("completions", include_str!("descriptions/completions.json")),
    ("configs", include_str!("descriptions/configs.json")),
    ("evaluations", include_str!("descriptions/evaluations.json")),
    ("models", include_str!("descriptions/models.json")),
    ("oauth", include_str!("descriptions/oauth.json")),
    ("server", include_str!("descriptions/server.json")),
    ("tasks", include_str!("descriptions/tasks.json")),
    ("users", include_str!("descriptions/users.json")),
];

/// Shapes by name.
pub type Shapes = BTreeMap<String, Shape>;

/// The whole HTTP surface with its descriptions.
pub struct Surface {
    /// Every route, in the order of the table.
    pub operations: Vec<Operation>,
    /// Shapes that operations name.
    pub shapes: Shapes,
}

impl Surface {
    /// Reads the descriptions beside the route table.
    ///
    /// Errors: a description that cannot be read, a route without one, one without a route.
    pub fn read() -> Result<Self, DescriptionError> {
        let mut described = BTreeMap::new();
        let mut shapes = Shapes::new();
        for (tag, text) in DESCRIPTIONS {
            let file: Map<String, Value> =
                serde_json::from_str(text).map_err(|source| DescriptionError::File { tag, source })?;
            for (name, notation) in entries(&file, "shapes") {
                let shape = Shape::parse(notation).map_err(|source| DescriptionError::shape(name, source))?;
                if shapes.insert(name.clone(), shape).is_some() {
                    return Err(DescriptionError::Twice(name.clone()));
                }
            }
            for (name, description) in entries(&file, "routes") {
                if described.insert(name.clone(), (tag, description.clone())).is_some() {
                    return Err(DescriptionError::Twice(name.clone()));
                }
            }
        }
        let mut operations = Vec::new();
        for route in routes::table() {
            let name = format!("{} {}", route.method, route.path);
            let (tag, description) =
                described.remove(&name).ok_or_else(|| DescriptionError::Undescribed(name.clone()))?;
            operations.push(Operation::read(&route, tag, &description, &shapes)?);
        }
        match described.into_keys().next() {
            Some(name) => Err(DescriptionError::NotServed(name)),
            None => Ok(Self { operations, shapes }),
        }
    }
}

fn entries<'a>(file: &'a Map<String, Value>, part: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    file.get(part).and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_every_shape_is_there() {
        let surface = Surface::read().unwrap();
        for operation in &surface.operations {
            assert!(operation.summary.ends_with('.'), "{}: a summary is a sentence", operation.name());
        }
        let document = surface.document().to_string();
        for reference in document.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(
                name == document::REFUSAL || surface.shapes.contains_key(name),
                "there is no shape {name}"
            );
        }
    }
}
