//! The start of a reply.

use antiphon_storage::{NewChat, StartReply, StorageError};
use serde_json::json;

use crate::support::{Fixture, message, on_both};

on_both!(
    a_first_question_makes_the_chat,
    a_second_question_follows,
    asking_again_adds_a_reply_to_the_same_question,
    continuing_keeps_the_text,
    refused_starts_leave_nothing,
);

fn first(user_id: &str) -> StartReply {
    StartReply {
        user_id: user_id.into(),
        new_chat: NewChat {
            extra: json!({"models": ["m1", "m2"]}).as_object().cloned().unwrap(),
            ..NewChat::default()
        },
        user_message: Some(message("q", None, "user", "why?")),
        assistant_messages: vec![
            message("a1", Some("q"), "assistant", ""),
            message("a2", Some("q"), "assistant", ""),
        ],
        ..StartReply::default()
    }
}

async fn a_first_question_makes_the_chat(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let started = fixture.db.chats().start_reply(first(&ada.id)).await.unwrap();
    assert!(started.created);
    assert_eq!(started.chat.title, "New Chat");
    assert_eq!(started.chat.current_message_id.as_deref(), Some("a2"));
    assert_eq!(started.chat, fixture.db.chats().owned(&ada.id, &started.chat.id).await.unwrap());
    let all = fixture.db.messages().all(&started.chat.id).await.unwrap();
    let seen: Vec<_> =
        all.iter().map(|message| (message.id.as_str(), message.parent_id.as_deref(), message.done)).collect();
    assert_eq!(seen, [("q", None, None), ("a1", Some("q"), Some(false)), ("a2", Some("q"), Some(false))]);
}

async fn a_second_question_follows(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.db.chats().start_reply(first(&ada.id)).await.unwrap().chat;
    fixture.sql("UPDATE chats SET updated_at = 100").await;
    let started = fixture
        .db
        .chats()
        .start_reply(StartReply {
            user_id: ada.id.clone(),
            chat_id: Some(chat.id.clone()),
            user_message: Some(message("q2", Some("a1"), "user", "and?")),
            assistant_messages: vec![message("a3", Some("q2"), "assistant", "")],
            ..StartReply::default()
        })
        .await
        .unwrap();
    assert!(!started.created);
    assert!(started.chat.updated_at > 100);
    assert_eq!(started.chat.current_message_id.as_deref(), Some("a3"));
    let branch = fixture.db.messages().branch(&chat.id, "a3").await.unwrap();
    assert_eq!(branch.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["q", "a1", "q2", "a3"]);
}

async fn asking_again_adds_a_reply_to_the_same_question(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.db.chats().start_reply(first(&ada.id)).await.unwrap().chat;
    let again = StartReply {
        user_id: ada.id.clone(),
        chat_id: Some(chat.id.clone()),
        user_message: Some(message("q", None, "user", "why, really?")),
        assistant_messages: vec![message("a3", Some("q"), "assistant", "")],
        current_message_id: Some("a3".into()),
        ..StartReply::default()
    };
    fixture.db.chats().start_reply(again).await.unwrap();
    let all = fixture.db.messages().all(&chat.id).await.unwrap();
    assert_eq!(all.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["q", "a1", "a2", "a3"]);
    assert_eq!(all[0].content.as_deref(), Some("why, really?"));
    // The question alone.
    let alone = StartReply {
        user_id: ada.id.clone(),
        chat_id: Some(chat.id.clone()),
        assistant_messages: vec![message("a4", Some("q"), "assistant", "")],
        ..StartReply::default()
    };
    fixture.db.chats().start_reply(alone).await.unwrap();
    assert_eq!(fixture.db.messages().count(&chat.id).await.unwrap(), 5);
}

async fn continuing_keeps_the_text(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chat = fixture.db.chats().start_reply(first(&ada.id)).await.unwrap().chat;
    let end = antiphon_storage::FinishMessage {
        content: "half an answer".into(),
        error: Some(json!({"content": "cut"})),
        done: true,
        ..antiphon_storage::FinishMessage::default()
    };
    fixture.db.messages().finish(&chat.id, "a1", &end).await.unwrap();
    let again = StartReply {
        user_id: ada.id.clone(),
        chat_id: Some(chat.id.clone()),
        assistant_messages: vec![message("a1", Some("q"), "assistant", "")],
        ..StartReply::default()
    };
    fixture.db.chats().start_reply(again).await.unwrap();
    let reply = fixture.db.messages().get(&chat.id, "a1").await.unwrap().unwrap();
    assert_eq!(
        (reply.content.as_deref(), reply.done, reply.error, reply.sequence),
        (Some("half an answer"), Some(false), None, 1)
    );
}

async fn refused_starts_leave_nothing(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chats = fixture.db.chats();
    let chat = chats.start_reply(first(&ada.id)).await.unwrap().chat;
    let next = |user: &str, chat: &str| StartReply {
        user_id: user.into(),
        chat_id: Some(chat.into()),
        user_message: Some(message("n", Some("a1"), "user", "x")),
        assistant_messages: vec![message("o", Some("n"), "assistant", "")],
        ..StartReply::default()
    };
    assert!(matches!(chats.start_reply(next(&bob.id, &chat.id)).await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.start_reply(next(&ada.id, "none")).await, Err(StorageError::ChatNotFound)));
    let mut orphan = next(&ada.id, &chat.id);
    orphan.user_message = Some(message("n", Some("unknown"), "user", "x"));
    assert!(matches!(chats.start_reply(orphan).await, Err(StorageError::UnknownParent { .. })));
    let mut fresh = first(&ada.id);
    fresh.user_message = Some(message("q", Some("unknown"), "user", "x"));
    assert!(matches!(chats.start_reply(fresh).await, Err(StorageError::UnknownParent { .. })));
    let mut twins = next(&ada.id, &chat.id);
    twins.assistant_messages = vec![message("n", Some("n"), "assistant", "")];
    assert!(matches!(chats.start_reply(twins).await, Err(StorageError::Malformed { .. })));
    let mut crowd = next(&ada.id, &chat.id);
    crowd.assistant_messages =
        (0..33).map(|number| message(&format!("r{number}"), Some("n"), "assistant", "")).collect();
    assert!(matches!(chats.start_reply(crowd).await, Err(StorageError::TooLarge { .. })));
    assert!(matches!(chats.start_reply(first("nobody")).await, Err(StorageError::UserNotFound)));
    assert_eq!(fixture.db.messages().count(&chat.id).await.unwrap(), 3);
    assert_eq!(chats.owned(&ada.id, &chat.id).await.unwrap(), chat);
    assert_eq!(chats.count(&ada.id).await.unwrap(), 1);
    // And the chat goes on.
    chats.start_reply(next(&ada.id, &chat.id)).await.unwrap();
}
