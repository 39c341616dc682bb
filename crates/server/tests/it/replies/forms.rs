//! What the form of a question asks of the provider.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    the_system_prompt_comes_first_with_its_variables,
    parameters_are_passed_on_and_our_own_fields_are_not,
    parameters_of_a_record_are_defaults_of_its_model_alone,
    a_model_on_a_base_is_asked_by_its_base,
    pictures_of_a_question_are_sent,
    the_provider_is_told_who_asks,
);

async fn the_system_prompt_comes_first_with_its_variables(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let params = json!({ "system": "You help {{USER_NAME}} on {{CURRENT_DATE}}. {{UNKNOWN}} stays.", "model_controls": {} });
    let variables = json!({ "{{USER_NAME}}": "Ada {{CURRENT_DATE}}", "{{CURRENT_DATE}}": "2026-11-24" });
    let asked =
        Question::new("hello").with("params", params).with("variables", variables).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let conversation = provider.request("hello").conversation();
    let system = "You help Ada {{CURRENT_DATE}} on 2026-11-24. {{UNKNOWN}} stays.";
    assert_eq!(conversation[0], ("system".to_owned(), system.to_owned()));
    assert_eq!(conversation.len(), 2);
    node.stop().await;
}

async fn parameters_are_passed_on_and_our_own_fields_are_not(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let params = json!({
        "temperature": 0.3, "max_tokens": 50, "seed": 7, "stop": ["END"], "top_p": null, "model_controls": {},
        "custom_params": { "top_a": 0.5, "messages": [], "model": "other", "stream": false },
    });
    let asked = Question::new("hello").with("params", params).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let mut body = provider.request("hello").body.as_object().cloned().unwrap();
    body.remove("messages");
    let expected = json!({
        "model": "mock", "stream": true, "temperature": 0.3, "max_tokens": 50, "seed": 7, "stop": ["END"], "top_a": 0.5,
    });
    assert_eq!(serde_json::Value::from(body), expected);
    node.stop().await;
}

async fn parameters_of_a_record_are_defaults_of_its_model_alone(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let record = json!({
        "id": "mock", "name": "Mock", "params": { "system": "Be brief.", "temperature": 0.1, "seed": 1 },
    });
    ada.post("/api/v1/models/create", record).await.expect(200);
    let question = Question::new("hello").to(&["mock", "mock-two"]).with("params", json!({ "seed": 2 }));
    let asked = question.ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    for request in provider.requests() {
        let is_recorded = request.body["model"] == "mock";
        let system = request.conversation()[0].clone();
        assert_eq!(system == ("system".into(), "Be brief.".into()), is_recorded, "{}", request.body);
        assert_eq!(request.body.get("temperature").is_some(), is_recorded, "{}", request.body);
        assert_eq!(request.body["seed"], 2);
    }
    node.stop().await;
}

async fn a_model_on_a_base_is_asked_by_its_base(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let record = json!({ "id": "poet", "base_model_id": "mock-two", "name": "Poet", "params": { "system": "Rhyme." } });
    ada.post("/api/v1/models/create", record).await.expect(200);
    let asked = Question::new("hello").to(&["poet"]).ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let request = provider.request("hello");
    assert_eq!(
        (&request.body["model"], request.conversation()[0].1.as_str()),
        (&json!("mock-two"), "Rhyme.")
    );
    // The message is the poet's: whoever reads it later must know whom to ask again.
    assert_eq!(ada.message(&asked.chat_id, asked.answer()).await["model"], "poet");
    assert_eq!(ada.document(&asked.chat_id).await["chat"]["models"], json!(["poet"]));
    node.stop().await;
}

async fn pictures_of_a_question_are_sent(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let question = Question::new("look");
    let mut form = question.form(&socket.sid);
    form["user_message"]["files"] = json!([{ "type": "image", "url": "data:image/png;base64,AAAA" }]);
    let chat_id =
        ada.post("/api/chat/completions", form).await.expect(200)["chat_id"].as_str().unwrap().to_owned();
    socket.end_of_turn(&chat_id, 1).await;
    let expected = json!([
        { "type": "text", "text": "look" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
    ]);
    assert_eq!(provider.requests()[0].body["messages"][0]["content"], expected);
    let stored = ada.message(&chat_id, &question.id).await;
    assert_eq!(stored["files"][0]["type"], "image");
    node.stop().await;
}

async fn the_provider_is_told_who_asks(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_FORWARD_USER_INFO_HEADERS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let request = provider.request("hello");
    for (name, value) in [
        ("authorization", "Bearer sk-test"),
        ("x-openwebui-user-name", "Ada"),
        ("x-openwebui-user-id", &ada.id),
        ("x-openwebui-user-email", "ada@example.org"),
        ("x-openwebui-user-role", "admin"),
        ("x-openwebui-chat-id", &asked.chat_id),
        ("x-openwebui-message-id", asked.answer()),
    ] {
        assert_eq!(request.headers.get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
    }
    node.stop().await;
}
