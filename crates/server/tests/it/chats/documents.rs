//! Chat documents: made, read, changed by parts, copied, deleted.

use super::document;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(
    keys_with_escapes_do_not_break_a_chat,
    a_document_comes_back_as_it_was_given,
    given_keys_replace_stored_ones,
    a_branch_is_switched_and_a_message_rated,
    a_history_replaces_the_tree,
    malformed_documents_are_refused_and_change_nothing,
    a_document_has_a_size,
    a_copy_is_a_chat_of_its_own,
    a_deleted_chat_is_gone,
);

async fn a_document_comes_back_as_it_was_given(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let given = document("Rivers", "why", "because");
    let made = ada.post("/api/v1/chats/new", json!({ "chat": given, "folder_id": null })).await;
    let chat = made.expect(200).clone();
    let names: Vec<&str> = chat.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "user_id",
        "title",
        "chat",
        "updated_at",
        "created_at",
        "share_id",
        "archived",
        "pinned",
        "meta",
        "variables",
        "folder_id",
        "tasks",
        "summary",
        "current_message_id",
        "context_usage",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(chat["user_id"], ada.id);
    assert_eq!(
        (&chat["title"], &chat["pinned"], &chat["archived"]),
        (&json!("Rivers"), &json!(false), &json!(false))
    );
    let inner = &chat["chat"];
    assert_eq!(inner["id"], chat["id"]);
    assert_eq!(inner["history"], given["history"]);
    for key in ["title", "models", "params", "timestamp"] {
        assert_eq!(inner[key], given[key], "{key}");
    }
    let branch: Vec<&Value> =
        inner["messages"].as_array().unwrap().iter().map(|message| &message["id"]).collect();
    assert_eq!(branch, ["q", "a"]);
    let mut read = ada.document(chat["id"].as_str().unwrap()).await;
    let share_mode = read["chat"].as_object_mut().unwrap().remove("share_mode");
    assert_eq!((read, share_mode), (chat.clone(), Some(json!("continue"))));

    // A list of messages without a tree, and nothing at all, are documents too.
    let list =
        json!({ "messages": [{ "role": "user", "content": "x" }, { "role": "assistant", "content": "y" }] });
    let made = ada.post("/api/v1/chats/new", json!({ "chat": list })).await.expect(200).clone();
    assert_eq!(made["title"], "New Chat");
    assert_eq!(made["chat"]["messages"].as_array().unwrap().len(), 2);
    let empty = ada.post("/api/v1/chats/new", json!({ "chat": {} })).await.expect(200).clone();
    assert_eq!(empty["chat"]["history"], json!({ "currentId": null, "messages": {} }));
    node.stop().await;
}

async fn given_keys_replace_stored_ones(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("before").await;
    let before = ada.document(&id).await;
    let socket = ada.connect(&node).await;
    let path = format!("/api/v1/chats/{id}");
    let renamed = ada.post(&path, json!({ "chat": { "title": "after" } })).await.expect(200).clone();
    assert_eq!((&renamed["title"], &renamed["chat"]["title"]), (&json!("after"), &json!("after")));
    assert_eq!(renamed["chat"]["history"], before["chat"]["history"]);
    assert_eq!(renamed["updated_at"], before["updated_at"], "a new name does not move a chat up");
    let told = socket.event(&id, "chat:list").await;
    assert_eq!(told.data, json!({ "chat_id": id, "folder_id": null }));
    let changed =
        json!({ "models": ["other"], "tags": ["x"], "files": [{ "id": "f" }], "anything": { "deep": [1] } });
    let merged = ada.post(&path, json!({ "chat": changed })).await.expect(200).clone();
    for (key, value) in changed.as_object().unwrap() {
        assert_eq!(&merged["chat"][key], value, "{key}");
    }
    assert_eq!(merged["chat"]["params"], before["chat"]["params"]);
    assert_eq!(merged["title"], "after");
    let nothing = ada.post(&path, json!({ "chat": {} })).await;
    assert_eq!(nothing.expect(200), &merged);
    node.stop().await;
}

