//! Messages as rows.

use antiphon_storage::{FinishMessage, MAX_MESSAGE_BYTES, MessageUpdate, NewMessage, StorageError};
use serde_json::json;

use crate::support::{Fixture, message, on_both};

on_both!(
    messages_keep_everything_they_are_given,
    a_branch_leads_from_the_root_to_a_leaf,
    a_circle_in_the_rows_ends,
    a_reply_grows_and_ends,
    an_end_is_unread_though_the_chat_was_read_in_the_same_second,
    other_keys_are_set_one_by_one,
    replies_may_end_while_their_chats_are_deleted,
    replies_of_a_dead_process_are_found,
    limits_are_kept,
);

async fn messages_keep_everything_they_are_given(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let messages = fixture.db.messages();
    let full = NewMessage {
        id: "m".into(),
        parent_id: None,
        role: "assistant".into(),
        content: Some("it's \"text\" ü 🦀 \u{7}\n".into()),
        model: Some("model".into()),
        done: Some(true),
        timestamp: Some(1_795_488_926),
        output: Some(json!([{"type": "message", "text": "nul \u{0}"}])),
        error: Some(json!({"content": "bad"})),
        usage: Some(json!({"total_tokens": 5})),
        extra: json!({"models": ["a"], "modelIdx": 0, "files": [], "nothing": null, "content": "not taken"})
            .as_object()
            .cloned()
            .unwrap(),
    };
    messages.upsert(&chat.id, full.clone()).await.unwrap();
    let stored = messages.get(&chat.id, "m").await.unwrap().unwrap();
    assert_eq!(stored.sequence, 0);
    assert_eq!(NewMessage::from(stored), full);
    // Sparse ones too.
    let bare = NewMessage { id: "n".into(), role: "user".into(), ..NewMessage::default() };
    messages.upsert(&chat.id, bare.clone()).await.unwrap();
    assert_eq!(NewMessage::from(messages.get(&chat.id, "n").await.unwrap().unwrap()), bare);
    // Replaced in place.
    let changed = NewMessage { content: Some("new".into()), ..full };
    messages.upsert(&chat.id, changed.clone()).await.unwrap();
    let all = messages.all(&chat.id).await.unwrap();
    assert_eq!(all.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["m", "n"]);
    assert_eq!(NewMessage::from(all[0].clone()), changed);
    assert!(matches!(messages.upsert("nowhere", bare).await, Err(StorageError::ChatNotFound)));
    assert_eq!(messages.get(&chat.id, "zzz").await.unwrap(), None);
    // The same id in another chat is another message.
    let other = fixture.chat(&ada, "d").await;
    messages.upsert(&other.id, message("m", None, "user", "other")).await.unwrap();
    assert_eq!(messages.get(&chat.id, "m").await.unwrap().unwrap().content.as_deref(), Some("new"));
}

