//! One operation: what it takes, and with what it may answer.

use super::{DescriptionError, Field, Shape, Shapes};
use crate::http::{Access, Route};
use axum::http::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// JSON of this shape.
    Json(Shape),
    /// Something of one of these media types.
    Media(Vec<String>),
    /// Nothing.
    Nothing,
    /// `{"detail": …}`
    Refusal,
}

/// One route with its description.
#[derive(Clone, Debug)]
pub struct Operation {
    /// HTTP method.
    pub method: Method,
    /// Path with `{name}` captures.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it belongs to.
    pub tag: &'static str,
    /// What it does, in a sentence.
    pub summary: String,
    /// Query parameters.
    pub query: Vec<Field>,
    /// The JSON body that it takes.
    pub form: Option<Shape>,
    /// Answers by status.
    pub answers: BTreeMap<u16, Body>,
    /// Whether a model service's own refusals are passed on with their status.
    pub passes_on: bool,
}

impl Operation {
    /// `METHOD /path`
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Names of the captures of the path.
    pub fn captures(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            Some(name.trim_start_matches('*'))
        })
    }

    pub(super) fn read(
        route: &Route,
        tag: &'static str,
        description: &Value,
        shapes: &Shapes,
    ) -> Result<Self, DescriptionError> {
        let mut operation = Self {
            method: route.method.clone(),
            path: route.path,
            access: route.access,
            tag,
            summary: String::new(),
            query: Vec::new(),
            form: None,
            answers: BTreeMap::new(),
            passes_on: false,
        };
        let name = operation.name();
        let unusable = |part: &str| DescriptionError::Part { operation: name.clone(), part: part.to_owned() };
        let shape =
            |notation: &Value| Shape::parse(notation).map_err(|error| DescriptionError::shape(&name, error));
        for (part, value) in description.as_object().into_iter().flatten() {
            match (part.as_str(), part.parse::<u16>()) {
                ("summary", _) => value.as_str().unwrap_or_default().clone_into(&mut operation.summary),
                ("query", _) => {
                    operation.query = fields(shape(value)?, shapes).ok_or_else(|| unusable("query"))?;
                }
                ("form", _) => operation.form = Some(shape(value)?),
                ("passed_on", _) => operation.passes_on = value == true,
                ("refused", _) => {
                    let statuses: Vec<u16> =
                        serde_json::from_value(value.clone()).map_err(|_| unusable("refused"))?;
                    operation.answers.extend(statuses.into_iter().map(|status| (status, Body::Refusal)));
                }
                (_, Ok(status)) => {
                    let body = media(value).map_or_else(|| shape(value).map(Body::Json), Ok)?;
                    operation.answers.insert(status, body);
                }
                _ => return Err(unusable(part)),
            }
        }
        if operation.summary.is_empty() {
            return Err(unusable("summary"));
        }
        operation.add_refusals();
        Ok(operation)
    }

    /// The refusals that follow from what every such route has in common.
    fn add_refusals(&mut self) {
        let mut refusals = Vec::new();
        if self.access != Access::Public {
            // No good identity, a key or role that is not let in, and nobody there to tell.
            refusals.extend([401, 403, 503]);
        }
        if self.form.is_some() {
            // A body that ends early, comes too slowly, is too large, or has not the form.
            refusals.extend([400, 408, 413, 422]);
        }
        if !self.query.is_empty() {
            refusals.push(422);
        }
        if self.captures().next().is_some() {
            refusals.push(400);
        }
        if self.passes_on {
            refusals.extend([400, 502, 503, 504]);
        }
        for status in refusals {
            self.answers.entry(status).or_insert(Body::Refusal);
        }
    }
}

/// `"<image/png, image/gif>"`; `"<nothing>"`
fn media(notation: &Value) -> Option<Body> {
    let types = notation.as_str()?.strip_prefix('<')?.strip_suffix('>')?;
    Some(match types {
        "nothing" => Body::Nothing,
        types => Body::Media(types.split(',').map(|name| name.trim().to_owned()).collect()),
    })
}

/// The fields of an object, under its name or not.
fn fields(shape: Shape, shapes: &Shapes) -> Option<Vec<Field>> {
    match shape {
        Shape::Object(fields) => Some(fields),
        Shape::Named(name) => fields(shapes.get(&name)?.clone(), shapes),
        _ => None,
    }
}