async fn a_branch_is_switched_and_a_message_rated(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let path = format!("/api/v1/chats/{id}");
    let switched = ada.post(&path, json!({ "chat": { "history": { "currentId": "q" } } })).await;
    let switched = switched.expect(200);
    assert_eq!(switched["chat"]["history"]["currentId"], "q");
    assert_eq!(switched["chat"]["history"]["messages"].as_object().unwrap().len(), 2);
    assert_eq!(switched["chat"]["messages"].as_array().unwrap().len(), 1);
    let mut history = switched["chat"]["history"].clone();
    history["messages"]["a"]["annotation"] = json!({ "rating": -1, "comment": "no" });
    history["currentId"] = json!("a");
    let rated = ada.post(&path, json!({ "chat": { "history": history } })).await;
    assert_eq!(rated.expect(200)["chat"]["history"], history);
    assert_eq!(ada.document(&id).await["chat"]["history"], history);
    node.stop().await;
}

async fn a_history_replaces_the_tree(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let path = format!("/api/v1/chats/{id}");
    let mut history = ada.document(&id).await["chat"]["history"].clone();
    history["messages"]["b"] = json!({ "id": "b", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "another", "done": true });
    history["messages"]["q"]["childrenIds"] = json!(["b", "a"]);
    history["currentId"] = json!("b");
    let merged = ada.post(&path, json!({ "chat": { "history": history } })).await;
    assert_eq!(merged.expect(200)["chat"]["history"], history, "the order of children too");
    // A message that the document lacks is deleted.
    history["messages"].as_object_mut().unwrap().remove("a");
    history["messages"]["q"]["childrenIds"] = json!(["b"]);
    let merged = ada.post(&path, json!({ "chat": { "history": history } })).await;
    assert_eq!(merged.expect(200)["chat"]["history"], history);
    node.stop().await;
}

async fn malformed_documents_are_refused_and_change_nothing(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let before = ada.document(&id).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = document("changed", "x", "y");
        change(&mut document);
        document
    };
    let documents = [
        json!([]),
        json!("text"),
        json!(null),
        json!({ "title": 5 }),
        json!({ "title": "changed", "timestamp": "now" }),
        json!({ "title": "changed", "messages": {} }),
        json!({ "title": "changed", "history": [] }),
        json!({ "title": "changed", "history": { "currentId": 7 } }),
        json!({ "title": "changed", "history": { "currentId": "nowhere" } }),
        json!({ "title": "changed", "history": { "messages": [] } }),
        with(&|document| document["history"]["messages"]["a"] = json!("text")),
        with(&|document| document["history"]["messages"]["a"]["id"] = json!("other")),
        with(&|document| document["history"]["messages"]["a"]["id"] = json!(null)),
        with(&|document| document["history"]["messages"]["a"]["role"] = json!(7)),
        with(&|document| document["history"]["messages"]["a"]["parentId"] = json!({})),
        with(&|document| document["history"]["messages"]["a"]["parentId"] = json!("a")),
        with(&|document| document["history"]["messages"]["q"]["parentId"] = json!("a")),
        with(&|document| document["history"]["messages"]["q"]["childrenIds"] = json!([1])),
        with(&|document| document["history"]["currentId"] = json!("nowhere")),
    ];
    for document in documents {
        let created = ada.post("/api/v1/chats/new", json!({ "chat": document })).await;
        let merged = ada.post(&format!("/api/v1/chats/{id}"), json!({ "chat": document })).await;
        for answer in [created, merged] {
            assert!(matches!(answer.status, 400 | 422), "{document} -> {} {}", answer.status, answer.body);
            assert!(!answer.body["detail"].is_null());
        }
    }
    for form in [json!({}), json!({ "chat": {}, "folder_id": 7 }), json!({ "document": {} })] {
        ada.post("/api/v1/chats/new", form).await.expect(422);
    }
    assert_eq!(ada.document(&id).await, before);
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await, ["chat"]);
    node.stop().await;
}

