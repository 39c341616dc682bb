//! Chats as documents: built from rows and taken apart into rows.

use antiphon_storage::{ChatImport, FinishMessage, MAX_MESSAGES_PER_CHAT, NewDocument, StorageError, User};
use serde_json::{Value, json};

use crate::support::{Fixture, message, on_both};

on_both!(
    a_document_has_the_shape_that_clients_know,
    what_goes_in_comes_out,
    storing_the_same_document_writes_nothing,
    parts_of_a_document_change_parts_of_the_chat,
    a_tree_replaces_the_stored_one,
    running_replies_are_left_alone,
    malformed_documents_change_nothing,
    the_order_of_roots_and_children_is_kept,
    an_import_keeps_its_times,
);

/// A tree with a regenerated answer, an edited question and all the keys that clients were seen to store.
fn recorded_shape() -> Value {
    let output = |text: &str| {
        json!([{"type": "message", "id": "msg_972f", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}])
    };
    let user = json!({"id": "u-1", "name": "Ada"});
    json!({
        "id": "chat-1",
        "title": "A title",
        "models": ["mock"],
        "history": {
            "currentId": "a-3",
            "messages": {
                "q-1": {"id": "q-1", "parentId": null, "childrenIds": ["a-1"], "role": "user", "user": user,
                    "user_id": "u-1", "content": "first", "timestamp": 1_795_488_926, "models": ["mock"]},
                "a-1": {"id": "a-1", "parentId": "q-1", "childrenIds": ["q-2"], "role": "assistant",
                    "content": "Echo: first", "done": true, "model": "mock", "timestamp": 1_795_488_927, "modelIdx": 0,
                    "meta": {"task_id": "t"}, "output": output("Echo: first"), "followUps": ["one?", "two?"],
                    "user_id": "u-1"},
                "q-2": {"id": "q-2", "parentId": "a-1", "childrenIds": ["a-2", "a-2b"], "role": "user", "user": user,
                    "user_id": "u-1", "content": "second", "timestamp": 1_795_488_928, "models": ["mock"],
                    "files": [{"type": "file", "id": "f", "name": "notes.txt", "meta": {"size": 3}}]},
                "a-2": {"id": "a-2", "parentId": "q-2", "childrenIds": [], "role": "assistant", "content": "",
                    "done": true, "model": "mock", "modelIdx": 0, "timestamp": 1_795_488_928,
                    "error": {"content": "no answer"}, "statusHistory": [{"action": "queries_generated", "done": false}]},
                "a-2b": {"parentId": "q-2", "id": "a-2b", "childrenIds": [], "role": "assistant", "user_id": "u-1",
                    "content": "Echo: second", "done": true, "model": "mock", "modelName": "mock", "modelIdx": 0,
                    "timestamp": 1_795_488_933, "output": output("Echo: second"),
                    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
                    "annotation": {"rating": 1, "reason": null, "details": null, "tags": ["A", "B"]},
                    "feedbackId": "fb", "sources": [{"source": {"name": "n"}, "document": ["d"], "distances": [0.25]}]},
                "q-3": {"id": "q-3", "parentId": null, "childrenIds": ["a-3"], "role": "user", "user_id": "u-1",
                    "user": user, "content": "edited", "files": [], "models": ["mock"], "timestamp": 1_795_488_935},
                "a-3": {"id": "a-3", "parentId": "q-3", "childrenIds": [], "role": "assistant",
                    "content": "Echo: edited", "done": true, "model": "mock", "modelIdx": 0,
                    "timestamp": 1_795_488_935, "output": output("Echo: edited"), "followUps": []}
            }
        },
        "messages": [],
        "files": [],
        "tags": [{"id": "general", "name": "General", "user_id": "u-1", "meta": null}],
        "params": {"temperature": 0.5},
        "system": null,
        "timestamp": 1_795_488_927_064_i64
    })
}

async fn import(fixture: &Fixture, user: &User, document: &Value) -> Value {
    let document = ChatImport::from_value(document).unwrap();
    shown(&fixture.db.documents().create(&user.id, document, NewDocument::default()).await.unwrap())
}

fn shown(document: &antiphon_storage::ChatDocument) -> Value {
    serde_json::from_str(&serde_json::to_string(document).unwrap()).unwrap()
}

async fn stored(fixture: &Fixture, user: &User, id: &str) -> Value {
    shown(&fixture.db.documents().get(&user.id, id).await.unwrap())
}

async fn merge(fixture: &Fixture, user: &User, id: &str, part: &Value) -> Result<Value, StorageError> {
    let part = ChatImport::from_value(part)?;
    fixture.db.documents().merge(&user.id, id, part, &[]).await.map(|document| shown(&document))
}

