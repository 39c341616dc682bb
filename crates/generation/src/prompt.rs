//! The request that goes to the provider: conversation, system prompt, parameters.

use serde_json::{Map, Value, json};

/// Parameters of a chat that OpenAI-compatible providers take as they are.
const PASSED_PARAMETERS: [&str; 16] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "seed",
    "stop",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "response_format",
];

/// Fields of the request itself that are passed on besides `model`, `messages` and `stream`.
const PASSED_FIELDS: [&str; 5] =
    ["tools", "tool_choice", "parallel_tool_calls", "stream_options", "metadata"];

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Text, or a list of content parts.
    pub content: Value,
}

impl Turn {
    /// A turn from a stored or posted message: `content`, else the text of `output`; pictures from `files`.
    ///
    /// None for a message that says nothing, such as an answer that failed before its first word.
    pub fn from_message(
        role: &str,
        content: &Value,
        output: Option<&Value>,
        files: Option<&Value>,
    ) -> Option<Self> {
        let empty = match content {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        let mut content = if empty { Value::String(output_text(output?)) } else { content.clone() };
        let pictures = pictures(files);
        if !pictures.is_empty()
            && let Value::String(text) = &content
        {
            let mut parts = vec![json!({ "type": "text", "text": text })];
            parts.extend(pictures);
            content = Value::Array(parts);
        }
        if content.as_str().is_some_and(str::is_empty) {
            return None;
        }
        Some(Self { role: role.to_owned(), content })
    }

    /// What it says, without pictures.
    pub fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            parts => {
                parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
            }
        }
    }
}

/// The text of the `message` items of an output.
pub fn output_text(output: &Value) -> String {
    let items = output.as_array().into_iter().flatten();
    let parts = items
        .filter(|item| item["type"] == "message")
        .flat_map(|item| item["content"].as_array().into_iter().flatten());
    parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// Pictures attached to a message, as content parts.
fn pictures(files: Option<&Value>) -> Vec<Value> {
    let files = files.and_then(Value::as_array).into_iter().flatten();
    files
        .filter(|file| file["type"] == "image")
        .filter_map(|file| file["url"].as_str())
        .map(|url| json!({ "type": "image_url", "image_url": { "url": url } }))
        .collect()
}

/// The body of the provider request, without the model, which the provider layer sets.
///
/// `form` is what the client posted; `defaults` are the parameters of the model's record, which those of the form
/// replace. `params.system` with its `{{VARIABLES}}` filled in becomes the first turn.
pub fn body(
    form: &Map<String, Value>,
    defaults: &Map<String, Value>,
    turns: Vec<Turn>,
) -> Map<String, Value> {
    let params = form.get("params").and_then(Value::as_object);
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = params.and_then(system).or_else(|| system(defaults)) {
        let text = fill_in(system, form.get("variables").and_then(Value::as_object));
        messages.push(json!({ "role": "system", "content": text }));
    }
    messages.extend(turns.into_iter().map(|turn| json!({ "role": turn.role, "content": turn.content })));

    let mut body = Map::new();
    body.insert("messages".into(), Value::Array(messages));
    body.insert("stream".into(), Value::Bool(true));
    for name in PASSED_FIELDS {
        if let Some(value) = form.get(name).filter(|value| !value.is_null()) {
            body.insert(name.into(), value.clone());
        }
    }
    for name in PASSED_PARAMETERS {
        if let Some(value) = form.get(name).filter(|value| !value.is_null()) {
            body.insert(name.into(), value.clone());
        }
    }
    for params in params.into_iter().chain([defaults]) {
        add_parameters(&mut body, params);
    }
    body
}

/// Adds the parameters of a chat or of a model's record that providers understand, where the body has none yet.
pub fn add_parameters(body: &mut Map<String, Value>, params: &Map<String, Value>) {
    let custom = params.get("custom_params").and_then(Value::as_object).into_iter().flatten();
    let custom = custom.filter(|(name, _)| !matches!(name.as_str(), "model" | "messages" | "stream"));
    let known = PASSED_PARAMETERS.iter().filter_map(|name| params.get_key_value(*name));
    for (name, value) in custom.chain(known.filter(|(_, value)| !value.is_null())) {
        if !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        }
    }
}

