//! A shape as JSON Schema (2020-12, which OpenAPI 3.1 uses).

use super::Shape;
use serde_json::{Map, Value, json};

impl Shape {
    /// The schema of this shape; named shapes are references into the document.
    pub fn schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Named(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
            Self::Word(word) => json!({ "const": word }),
            Self::List(item) if **item == Self::Any => json!({ "type": "array" }),
            Self::List(item) => json!({ "type": "array", "items": item.schema() }),
            Self::Map(values) => json!({ "type": "object", "additionalProperties": values.schema() }),
            Self::Object(fields) => {
                let properties: Map<String, Value> =
                    fields.iter().map(|field| (field.name.clone(), field.shape.schema())).collect();
                let required: Vec<&str> =
                    fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
                json!({ "type": "object", "properties": properties, "required": required })
            }
            Self::OneOf(choices) => one_of(choices),
            Self::Null | Self::Boolean | Self::Integer | Self::Number | Self::Text => {
                json!({ "type": self.scalar() })
            }
        }
    }

    fn scalar(&self) -> Option<&'static str> {
        Some(match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "string",
            _ => return None,
        })
    }

    /// What it is as an item of an enumeration.
    fn constant(&self) -> Option<Value> {
        match self {
            Self::Word(word) => Some(json!(word)),
            Self::Null => Some(Value::Null),
            _ => None,
        }
    }
}

fn one_of(choices: &[Shape]) -> Value {
    let scalars: Option<Vec<&str>> = choices.iter().map(Shape::scalar).collect();
    let constants: Option<Vec<Value>> = choices.iter().map(Shape::constant).collect();
    match (scalars, constants) {
        (Some(scalars), _) => json!({ "type": scalars }),
        (_, Some(constants)) => json!({ "enum": constants }),
        _ => json!({ "anyOf": choices.iter().map(Shape::schema).collect::<Vec<_>>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_become_schemas() {
        for (notation, expected) in [
            (json!("string | null"), json!({ "type": ["string", "null"] })),
            (json!("'asc' | 'desc'"), json!({ "enum": ["asc", "desc"] })),
            (
                json!("Role | null"),
                json!({ "anyOf": [{ "$ref": "#/components/schemas/Role" }, { "type": "null" }] }),
            ),
            (json!([]), json!({ "type": "array" })),
            (json!(["integer"]), json!({ "type": "array", "items": { "type": "integer" } })),
            (json!({ "*": "any" }), json!({ "type": "object", "additionalProperties": {} })),
            (
                json!({ "id": "string", "at?": "number" }),
                json!({
                    "type": "object", "properties": { "id": { "type": "string" }, "at": { "type": "number" } },
                    "required": ["id"],
                }),
            ),
        ] {
            assert_eq!(Shape::parse(&notation).unwrap().schema(), expected, "{notation}");
        }
    }
}