async fn a_document_has_the_shape_that_clients_know(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "Title").await;
    let mut reply = message("a", Some("q"), "assistant", "x");
    reply.done = Some(false);
    fixture.db.messages().upsert_many(&chat.id, vec![message("q", None, "user", "y"), reply]).await.unwrap();
    fixture.db.chats().add_tag(&ada.id, &chat.id, "Tag").await.unwrap();
    let mut document = fixture.db.documents().get(&ada.id, &chat.id).await.unwrap();
    document.set("share_mode", "continue");
    assert_eq!(document.message_count(), 2);
    let (question, answer) = (
        json!({"id": "q", "parentId": null, "childrenIds": ["a"], "role": "user", "content": "y"}),
        json!({"id": "a", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "x", "done": false}),
    );
    assert_eq!(
        shown(&document),
        json!({
            "id": chat.id, "user_id": ada.id, "title": "Title",
            "chat": {
                "id": chat.id, "title": "Title", "models": [], "files": [], "tags": [], "share_mode": "continue",
                "timestamp": chat.timestamp_ms,
                "history": {"currentId": "a", "messages": {"q": question, "a": answer}},
                "messages": [question, answer],
            },
            "updated_at": chat.updated_at, "created_at": chat.created_at, "share_id": null, "archived": false,
            "pinned": false, "meta": {"tags": ["tag"]}, "variables": {}, "folder_id": null, "tasks": null,
            "summary": null, "current_message_id": "a", "context_usage": null,
        })
    );
    let empty = fixture.chat(&ada, "Empty").await;
    let empty = stored(&fixture, &ada, &empty.id).await;
    assert_eq!(empty["chat"]["history"], json!({"currentId": null, "messages": {}}));
    assert_eq!(empty["meta"], json!({}));
}

async fn what_goes_in_comes_out(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let document = recorded_shape();
    let first = import(&fixture, &ada, &document).await;
    assert_eq!(first["title"], "A title");
    assert_eq!(first["current_message_id"], "a-3");
    let mut expected = document.clone();
    expected["id"] = first["id"].clone();
    // The list beside the tree is the shown branch.
    expected["messages"] =
        json!([document["history"]["messages"]["q-3"], document["history"]["messages"]["a-3"]]);
    assert_eq!(first["chat"], expected);
    // And again: what came out goes in and comes out the same.
    let second = import(&fixture, &ada, &first["chat"]).await;
    expected["id"] = second["id"].clone();
    assert_eq!(second["chat"], expected);
    assert_ne!(second["id"], first["id"]);
}

async fn storing_the_same_document_writes_nothing(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let first = import(&fixture, &ada, &recorded_shape()).await;
    let id = first["id"].as_str().unwrap();
    fixture.sql("UPDATE messages SET updated_at = 5").await;
    fixture.sql("UPDATE chats SET updated_at = 5").await;
    let mut merged = merge(&fixture, &ada, id, &first["chat"]).await.unwrap();
    // A change that nobody asked for would have moved the chat up, and would have touched rows.
    assert_eq!(merged["updated_at"], 5);
    merged["updated_at"] = first["updated_at"].clone();
    assert_eq!(merged, first);
    let mut reply = message("z", None, "assistant", "");
    reply.done = Some(false);
    fixture.db.messages().upsert(id, reply).await.unwrap();
    fixture.sql("UPDATE messages SET done = FALSE").await;
    let untouched = fixture.db.messages().unfinished(6).await.unwrap();
    assert_eq!(untouched.len(), 7, "{untouched:?}");
    // One message more: one row written.
    let mut more = first["chat"].clone();
    more["history"]["messages"]["a-3"]["annotation"] = json!({"rating": -1});
    fixture.sql("UPDATE messages SET done = TRUE WHERE role = 'assistant'").await;
    fixture.sql("UPDATE messages SET done = NULL WHERE role = 'user'").await;
    merge(&fixture, &ada, id, &more).await.unwrap();
    fixture.sql("UPDATE messages SET done = FALSE").await;
    let untouched = fixture.db.messages().unfinished(6).await.unwrap();
    assert_eq!(untouched.len(), 6, "{untouched:?}");
    assert!(untouched.iter().all(|message| message.id != "a-3"));
}

