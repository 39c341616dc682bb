//! Where a value departs from a shape.

use antiphon_api::openapi::{Shape, Shapes};
use serde_json::Value;

/// What is wrong with `value`, each finding with its place: `.field`, `[]` for an item, `.*` for a value of a map.
pub(crate) fn faults(shape: &Shape, shapes: &Shapes, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    check(shape, shapes, value, place, &mut found);
    found.dedup();
    found
}

/// Fields of `value` that its shape does not have.
pub(crate) fn further_fields(shape: &Shape, shapes: &Shapes, value: &Value, place: &str) -> Vec<String> {
    match (shape, value) {
        (Shape::Named(name), _) => further_fields(&shapes[name], shapes, value, place),
        (Shape::OneOf(choices), _) => {
            let fitting = choices.iter().find(|choice| faults(choice, shapes, value, place).is_empty());
            fitting.map(|choice| further_fields(choice, shapes, value, place)).unwrap_or_default()
        }
        (Shape::List(item), Value::Array(values)) => values
            .iter()
            .flat_map(|value| further_fields(item, shapes, value, &format!("{place}[]")))
            .collect(),
        (Shape::Map(item), Value::Object(values)) => values
            .values()
            .flat_map(|value| further_fields(item, shapes, value, &format!("{place}.*")))
            .collect(),
        (Shape::Object(fields), Value::Object(values)) => values
            .iter()
            .flat_map(|(name, value)| {
                let place = format!("{place}.{name}");
                match fields.iter().find(|field| &field.name == name) {
                    Some(field) => further_fields(&field.shape, shapes, value, &place),
                    None => vec![place],
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Leaves of `value` what its shape has.
pub(crate) fn prune(shape: &Shape, shapes: &Shapes, value: &mut Value) {
    match (shape, value) {
        (Shape::Named(name), value) => prune(&shapes[name], shapes, value),
        (Shape::List(item), Value::Array(values)) => {
            for value in values {
                prune(item, shapes, value);
            }
        }
        (Shape::Map(item), Value::Object(values)) => {
            for value in values.values_mut() {
                prune(item, shapes, value);
            }
        }
        (Shape::Object(fields), Value::Object(values)) => {
            values.retain(|name, _| fields.iter().any(|field| &field.name == name));
            for field in fields {
                if let Some(value) = values.get_mut(&field.name) {
                    prune(&field.shape, shapes, value);
                }
            }
        }
        _ => {}
    }
}

fn check(shape: &Shape, shapes: &Shapes, value: &Value, place: &str, found: &mut Vec<String>) {
    let fits = match (shape, value) {
        // What was only ever seen empty may be anything.
        (Shape::Any | Shape::Null, _)
        | (Shape::Boolean, Value::Bool(_))
        | (Shape::Number, Value::Number(_))
        | (Shape::Text, Value::String(_)) => true,
        (Shape::Integer, Value::Number(number)) => !number.is_f64(),
        (Shape::Word(word), Value::String(text)) => word == text,
        (Shape::Named(name), _) => {
            let named = shapes.get(name).unwrap_or_else(|| panic!("no shape {name}"));
            check(named, shapes, value, place, found);
            true
        }
        (Shape::List(item), Value::Array(values)) => {
            for value in values {
                check(item, shapes, value, &format!("{place}[]"), found);
            }
            true
        }
        (Shape::Map(item), Value::Object(values)) => {
            for value in values.values() {
                check(item, shapes, value, &format!("{place}.*"), found);
            }
            true
        }
        (Shape::Object(fields), Value::Object(values)) => {
            for field in fields {
                let place = format!("{place}.{}", field.name);
                match values.get(&field.name) {
                    Some(value) => check(&field.shape, shapes, value, &place, found),
                    None if field.required => found.push(format!("{place} is missing")),
                    None => {}
                }
            }
            true
        }
        (Shape::OneOf(choices), _) => {
            let alternatives = choices.iter().map(|choice| match (choice, value) {
                // Beside other choices, null is null.
                (Shape::Null, Value::Null) => Vec::new(),
                (Shape::Null, _) => vec![format!("{place} is not null")],
                _ => faults(choice, shapes, value, place),
            });
            found.extend(alternatives.min_by_key(Vec::len).unwrap_or_default());
            true
        }
        _ => false,
    };
    if !fits {
        let shown: String = value.to_string().chars().take(60).collect();
        found.push(format!("{place} is {shown}, not {shape:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(shape: &Value, value: &Value) -> Vec<String> {
        let shapes = Shapes::from([("Item".to_owned(), Shape::parse(&json!({ "id": "string" })).unwrap())]);
        faults(&Shape::parse(shape).unwrap(), &shapes, value, "200")
    }

    #[test]
    fn faults_are_found_with_their_places() {
        let shape = json!({
            "id": "string", "role": "'user' | 'admin'", "at?": "integer", "items": ["Item"], "by": { "*": "boolean" },
            "or": { "|": ["null", { "a": "number" }] }, "empty": "null",
        });
        let good = json!({
            "id": "a", "role": "user", "items": [{ "id": "b" }], "by": { "c": true }, "or": { "a": 1.5 }, "empty": 7,
            "more": 1,
        });
        assert_eq!(places(&shape, &good), Vec::<String>::new());
        for (field, value, place) in [
            ("id", json!(null), "200.id"),
            ("role", json!("owner"), "200.role"),
            ("at", json!(1.5), "200.at"),
            ("items", json!([{}]), "200.items[].id"),
            ("items", json!({}), "200.items"),
            ("by", json!({ "d": 0 }), "200.by.*"),
            ("or", json!({ "a": "x" }), "200.or"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let found = places(&shape, &bad);
            assert!(found.len() == 1 && found[0].starts_with(place), "{found:?}, not at {place}");
        }
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove("empty");
        assert_eq!(places(&shape, &missing), ["200.empty is missing"]);
        let shape = Shape::parse(&shape).unwrap();
        assert_eq!(further_fields(&shape, &Shapes::new(), &json!({ "more": 1, "id": "a" }), ""), [".more"]);
    }
}
