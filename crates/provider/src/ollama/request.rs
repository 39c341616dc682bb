//! From an OpenAI chat request to Ollama's `/api/chat`.

use crate::error::ProviderError;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Sampling and loading parameters that Ollama takes under the same name.
const SAME_NAME: [&str; 24] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "tfs_z",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "repeat_last_n",
    "penalize_newline",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "num_ctx",
    "num_keep",
    "num_predict",
    "num_batch",
    "num_gpu",
    "num_thread",
    "main_gpu",
    "use_mmap",
    "numa",
];

/// The body of `/api/chat`.
pub(crate) fn chat(mut body: Map<String, Value>, model: &str) -> Result<Value, ProviderError> {
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let Some(Value::Array(messages)) = body.remove("messages") else {
        return Err(invalid("The request has no list of messages."));
    };
    let mut request = Map::new();
    request.insert("model".into(), model.into());
    request.insert("messages".into(), translate_messages(messages)?);
    request.insert("stream".into(), stream.into());
    for name in ["tools", "keep_alive", "think", "logprobs", "top_logprobs"] {
        if let Some(value) = body.remove(name).filter(|value| !value.is_null()) {
            request.insert(name.into(), value);
        }
    }
    if let Some(effort) = body.remove("reasoning_effort").as_ref().and_then(Value::as_str) {
        let think = if effort == "none" { Value::Bool(false) } else { effort.into() };
        request.entry("think").or_insert(think);
    }
    if let Some(format) = format(&mut body) {
        request.insert("format".into(), format);
    }
    let options = options(&mut body);
    if !options.is_empty() {
        request.insert("options".into(), options.into());
    }
    Ok(Value::Object(request))
}

fn format(body: &mut Map<String, Value>) -> Option<Value> {
    if let Some(format) = body.remove("format").filter(|format| !format.is_null()) {
        return Some(format);
    }
    let wanted = body.remove("response_format")?;
    match wanted.get("type")?.as_str()? {
        "json_object" => Some("json".into()),
        "json_schema" => wanted.pointer("/json_schema/schema").cloned(),
        _ => None,
    }
}

fn options(body: &mut Map<String, Value>) -> Map<String, Value> {
    let mut options = match body.remove("options") {
        Some(Value::Object(options)) => options,
        _ => Map::new(),
    };
    for name in SAME_NAME {
        if let Some(value) = body.remove(name).filter(|value| !value.is_null()) {
            options.entry(name).or_insert(value);
        }
    }
    for name in ["max_completion_tokens", "max_tokens"] {
        if let Some(limit) = body.remove(name).filter(|value| !value.is_null()) {
            options.entry("num_predict").or_insert(limit);
        }
    }
    match body.remove("stop") {
        Some(Value::String(stop)) => {
            options.entry("stop").or_insert_with(|| json!([stop]));
        }
        Some(stops @ Value::Array(_)) => {
            options.entry("stop").or_insert(stops);
        }
        _ => {}
    }
    options
}

fn translate_messages(messages: Vec<Value>) -> Result<Value, ProviderError> {
    // Results of tools name the call; Ollama wants the name of the tool.
    let mut tools: HashMap<String, String> = HashMap::new();
    let mut translated = Vec::with_capacity(messages.len());
    for message in messages {
        let Value::Object(mut message) = message else {
            return Err(invalid("A message of the request is not an object."));
        };
        let role = message.remove("role").unwrap_or_else(|| "user".into());
        let (text, images) = content(message.remove("content"))?;
        let mut entry = Map::new();
        // The newer name of the system role is unknown to the templates of most local models.
        entry.insert("role".into(), if role == "developer" { "system".into() } else { role.clone() });
        entry.insert("content".into(), text.into());
        if !images.is_empty() {
            entry.insert("images".into(), images.into());
        }
        let thoughts = ["thinking", "reasoning_content", "reasoning"].into_iter();
        if let Some(thoughts) = thoughts.filter_map(|name| message.remove(name)).find(Value::is_string) {
            entry.insert("thinking".into(), thoughts);
        }
        if let Some(Value::Array(calls)) = message.remove("tool_calls") {
            entry.insert("tool_calls".into(), tool_calls(calls, &mut tools).into());
        }
        if role == "tool" {
            let call = message.remove("tool_call_id");
            let name = message.remove("name").filter(Value::is_string);
            let known =
                || call.as_ref()?.as_str().and_then(|id| tools.get(id)).map(|name| name.as_str().into());
            if let Some(name) = name.or_else(known) {
                entry.insert("tool_name".into(), name);
            }
            if let Some(call) = call {
                entry.insert("tool_call_id".into(), call);
            }
        }
        translated.push(Value::Object(entry));
    }
    Ok(translated.into())
}