/// The system prompt in the parameters of a chat or of a model's record, if there is one.
pub fn system(params: &Map<String, Value>) -> Option<&str> {
    params.get("system").and_then(Value::as_str).filter(|system| !system.trim().is_empty())
}

/// Replaces `{{NAME}}` by its value where one is given; unknown names stay as they are.
fn fill_in(text: &str, variables: Option<&Map<String, Value>>) -> String {
    let Some(variables) = variables else { return text.to_owned() };
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("{{") {
        let Some(length) = rest[begin..].find("}}") else { break };
        let end = begin + length + 2;
        filled.push_str(&rest[..begin]);
        match variables.get(&rest[begin..end]).and_then(Value::as_str) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&rest[begin..end]),
        }
        rest = &rest[end..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn user(text: &str) -> Turn {
        Turn { role: "user".into(), content: text.into() }
    }

    #[test]
    fn the_system_prompt_is_filled_in_once_and_comes_first() {
        let form = form(&json!({
            "params": { "system": "Hi {{USER_NAME}}, {{UNKNOWN}}", "temperature": 0.5, "seed": null },
            "variables": { "{{USER_NAME}}": "{{USER_NAME}}" },
        }));
        let body = body(&form, &Map::new(), vec![user("q")]);
        assert_eq!(body["messages"][0]["content"], "Hi {{USER_NAME}}, {{UNKNOWN}}");
        assert_eq!(body["messages"][1]["content"], "q");
        assert_eq!(body["temperature"], 0.5);
        assert!(!body.contains_key("seed"));
    }

    #[test]
    fn custom_parameters_cannot_replace_the_conversation() {
        let form = form(&json!({ "params": { "custom_params": { "messages": [], "top_a": 1 } } }));
        let body = body(&form, &Map::new(), vec![user("q")]);
        assert_eq!(body["messages"].as_array().unwrap().len(), 1);
        assert_eq!(body["top_a"], 1);
    }

    #[test]
    fn what_a_record_says_counts_where_the_form_says_nothing() {
        let defaults = form(&json!({
            "system": "brief", "temperature": 0.1, "seed": 1, "custom_params": { "top_a": 1, "stream": false },
            "function_calling": "native",
        }));
        let chat =
            form(&json!({ "top_p": 0.5, "params": { "seed": null, "temperature": 0, "system": " " } }));
        let body = body(&chat, &defaults, vec![user("q")]);
        assert_eq!(body["messages"][0], json!({ "role": "system", "content": "brief" }));
        assert_eq!(
            (&body["temperature"], &body["seed"], &body["top_p"]),
            (&json!(0), &json!(1), &json!(0.5))
        );
        assert_eq!((&body["top_a"], &body["stream"]), (&json!(1), &json!(true)));
        assert!(!body.contains_key("function_calling"));
    }

    #[test]
    fn an_earlier_answer_is_read_from_its_output_and_an_empty_one_is_left_out() {
        let output = json!([
            { "type": "reasoning", "content": [{ "type": "reasoning_text", "text": "hm" }] },
            { "type": "message", "content": [{ "type": "output_text", "text": "yes" }] },
        ]);
        let turn = Turn::from_message("assistant", &Value::Null, Some(&output), None).unwrap();
        assert_eq!(turn.content, "yes");
        assert_eq!(Turn::from_message("assistant", &"".into(), Some(&json!([])), None), None);
    }

    #[test]
    fn pictures_become_content_parts() {
        let files =
            json!([{ "type": "image", "url": "data:image/png;base64,AA" }, { "type": "file", "id": "f" }]);
        let turn = Turn::from_message("user", &"look".into(), None, Some(&files)).unwrap();
        assert_eq!(turn.content[0]["text"], "look");
        assert_eq!(turn.content[1]["image_url"]["url"], "data:image/png;base64,AA");
        assert_eq!(turn.content.as_array().unwrap().len(), 2);
    }
}
