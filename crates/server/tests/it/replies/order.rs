//! What is told about a reply, in which order, and that nothing is told twice.

use crate::support::chat::{Question, deltas, kinds, said, start};
use crate::support::provider::Provider;
use crate::support::script::{tokens, usage};
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(
    a_new_chat_is_told_in_the_recorded_order,
    every_event_has_its_envelope,
    deltas_are_told_once_and_add_up_to_the_stored_text,
    letters_of_several_bytes_are_counted_in_bytes,
    a_last_chunk_with_text_is_not_told_twice,
    an_answer_in_one_piece_is_told_as_one_delta,
    usage_reasoning_and_tool_calls_come_unharmed,
    events_of_the_provider_are_passed_on,
    nobody_else_hears_anything,
);

async fn a_new_chat_is_told_in_the_recorded_order(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    // The call is answered while the provider has not said a word.
    let asked = Question::new("[[tokens=6 hold=0 usage]]").with_background().ask(&ada, &socket).await;
    assert_eq!(asked.task_ids.len(), 1);
    let running = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(running.expect(200), &json!({ "task_ids": asked.task_ids }));
    let listed = ada.get("/api/v1/chats/?page=1").await;
    assert_eq!(listed.expect(200)[0]["active"], true);
    socket.event(&asked.chat_id, "chat:title").await;
    provider.release();

    let mut heard = socket.end_of_turn(&asked.chat_id, 1).await;
    // The title comes when it is made, at the latest while the answer grows here.
    heard.retain(|event| event.kind != "chat:title");
    assert_eq!(
        kinds(&heard),
        [
            "chat:list",
            "chat:active",
            "response:completion",
            "chat:completion",
            "chat:list",
            "chat:completion",
            "chat:message:follow_ups",
            "chat:tags",
            "chat:active",
        ]
    );
    let active = |event: usize| &heard[event].data;
    assert_eq!(active(1), &json!({ "active": true, "folder_id": null }));
    assert_eq!(active(heard.len() - 1), &json!({ "active": false, "folder_id": null }));
    let role = &heard.iter().find(|event| event.kind == "response:completion").unwrap().data;
    assert_eq!(role["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let completions: Vec<&Value> =
        heard.iter().filter(|event| event.kind == "chat:completion").map(|event| &event.data).collect();
    assert_eq!(completions[0], &json!({ "usage": usage() }));
    assert_eq!(completions[1]["choices"][0]["finish_reason"], "stop");
    let output = &completions[2]["output"];
    assert_eq!(
        completions[2],
        &json!({
            "done": true, "title": "Mock Title", "usage": usage(),
            "output": [{
                "type": "message", "id": output[0]["id"], "status": "completed", "role": "assistant",
                "content": [{ "type": "output_text", "text": tokens(6) }],
            }],
        })
    );
    assert!(output[0]["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(completions.len(), 3);

    let idle = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(idle.expect(200), &json!({ "task_ids": [] }));
    node.stop().await;
}

async fn every_event_has_its_envelope(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("hello").with_background().ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(heard[0].message_id, asked.question_id);
    assert_eq!(heard[0].data, json!({ "chat_id": asked.chat_id, "folder_id": null }));
    for event in &heard[1..] {
        assert_eq!(event.message_id, asked.answer(), "{event:?}");
        let envelope = event.envelope.as_object().unwrap();
        assert_eq!(envelope.keys().collect::<Vec<_>>(), ["chat_id", "data", "message_id"]);
    }
    // Everything that was heard is about this chat.
    assert_eq!(socket.heard().len(), heard.len());
    node.stop().await;
}

async fn deltas_are_told_once_and_add_up_to_the_stored_text(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=60 delay=5]]").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let text = tokens(60);
    assert_eq!(said(&heard, asked.answer()), text);
    let all: Vec<&Value> = deltas(&heard, asked.answer()).collect();
    assert!(all.len() > 10, "{} deltas of a slow provider", all.len());
    for delta in &all {
        let keys: Vec<_> = delta.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["content_index", "delta", "item_id", "offset", "output_index", "type"]);
        assert_eq!(delta["item_id"], all[0]["item_id"]);
    }
    // The whole text is told once, at the end; what comes before is no longer than the deltas themselves.
    let told: usize = heard.iter().map(|event| event.data.to_string().matches("tok1 ").count()).sum();
    assert_eq!(
        told,
        1 + heard
            .iter()
            .filter(|event| event.data["delta"].as_str().is_some_and(|delta| delta.starts_with("tok1 ")))
            .count()
    );

    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(text), &json!(true)));
    assert_eq!(message["output"][0]["id"], all[0]["item_id"]);
    assert_eq!(message["output"][0]["content"][0]["text"], text);
    assert_eq!(message["meta"]["task_id"], asked.task_ids[0]);
    assert_eq!((&message["model"], &message["modelIdx"]), (&json!("mock"), &json!(0)));
    assert_eq!(message["parentId"], asked.question_id);
    let document = ada.document(&asked.chat_id).await;
    assert_eq!(document["chat"]["history"]["currentId"], asked.answer());
    assert_eq!(document["chat"]["models"], json!(["mock"]));
    let branch = document["chat"]["messages"].as_array().unwrap();
    assert_eq!(
        branch.iter().map(|message| &message["id"]).collect::<Vec<_>>(),
        [&asked.question_id, asked.answer()]
    );
    node.stop().await;
}