async fn a_branch_leads_from_the_root_to_a_leaf(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let mut all =
        vec![message("r", None, "user", "root"), message("x", Some("r"), "assistant", "other branch")];
    let mut parent = "r".to_owned();
    for number in 0..300 {
        let id = format!("m{number}");
        all.push(message(&id, Some(&parent), if number % 2 == 0 { "assistant" } else { "user" }, &id));
        parent = id;
    }
    fixture.db.messages().upsert_many(&chat.id, all).await.unwrap();
    let branch = fixture.db.messages().branch(&chat.id, "m9").await.unwrap();
    let ids: Vec<&str> = branch.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["r", "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]);
    assert_eq!(fixture.db.messages().branch(&chat.id, "m299").await.unwrap().len(), 301);
    assert_eq!(fixture.db.messages().branch(&chat.id, "x").await.unwrap().len(), 2);
    assert!(fixture.db.messages().branch(&chat.id, "unknown").await.unwrap().is_empty());
}

async fn a_circle_in_the_rows_ends(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let circle = vec![message("a", Some("b"), "user", "1"), message("b", Some("a"), "user", "2")];
    fixture.db.messages().upsert_many(&chat.id, circle).await.unwrap();
    let branch = fixture.db.messages().branch(&chat.id, "a").await.unwrap();
    assert_eq!(i64::try_from(branch.len()).unwrap(), antiphon_storage::MAX_BRANCH_LENGTH);
    let document = fixture.db.documents().get(&ada.id, &chat.id).await.unwrap();
    let document = serde_json::to_value(&document).unwrap();
    assert_eq!(document["chat"]["messages"].as_array().unwrap().len(), 2);
}

async fn a_reply_grows_and_ends(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let messages = fixture.db.messages();
    let mut reply = message("a", None, "assistant", "");
    reply.done = Some(false);
    messages.upsert(&chat.id, reply).await.unwrap();
    fixture.sql("UPDATE chats SET updated_at = 100").await;
    let output = json!([{"status": "in_progress"}]);
    assert!(messages.update_partial(&chat.id, "a", "half", Some(&output)).await.unwrap());
    assert!(messages.update_partial(&chat.id, "a", "half more", None).await.unwrap());
    let partial = messages.get(&chat.id, "a").await.unwrap().unwrap();
    assert_eq!((partial.content.as_deref(), partial.done), (Some("half more"), Some(false)));
    assert_eq!(partial.output, Some(output));
    assert_eq!(fixture.db.chats().find(&chat.id).await.unwrap().unwrap().updated_at, 100);
    let end = FinishMessage {
        content: "whole".into(),
        output: Some(json!([{"status": "completed"}])),
        usage: Some(json!({"total_tokens": 3})),
        error: Some(json!({"content": "cut"})),
        done: true,
    };
    assert!(messages.finish(&chat.id, "a", &end).await.unwrap());
    let whole = messages.get(&chat.id, "a").await.unwrap().unwrap();
    assert_eq!((whole.content.as_deref(), whole.done), (Some("whole"), Some(true)));
    assert_eq!((whole.usage, whole.error), (end.usage, end.error));
    assert!(fixture.db.chats().find(&chat.id).await.unwrap().unwrap().updated_at > 100);
    assert!(!messages.update_partial(&chat.id, "a", "late", None).await.unwrap());
    assert_eq!(messages.get(&chat.id, "a").await.unwrap().unwrap().content.as_deref(), Some("whole"));
    let again = FinishMessage { content: "again".into(), done: true, ..FinishMessage::default() };
    assert!(messages.finish(&chat.id, "a", &again).await.unwrap());
    let again = messages.get(&chat.id, "a").await.unwrap().unwrap();
    assert_eq!((again.error, again.usage.is_some()), (None, true));
    assert!(!messages.finish(&chat.id, "gone", &FinishMessage::default()).await.unwrap());
    assert!(!messages.update_partial(&chat.id, "gone", "", None).await.unwrap());
    let edit = MessageUpdate { content: Some("edited".into()), output: None };
    messages.update(&chat.id, "a", &edit).await.unwrap();
    assert_eq!(messages.get(&chat.id, "a").await.unwrap().unwrap().content.as_deref(), Some("edited"));
    assert!(matches!(messages.update(&chat.id, "gone", &edit).await, Err(StorageError::MessageNotFound)));
}

async fn other_keys_are_set_one_by_one(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let messages = fixture.db.messages();
    messages.upsert(&chat.id, message("a", None, "assistant", "x")).await.unwrap();
    let keys: Vec<String> = (0..20).map(|number| format!("key{number}")).collect();
    futures_util::future::join_all(keys.iter().map(|key| {
        let (messages, chat_id) = (messages.clone(), chat.id.clone());
        async move { assert!(messages.set_extra(&chat_id, "a", key, &json!([key])).await.unwrap()) }
    }))
    .await;
    messages.set_extra(&chat.id, "a", "key0", &json!(null)).await.unwrap();
    let extra = messages.get(&chat.id, "a").await.unwrap().unwrap().extra;
    assert_eq!(extra.len(), 20);
    assert_eq!((&extra["key0"], &extra["key7"]), (&json!(null), &json!(["key7"])));
    assert!(!messages.set_extra(&chat.id, "gone", "k", &json!(1)).await.unwrap());
    assert!(matches!(
        messages.set_extra(&chat.id, "a", "content", &json!(1)).await,
        Err(StorageError::Malformed { .. })
    ));
}

async fn an_end_is_unread_though_the_chat_was_read_in_the_same_second(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let (chats, messages) = (fixture.db.chats(), fixture.db.messages());
    messages.upsert(&chat.id, message("a", None, "assistant", "")).await.unwrap();
    let marks = async || {
        let chat = chats.find(&chat.id).await.unwrap().unwrap();
        (chat.updated_at, chat.last_read_at)
    };
    let end = FinishMessage { content: "done".into(), done: true, ..FinishMessage::default() };
    for _ in 0..3 {
        // The owner looks, and in the same second, or by another node's clock even before, a reply ends.
        let before = marks().await.0;
        chats.set_last_read_at(&ada.id, &chat.id, before + 3600).await.unwrap();
        assert!(messages.finish(&chat.id, "a", &end).await.unwrap());
        let (updated_at, last_read_at) = marks().await;
        assert_eq!(last_read_at, Some(updated_at - 1), "unread");
        // The page shows the end and says so, within the second too.
        let mark = chats.set_last_read_at(&ada.id, &chat.id, updated_at).await.unwrap();
        assert_eq!((mark, marks().await), (Some(updated_at), (updated_at, Some(updated_at))));
    }
    // An older mark stays where it is.
    fixture.sql("UPDATE chats SET last_read_at = 100").await;
    messages.finish(&chat.id, "a", &end).await.unwrap();
    assert_eq!(marks().await.1, Some(100));
}

async fn replies_may_end_while_their_chats_are_deleted(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let messages = fixture.db.messages();
    for _ in 0..5 {
        let mut ends = Vec::new();
        for name in 0..8 {
            let chat = fixture.chat(&ada, &format!("c{name}")).await;
            messages.upsert(&chat.id, message("reply", None, "assistant", "half")).await.unwrap();
            let messages = messages.clone();
            let end = FinishMessage { content: "whole".into(), done: true, ..FinishMessage::default() };
            ends.push(async move { messages.finish(&chat.id, "reply", &end).await });
        }
        let ends: Vec<_> = ends.into_iter().map(tokio::spawn).collect();
        assert_eq!(fixture.db.chats().delete_all(&ada.id).await.unwrap(), 8);
        for end in ends {
            // Ended before its chat went, or gone with it; never torn between the two.
            end.await.unwrap().unwrap();
        }
    }
}

async fn replies_of_a_dead_process_are_found(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let messages = fixture.db.messages();
    let mut running = message("running", None, "assistant", "half");
    running.done = Some(false);
    let mut done = message("done", None, "assistant", "whole");
    done.done = Some(true);
    messages.upsert_many(&chat.id, vec![message("q", None, "user", "x"), running, done]).await.unwrap();
    assert!(messages.unfinished(0).await.unwrap().is_empty());
    let found = messages.unfinished(i64::MAX).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), &found[0].user_id, &found[0].chat_id), ("running", &ada.id, &chat.id));
    let error = json!({"content": "interrupted"});
    assert!(messages.interrupt(&found[0], &error).await.unwrap());
    let ended = messages.get(&chat.id, "running").await.unwrap().unwrap();
    assert_eq!(
        (ended.content.as_deref(), ended.done, ended.error),
        (Some("half"), Some(true), Some(error.clone()))
    );
    assert!(!messages.interrupt(&found[0], &error).await.unwrap());
    assert!(messages.unfinished(i64::MAX).await.unwrap().is_empty());
}

