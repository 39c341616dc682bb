//! What is asked besides the answer: titles, tags, follow-up questions.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    title_tags_and_follow_ups_are_stored,
    only_what_is_asked_for_is_made,
    an_administrator_switches_them_off,
    a_title_comes_from_the_question_when_no_model_gives_one,
    the_helper_model_is_asked_where_one_is_named,
);

/// Questions of this server itself at the provider.
fn helper_questions(provider: &Provider) -> Vec<String> {
    let questions = provider.requests().into_iter().map(|request| request.question());
    questions.filter(|question| question.contains("JSON")).collect()
}

async fn title_tags_and_follow_ups_are_stored(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").with_background().ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let told = |kind: &str| &heard.iter().find(|event| event.kind == kind).unwrap().data;
    assert_eq!(told("chat:title"), "Mock Title");
    let follow_ups = json!(["Mock follow up one?", "Mock follow up two?"]);
    assert_eq!(told("chat:message:follow_ups"), &json!({ "follow_ups": follow_ups }));
    assert_eq!(told("chat:tags"), &json!(["Mocktag", "General"]));

    let document = ada.document(&asked.chat_id).await;
    assert_eq!(document["title"], "Mock Title");
    assert_eq!(document["chat"]["title"], "Mock Title");
    assert_eq!(document["meta"]["tags"], json!(["mocktag", "general"]));
    assert_eq!(ada.message(&asked.chat_id, asked.answer()).await["followUps"], follow_ups);
    let tags = ada.get("/api/v1/chats/all/tags").await.expect(200).clone();
    let mut ids: Vec<_> = tags.as_array().unwrap().iter().map(|tag| tag["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["general", "mocktag"]);
    assert_eq!(helper_questions(&provider).len(), 3);
    node.stop().await;
}

async fn only_what_is_asked_for_is_made(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    assert!(helper_questions(&provider).is_empty());
    assert_eq!(ada.document(&asked.chat_id).await["title"], "New Chat");
    let next =
        Question::after(&asked, "more").with("background_tasks", json!({ "follow_up_generation": true }));
    next.ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 2).await;
    assert_eq!(helper_questions(&provider).len(), 1);
    node.stop().await;
}

async fn an_administrator_switches_them_off(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_TAGS_GENERATION", "false")]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let off = json!({ "ENABLE_FOLLOW_UP_GENERATION": false, "ENABLE_TITLE_GENERATION": false });
    let config = ada.post("/api/v1/tasks/config/update", off).await.expect(200).clone();
    for switch in ["ENABLE_FOLLOW_UP_GENERATION", "ENABLE_TITLE_GENERATION", "ENABLE_TAGS_GENERATION"] {
        assert_eq!(config[switch], false, "{switch}");
    }
    assert_eq!(ada.get("/api/v1/tasks/config").await.expect(200), &config);
    let asked = Question::new("what is a river").with_background().ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert!(helper_questions(&provider).is_empty());
    assert!(
        !heard.iter().any(|event| matches!(event.kind.as_str(), "chat:tags" | "chat:message:follow_ups"))
    );
    assert_eq!(ada.document(&asked.chat_id).await["title"], "what is a river");
    node.stop().await;
}

async fn a_title_comes_from_the_question_when_no_model_gives_one(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    // A template of the administrator that the model answers with prose.
    let template = json!({ "TITLE_GENERATION_PROMPT_TEMPLATE": "Say something about {{MESSAGES}}" });
    ada.post("/api/v1/tasks/config/update", template).await.expect(200);
    let asked = Question::new("why is the sky blue").with_background().ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let title = heard.iter().find(|event| event.kind == "chat:title").unwrap();
    assert_eq!(title.data, "why is the sky blue");
    assert!(
        provider
            .requests()
            .iter()
            .any(|request| request.question().starts_with("Say something about USER: why"))
    );
    node.stop().await;
}

async fn the_helper_model_is_asked_where_one_is_named(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("TASK_MODEL_EXTERNAL", "mock-two")]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").with_background().ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    for request in provider.requests() {
        let helper = request.question().contains("JSON");
        assert_eq!(request.body["model"], if helper { "mock-two" } else { "mock" });
    }
    node.stop().await;
}