async fn letters_of_several_bytes_are_counted_in_bytes(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=12 delay=3 unicode]]").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let text = said(&heard, asked.answer());
    assert!(text.starts_with("é🙂1 é🙂2"), "{text}");
    assert_eq!(ada.message(&asked.chat_id, asked.answer()).await["content"], text);
    node.stop().await;
}

async fn a_last_chunk_with_text_is_not_told_twice(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=3 last]]").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(3));
    let last = heard.iter().find(|event| event.data["choices"][0]["finish_reason"] == "stop").unwrap();
    // Clients append what a chunk brings.
    assert_eq!(last.data["choices"][0]["delta"], json!({}));
    assert_eq!(ada.message(&asked.chat_id, asked.answer()).await["content"], tokens(3));
    node.stop().await;
}

async fn an_answer_in_one_piece_is_told_as_one_delta(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=4 whole]]").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(4));
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["usage"]), (&json!(tokens(4)), &usage()));
    assert_eq!(message["output"].as_array().unwrap().len(), 1, "{message}");

    let thinking = Question::after(&asked, "[[tokens=4 whole reasoning=2]]").ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 2).await;
    let message = ada.message(&asked.chat_id, thinking.answer()).await;
    assert_eq!(message["output"][0]["content"][0]["text"], "think1 think2 ");
    assert_eq!(message["content"], tokens(4));
    node.stop().await;
}

async fn usage_reasoning_and_tool_calls_come_unharmed(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let tools = json!([{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }]);
    let asked = Question::new("[[tokens=2 reasoning=3 tools usage]]")
        .with("tools", tools.clone())
        .ask(&ada, &socket)
        .await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(provider.request("[[tokens=2 reasoning=3 tools usage]]").body["tools"], tools);

    let all: Vec<&Value> = deltas(&heard, asked.answer()).collect();
    let joined = |kind: &str, index: u64| -> String {
        all.iter()
            .filter(|delta| delta["type"] == kind && delta["output_index"] == index)
            .map(|delta| delta["delta"].as_str().unwrap())
            .collect()
    };
    assert_eq!(joined("response.reasoning_text.delta", 0), "think1 think2 think3 ");
    assert_eq!(joined("response.output_text.delta", 1), tokens(2));
    assert_eq!(joined("response.function_call_arguments.delta", 2), "{\"city\":\"Zürich\"}");
    assert_eq!(joined("response.function_call_arguments.delta", 3), "{\"zone\":\"UTC\"}");
    let added: Vec<_> = all
        .iter()
        .filter(|delta| delta["type"] == "response.output_item.added")
        .map(|added| (added["item"]["call_id"].as_str().unwrap(), added["item"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(added, [("call_a", "weather"), ("call_b", "clock")]);

    let message = ada.message(&asked.chat_id, asked.answer()).await;
    let items: Vec<_> =
        message["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(items, ["reasoning", "message", "function_call", "function_call"]);
    assert_eq!(message["output"][2]["arguments"], "{\"city\":\"Zürich\"}");
    assert_eq!(message["content"], tokens(2));
    assert_eq!(message["usage"], usage());
    node.stop().await;
}

async fn events_of_the_provider_are_passed_on(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=2 event]]").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let status = heard.iter().find(|event| event.kind == "status").unwrap();
    assert_eq!(status.data, json!({ "description": "Searching", "done": true }));
    assert_eq!(said(&heard, asked.answer()), tokens(2));
    node.stop().await;
}

async fn nobody_else_hears_anything(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "admin").await;
    let (socket, other_tab) = (ada.connect(&node).await, ada.connect(&node).await);
    let (strange, nameless) = (bob.connect(&node).await, node.socket(None).await);
    let asked = Question::new("secret").with_background().ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(other_tab.end_of_turn(&asked.chat_id, 1).await, heard, "both tabs hear the same");
    // What was sent to them before is heard before the answer.
    strange.sync().await;
    let join = json!({ "auth": { "token": "none" } });
    nameless.call("user-join", join).await;
    assert_eq!((strange.heard(), nameless.heard()), (vec![], vec![]));
    node.stop().await;
}