async fn parts_of_a_document_change_parts_of_the_chat(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let first = import(&fixture, &ada, &recorded_shape()).await;
    let id = first["id"].as_str().unwrap();
    fixture.sql("UPDATE chats SET updated_at = 5").await;
    let renamed = merge(&fixture, &ada, id, &json!({"title": "New"})).await.unwrap();
    assert_eq!((&renamed["title"], &renamed["chat"]["title"]), (&json!("New"), &json!("New")));
    assert_eq!(renamed["chat"]["history"], first["chat"]["history"]);
    assert_eq!(renamed["updated_at"], 5);
    let changed =
        merge(&fixture, &ada, id, &json!({"models": ["x", "y"], "odd": {"a": null}})).await.unwrap();
    assert_eq!(changed["chat"]["models"], json!(["x", "y"]));
    assert_eq!(changed["chat"]["odd"], json!({"a": null}));
    assert_eq!(changed["chat"]["params"], first["chat"]["params"]);
    let switched = merge(&fixture, &ada, id, &json!({"history": {"currentId": "a-2b"}})).await.unwrap();
    assert_eq!(switched["current_message_id"], "a-2b");
    let branch: Vec<_> =
        switched["chat"]["messages"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(branch, ["q-1", "a-1", "q-2", "a-2b"]);
    let nothing =
        merge(&fixture, &ada, id, &json!({"title": null, "history": null, "messages": []})).await.unwrap();
    assert_eq!(nothing, switched);
    assert!(matches!(merge(&fixture, &bob, id, &json!({})).await, Err(StorageError::ForeignChat)));
    assert!(matches!(merge(&fixture, &ada, "none", &json!({})).await, Err(StorageError::ChatNotFound)));
    assert!(matches!(fixture.db.documents().get(&bob.id, id).await, Err(StorageError::ForeignChat)));
}

async fn a_tree_replaces_the_stored_one(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let first = import(&fixture, &ada, &recorded_shape()).await;
    let id = first["id"].as_str().unwrap();
    let history = json!({"history": {"messages": {
        "q-1": {"id": "q-1", "parentId": null, "childrenIds": ["a-1"], "role": "user", "content": "first, edited"},
        "a-1": first["chat"]["history"]["messages"]["a-1"],
        "n": {"id": "n", "parentId": "a-1", "role": "user", "content": "new", "childrenIds": []}
    }}});
    let replaced = merge(&fixture, &ada, id, &history).await.unwrap();
    let messages = replaced["chat"]["history"]["messages"].as_object().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages["q-1"]["content"], "first, edited");
    // Keys that the new document does not have are gone with the old one.
    assert_eq!(messages["q-1"].get("models"), None);
    assert_eq!(messages["a-1"]["childrenIds"], json!(["n"]));
    // The shown message is gone, so the last one is shown.
    assert_eq!(replaced["current_message_id"], "n");
    let emptied =
        merge(&fixture, &ada, id, &json!({"history": {"currentId": null, "messages": {}}})).await.unwrap();
    assert_eq!(emptied["chat"]["history"], json!({"currentId": null, "messages": {}}));
    assert_eq!(emptied["chat"]["messages"], json!([]));
}

async fn running_replies_are_left_alone(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let mut reply = message("run", Some("q2"), "assistant", "so far");
    reply.done = Some(false);
    let messages = vec![
        message("q", None, "user", "1"),
        message("a", Some("q"), "assistant", "2"),
        message("q2", Some("a"), "user", "3"),
        reply,
    ];
    fixture.db.messages().upsert_many(&chat.id, messages).await.unwrap();
    // A tab that does not know of the second question stores a rating.
    let stale = json!({"history": {"currentId": "a", "messages": {
        "q": {"id": "q", "parentId": null, "childrenIds": ["a"], "role": "user", "content": "1"},
        "a": {"id": "a", "parentId": "q", "childrenIds": [], "role": "assistant", "content": "2",
            "annotation": {"rating": 1}},
        "run": {"id": "run", "parentId": "a", "childrenIds": [], "role": "assistant", "content": "old", "done": true}
    }}});
    let running = ["run".to_owned(), "elsewhere".to_owned()];
    let part = ChatImport::from_value(&stale).unwrap();
    let merged = shown(&fixture.db.documents().merge(&ada.id, &chat.id, part, &running).await.unwrap());
    let messages = merged["chat"]["history"]["messages"].as_object().unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages["a"]["annotation"]["rating"], 1);
    assert_eq!(messages["run"]["content"], "so far");
    assert_eq!((&messages["run"]["done"], &messages["run"]["parentId"]), (&json!(false), &json!("q2")));
    // Meanwhile the reply goes on.
    let end = FinishMessage { content: "all".into(), done: true, ..FinishMessage::default() };
    assert!(fixture.db.messages().finish(&chat.id, "run", &end).await.unwrap());
    let part = ChatImport::from_value(&stale).unwrap();
    let merged = shown(&fixture.db.documents().merge(&ada.id, &chat.id, part, &[]).await.unwrap());
    assert_eq!(merged["chat"]["history"]["messages"]["run"]["content"], "old");
}