async fn a_document_has_a_size(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let long = "x".repeat(40 * 1024 * 1024);
    let answer = ada.post("/api/v1/chats/new", json!({ "chat": document("t", &long, "y") })).await;
    answer.expect_plain(413);
    // One message has its own size.
    let long = "x".repeat(20 * 1024 * 1024);
    ada.post(&format!("/api/v1/chats/{id}"), json!({ "chat": document("t", &long, "y") }))
        .await
        .expect_plain(413);
    // What is beside the messages, too.
    let extra = json!({ "chat": { "junk": "x".repeat(8 * 1024 * 1024) } });
    ada.post(&format!("/api/v1/chats/{id}"), extra).await.expect_plain(413);
    let title = "t".repeat(100_000);
    let titled = ada.post(&format!("/api/v1/chats/{id}"), json!({ "chat": { "title": title } })).await;
    assert!(titled.expect(200)["title"].as_str().unwrap().len() <= 10_000);
    node.stop().await;
}

async fn a_copy_is_a_chat_of_its_own(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    ada.post(&format!("/api/v1/chats/{id}/tags"), json!({ "name": "Rivers" })).await.expect(200);
    let copied =
        ada.post(&format!("/api/v1/chats/{id}/clone"), json!({ "title": "mine" })).await.expect(200).clone();
    let copy = copied["id"].as_str().unwrap();
    assert_ne!(copy, id);
    let original = ada.document(&id).await;
    assert_eq!(copied["title"], "mine");
    assert_eq!(copied["chat"]["history"], original["chat"]["history"]);
    assert_eq!(copied["chat"]["originalChatId"], id);
    assert_eq!(copied["chat"]["branchPointMessageId"], "a");
    assert_eq!(copied["meta"]["tags"], json!(["rivers"]));
    let unnamed = ada.post(&format!("/api/v1/chats/{id}/clone"), json!({})).await;
    assert!(unnamed.expect(200)["title"].as_str().unwrap().contains("chat"));
    ada.post(
        &format!("/api/v1/chats/{copy}"),
        json!({ "chat": { "history": { "messages": {}, "currentId": null } } }),
    )
    .await
    .expect(200);
    assert_eq!(ada.document(&id).await, original);
    node.stop().await;
}

async fn a_deleted_chat_is_gone(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (id, other) = (ada.make_chat("chat").await, ada.make_chat("other").await);
    ada.post(&format!("/api/v1/chats/{id}/tags"), json!({ "name": "Rivers" })).await.expect(200);
    let socket = ada.connect(&node).await;
    let path = format!("/api/v1/chats/{id}");
    assert_eq!(ada.delete(&path).await.expect(200), &json!(true));
    socket.event(&id, "chat:list").await;
    ada.get(&path).await.expect_plain(401);
    ada.delete(&path).await.expect_plain(404);
    ada.post(&path, json!({ "chat": { "title": "back" } })).await.expect_plain(404);
    assert_eq!(ada.titles("/api/v1/chats/?page=1").await, ["other"]);
    ada.document(&other).await;
    assert_eq!(ada.delete("/api/v1/chats/").await.expect(200), &json!(true));
    assert!(ada.titles("/api/v1/chats/?page=1").await.is_empty());
    assert_eq!(ada.delete("/api/v1/chats/").await.expect(200), &json!(true));
    node.stop().await;
}

async fn keys_with_escapes_do_not_break_a_chat(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let key = "quoted \"and\" \\ \u{1}\n";
    let mut message =
        json!({ "id": "q", "parentId": null, "childrenIds": [], "role": "user", "content": "why" });
    message[key] = json!({ key: key });
    let form = json!({ "chat": { "history": { "currentId": "q", "messages": { "q": message } }, key: key } });
    let made = ada.post("/api/v1/chats/new", form).await.expect(200).clone();
    let read = ada.document(made["id"].as_str().unwrap()).await;
    for chat in [&made, &read] {
        assert_eq!(chat["chat"]["history"]["messages"]["q"][key], json!({ key: key }));
        assert_eq!(chat["chat"][key], key);
    }
    node.stop().await;
}