async fn limits_are_kept(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let messages = fixture.db.messages();
    let huge = "x".repeat(MAX_MESSAGE_BYTES + 1);
    for outcome in [
        messages.upsert(&chat.id, message("a", None, "user", &huge)).await,
        messages.update_partial(&chat.id, "a", &huge, None).await.map(drop),
        messages
            .finish(&chat.id, "a", &FinishMessage { content: huge.clone(), ..FinishMessage::default() })
            .await
            .map(drop),
    ] {
        assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    }
    let twins = vec![message("a", None, "user", "1"), message("a", None, "user", "2")];
    assert!(matches!(messages.upsert_many(&chat.id, twins).await, Err(StorageError::Malformed { .. })));
    let itself = message("a", Some("a"), "user", "1");
    assert!(matches!(messages.upsert(&chat.id, itself).await, Err(StorageError::Malformed { .. })));
    assert_eq!(messages.count(&chat.id).await.unwrap(), 0);
    // A full chat takes no more.
    let many = (0..antiphon_storage::MAX_MESSAGES_PER_CHAT)
        .map(|number| message(&format!("m{number}"), None, "user", ""))
        .collect();
    messages.upsert_many(&chat.id, many).await.unwrap();
    let outcome = messages.upsert(&chat.id, message("more", None, "user", "")).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
}