async fn malformed_documents_change_nothing(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let first = import(&fixture, &ada, &recorded_shape()).await;
    let id = first["id"].as_str().unwrap();
    let circle = json!({
        "a": {"id": "a", "parentId": "b", "role": "user", "childrenIds": []},
        "b": {"id": "b", "parentId": "a", "role": "user", "childrenIds": []}
    });
    for part in [
        json!([]),
        json!({"title": "kept out", "history": {"messages": {"a": {"id": "b", "role": "user"}}}}),
        json!({"title": "kept out", "history": {"messages": circle}}),
        json!({"title": "kept out", "history": {"messages": {"a": {"id": "a", "role": "user", "parentId": "a"}}}}),
        json!({"title": "kept out", "history": {"currentId": "unknown"}}),
        json!({"title": "kept out", "history": {"currentId": "unknown", "messages": {}}}),
        json!({"title": "kept out", "history": "no"}),
        json!({"title": ["kept out"]}),
    ] {
        let outcome = merge(&fixture, &ada, id, &part).await;
        assert!(matches!(outcome, Err(StorageError::Malformed { .. })), "{part}: {outcome:?}");
    }
    let large = json!({"title": "kept out", "files": ["x".repeat(2_000_000)]});
    assert!(matches!(merge(&fixture, &ada, id, &large).await, Err(StorageError::TooLarge { .. })));
    let many: serde_json::Map<String, Value> = (0..=MAX_MESSAGES_PER_CHAT)
        .map(|number| (format!("m{number}"), json!({"id": format!("m{number}"), "role": "user"})))
        .collect();
    let many = json!({"history": {"messages": many}});
    assert!(matches!(merge(&fixture, &ada, id, &many).await, Err(StorageError::TooLarge { .. })));
    assert_eq!(stored(&fixture, &ada, id).await, first);
    let twin = NewDocument { id: Some(id.to_owned()), ..NewDocument::default() };
    let outcome = fixture.db.documents().create(&ada.id, ChatImport::default(), twin).await;
    assert!(matches!(outcome, Err(StorageError::ChatExists)), "{outcome:?}");
}

async fn the_order_of_roots_and_children_is_kept(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let text = r#"{"history": {"currentId": "m", "messages": {
        "z": {"id": "z", "parentId": null, "childrenIds": ["n", "b", "m"], "role": "user"},
        "m": {"id": "m", "parentId": "z", "childrenIds": [], "role": "assistant"},
        "a": {"id": "a", "parentId": null, "childrenIds": [], "role": "user"},
        "b": {"id": "b", "parentId": "z", "childrenIds": [], "role": "assistant"},
        "n": {"id": "n", "parentId": "z", "childrenIds": [], "role": "assistant"}}}}"#;
    let import = ChatImport::parse(text).unwrap();
    let document = fixture.db.documents().create(&ada.id, import, NewDocument::default()).await.unwrap();
    let text = serde_json::to_string(&document).unwrap();
    let order = |id: &str| text.find(&format!("\"{id}\":{{\"id\"")).unwrap();
    assert!(order("z") < order("a"), "{text}");
    assert_eq!(shown(&document)["chat"]["history"]["messages"]["z"]["childrenIds"], json!(["n", "b", "m"]));
    // Turned round by the client.
    let id = document.chat().id.clone();
    let turned = ChatImport::parse(&text_of_history(&shown(&document), &["m", "n", "b"])).unwrap();
    let document = fixture.db.documents().merge(&ada.id, &id, turned, &[]).await.unwrap();
    assert_eq!(shown(&document)["chat"]["history"]["messages"]["z"]["childrenIds"], json!(["m", "n", "b"]));
    assert_eq!(document.message_count(), 5);
}

fn text_of_history(document: &Value, children: &[&str]) -> String {
    let mut history = document["chat"]["history"].clone();
    history["messages"]["z"]["childrenIds"] = json!(children);
    json!({"history": history}).to_string()
}

async fn an_import_keeps_its_times(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let new = NewDocument {
        id: Some("kept".into()),
        folder_id: Some("f".into()),
        pinned: true,
        archived: true,
        created_at: Some(10),
        updated_at: Some(20),
        meta: json!({"source": "x"}).as_object().cloned().unwrap(),
        ..NewDocument::default()
    };
    let list = ChatImport::from_value(&json!({"messages": [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    ]}))
    .unwrap();
    let document = shown(&fixture.db.documents().create(&ada.id, list, new).await.unwrap());
    assert_eq!((&document["id"], &document["title"]), (&json!("kept"), &json!("New Chat")));
    assert_eq!((&document["created_at"], &document["updated_at"]), (&json!(10), &json!(20)));
    assert_eq!(
        (&document["pinned"], &document["archived"], &document["folder_id"]),
        (&json!(true), &json!(true), &json!("f"))
    );
    assert_eq!(document["meta"], json!({"source": "x"}));
    let branch = document["chat"]["messages"].as_array().unwrap();
    assert_eq!((&branch[0]["content"], &branch[1]["content"]), (&json!("q"), &json!("a")));
}
