//! Bounds of what forms may hold, beside the size of the body.

use crate::http::ApiError;
use serde_json::Value;

/// Longest text in a form of settings, in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Refuses a form with a text that is longer than settings may be.
pub(super) fn check_texts(form: &Value) -> Result<(), ApiError> {
    match form {
        Value::String(text) if text.len() > MAX_TEXT_BYTES => Err(ApiError::unprocessable(
            "string_too_long",
            &["body"],
            format!("A text of the form is longer than the {MAX_TEXT_BYTES} bytes allowed."),
        )),
        Value::Array(items) => items.iter().try_for_each(check_texts),
        Value::Object(fields) => fields.values().try_for_each(check_texts),
        _ => Ok(()),
    }
}

/// Refuses a value that takes more than `limit` bytes as JSON.
pub(super) fn check_size(what: &str, value: &Value, limit: usize) -> Result<(), ApiError> {
    let size = value.to_string().len();
    if size <= limit {
        return Ok(());
    }
    Err(ApiError::too_large(format!("The {what} would take {size} bytes; at most {limit} are kept.")))
}