/// The text and the pictures (base64, without the head of the data URL) of a message.
fn content(content: Option<Value>) -> Result<(String, Vec<Value>), ProviderError> {
    let parts = match content {
        None | Some(Value::Null) => return Ok((String::new(), Vec::new())),
        Some(Value::String(text)) => return Ok((text, Vec::new())),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(invalid("The content of a message is neither a text nor a list of parts.")),
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part.get("type").and_then(Value::as_str) {
            Some("text" | "input_text" | "output_text") => {
                texts.extend(part.get("text").and_then(Value::as_str).map(str::to_owned));
            }
            Some("image_url") => images.push(image(&part)?),
            other => {
                let kind = other.unwrap_or("unknown");
                return Err(invalid(&format!(
                    "This model service cannot take content of the type \"{kind}\"."
                )));
            }
        }
    }
    Ok((texts.join("\n"), images))
}

fn image(part: &Value) -> Result<Value, ProviderError> {
    let url = part.pointer("/image_url/url").or_else(|| part.get("image_url")).and_then(Value::as_str);
    let url = url.unwrap_or_default();
    match url.strip_prefix("data:").and_then(|data| data.split_once(";base64,")) {
        Some((_, picture)) => Ok(picture.into()),
        None => Err(invalid(
            "This model service takes pictures only inside the request, not by their address. Attach the picture \
             itself.",
        )),
    }
}

fn tool_calls(calls: Vec<Value>, tools: &mut HashMap<String, String>) -> Vec<Value> {
    let call = |call: Value| {
        let function = call.get("function")?;
        let name = function.get("name")?.as_str()?;
        let id = call.get("id").and_then(Value::as_str);
        if let Some(id) = id {
            tools.insert(id.to_owned(), name.to_owned());
        }
        let arguments = match function.get("arguments") {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!({})),
            Some(arguments @ Value::Object(_)) => arguments.clone(),
            _ => json!({}),
        };
        let mut translated = json!({ "function": { "name": name, "arguments": arguments } });
        if let Some(id) = id {
            translated["id"] = id.into();
        }
        Some(translated)
    };
    calls.into_iter().filter_map(call).collect()
}

fn invalid(message: &str) -> ProviderError {
    ProviderError::InvalidRequest { message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(body: &Value) -> Result<Value, ProviderError> {
        chat(body.as_object().cloned().unwrap(), "llama3")
    }

    #[test]
    fn parameters_become_options() {
        let request = translate(&json!({
            "model": "x", "stream": true, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "seed": 1,
            "max_tokens": 9, "top_k": null, "stop": "END", "options": {"num_ctx": 4096, "seed": 2}, "user": "u",
            "response_format": {"type": "json_object"}, "reasoning_effort": "none", "keep_alive": "5m"
        }));
        assert_eq!(
            request.unwrap(),
            json!({"model": "llama3", "stream": true, "messages": [{"role": "user", "content": "Hi"}], "think": false,
                "format": "json", "keep_alive": "5m",
                "options": {"temperature": 0.5, "seed": 2, "num_predict": 9, "stop": ["END"], "num_ctx": 4096}})
        );
    }

    #[test]
    fn pictures_are_taken_out_of_the_parts() {
        let request = translate(&json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "What"}, {"type": "text", "text": "is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}));
        assert_eq!(
            request.unwrap()["messages"],
            json!([{"role": "user", "content": "What\nis this?", "images": ["AAAA"]}])
        );
    }

    #[test]
    fn tool_calls_and_their_results_are_translated() {
        let request =
            translate(&json!({"tools": [{"type": "function", "function": {"name": "add"}}], "messages": [
            {"role": "developer", "content": "S"},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "not json"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"}]}));
        assert_eq!(
            request.unwrap(),
            json!({"model": "llama3", "stream": false, "tools": [{"type": "function", "function": {"name": "add"}}],
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                        {"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}},
                        {"id": "c2", "function": {"name": "now", "arguments": {}}}]},
                    {"role": "tool", "content": "2", "tool_name": "add", "tool_call_id": "c1"}]})
        );
    }

    #[test]
    fn a_schema_becomes_the_format() {
        let schema = json!({"type": "object"});
        let request = translate(&json!({"messages": [],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}));
        assert_eq!(request.unwrap()["format"], schema);
    }

    #[test]
    fn what_cannot_be_translated_is_refused_with_a_sentence() {
        for body in [
            json!({}),
            json!({"messages": "x"}),
            json!({"messages": ["x"]}),
            json!({"messages": [{"role": "user", "content": 7}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y"}}]}]}),
        ] {
            assert_eq!(translate(&body).unwrap_err().kind(), "invalid_request", "{body}");
        }
    }
}
