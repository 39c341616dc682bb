//! What is said in channels.

use antiphon_storage::{
    ChannelMessageUpdate, MAX_CHANNEL_MESSAGE_BYTES, MAX_REACTIONS_PER_USER, MessageData, NewChannelMessage,
    StorageError, ThreadQuery,
};
use serde_json::{Map, Value, json};

use super::{ids, listed, open, text};
use crate::support::{Fixture, on_both};

on_both!(
    messages_are_written_changed_and_deleted,
    messages_of_a_channel_have_times_of_their_own,
    lists_are_newest_first_and_bounded,
    threads_are_apart_from_the_channel,
    quotations_and_threads_need_their_message,
    reactions_are_counted,
    what_people_said_outlives_their_accounts,
    large_messages_are_refused,
);

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

async fn messages_are_written_changed_and_deleted(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let data = json!({ "files": [{ "id": "f" }] });
    let new = NewChannelMessage { data: Some(object(&data)), ..text("hello") };
    let posted = messages.post(&channel.id, &ada.id, new).await.unwrap();
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    assert_eq!(details.message, posted);
    assert_eq!(posted.data, MessageData::Whole(Some(data.clone())));
    let shown = serde_json::to_value(&details).unwrap();
    assert_eq!(shown["user"], json!({ "id": ada.id, "name": "ada", "role": "admin" }));
    assert_eq!(shown["etag"], json!(posted.updated_at.to_string()));
    for (name, value) in [
        ("app_id", json!(null)),
        ("is_pinned", json!(false)),
        ("pinned_at", json!(null)),
        ("meta", json!(null)),
        ("reactions", json!([])),
        ("reply_count", json!(0)),
        ("latest_reply_at", json!(null)),
        ("reply_to_message", json!(null)),
    ] {
        assert_eq!(shown.get(name), Some(&value), "{name}");
    }
    let short = messages.get(&channel.id, &posted.id, false).await.unwrap().unwrap();
    assert_eq!(short.message.data, MessageData::Present(true));
    assert_eq!(messages.data(&channel.id, &posted.id).await.unwrap(), Some(Some(data)));

    let update = ChannelMessageUpdate {
        content: "changed".into(),
        data: object(&json!({ "files": [] })),
        meta: object(&json!({ "a": 1 })),
    };
    messages.update(&channel.id, &posted.id, update).await.unwrap();
    let changed = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap().message;
    assert_eq!(changed.content, "changed");
    assert_eq!(changed.data, MessageData::Whole(Some(json!({ "files": [] }))));
    assert_eq!(changed.meta, Some(json!({ "a": 1 })));
    assert_eq!(changed.created_at, posted.created_at);
    assert!(changed.updated_at > posted.updated_at);
    let short = messages.get(&channel.id, &posted.id, false).await.unwrap().unwrap();
    assert_eq!(short.message.data, MessageData::Present(false));

    let elsewhere = open(&fixture, &ada, &[]).await;
    let unknown =
        |outcome: Result<(), StorageError>| matches!(outcome, Err(StorageError::ChannelMessageNotFound));
    let update = ChannelMessageUpdate::default();
    assert!(unknown(messages.update(&elsewhere.id, &posted.id, update).await));
    assert_eq!(messages.get(&elsewhere.id, &posted.id, true).await.unwrap(), None);
    assert_eq!(messages.data(&elsewhere.id, &posted.id).await.unwrap(), None);
    assert!(!messages.delete(&elsewhere.id, &posted.id).await.unwrap());
    assert!(messages.delete(&channel.id, &posted.id).await.unwrap());
    assert!(!messages.delete(&channel.id, &posted.id).await.unwrap());
    assert!(matches!(
        messages.post("unknown", &ada.id, text("lost")).await,
        Err(StorageError::ChannelNotFound)
    ));
}

async fn messages_of_a_channel_have_times_of_their_own(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let first = messages.post(&channel.id, &ada.id, text("first")).await.unwrap();
    // As if the clock had been far ahead when the first was written.
    fixture.sql("UPDATE channel_messages SET created_at = 8000000000000000000").await;
    let second = messages.post(&channel.id, &ada.id, text("second")).await.unwrap();
    let third = messages.post(&channel.id, &ada.id, text("third")).await.unwrap();
    assert_eq!((second.created_at, third.created_at), (8_000_000_000_000_000_001, 8_000_000_000_000_000_002));
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    let ids: Vec<&str> = list.iter().map(|details| details.message.id.as_str()).collect();
    assert_eq!(ids, [third.id, second.id, first.id]);
}

async fn lists_are_newest_first_and_bounded(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    for number in 0..103 {
        messages.post(&channel.id, &ada.id, text(&number.to_string())).await.unwrap();
    }
    for (skip, limit, first, length) in
        [(0, 50, "102", 50), (50, 50, "52", 50), (100, 50, "2", 3), (0, 1000, "102", 100), (3, 0, "99", 1)]
    {
        let list = messages.list(&channel.id, skip, limit).await.unwrap();
        assert_eq!((list[0].message.content.as_str(), list.len()), (first, length), "{skip} {limit}");
    }
    assert!(messages.list(&channel.id, u32::MAX, u32::MAX).await.unwrap().is_empty());
    let item = &listed(&fixture, &ada).await[0];
    let newest = messages.list(&channel.id, 0, 1).await.unwrap().remove(0).message;
    assert_eq!(item.last_message_at, Some(newest.created_at));
}

async fn threads_are_apart_from_the_channel(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let parent = messages.post(&channel.id, &ada.id, text("parent")).await.unwrap();
    let other = messages.post(&channel.id, &ada.id, text("other")).await.unwrap();
    let mut replies = Vec::new();
    for number in 0..5 {
        let reply = NewChannelMessage { parent_id: Some(parent.id.clone()), ..text(&number.to_string()) };
        replies.push(messages.post(&channel.id, &ada.id, reply).await.unwrap());
    }
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].message.id.as_str(), list[0].reply_count), (other.id.as_str(), 0));
    assert_eq!((list[1].reply_count, list[1].latest_reply_at), (5, Some(replies[4].created_at)));
    assert_eq!(listed(&fixture, &ada).await[0].last_message_at, Some(replies[4].created_at));

    let query = ThreadQuery { limit: 50, ..ThreadQuery::default() };
    for (query, expected) in [
        (query.clone(), vec!["4", "3", "2", "1", "0", "parent"]),
        (ThreadQuery { limit: 3, ..query.clone() }, vec!["4", "3", "2"]),
        (ThreadQuery { limit: 3, skip: 3, ..query.clone() }, vec!["1", "0", "parent"]),
        (ThreadQuery { limit: 5, ..query.clone() }, vec!["4", "3", "2", "1", "0"]),
        (ThreadQuery { limit: 5, skip: 5, ..query.clone() }, vec!["parent"]),
        (ThreadQuery { before: Some(replies[2].id.clone()), ..query.clone() }, vec!["1", "0", "parent"]),
        (ThreadQuery { around: Some(replies[1].id.clone()), limit: 2, ..query.clone() }, vec!["2", "1"]),
        (ThreadQuery { around: Some("unknown".into()), limit: 1, ..query.clone() }, vec!["4"]),
    ] {
        let thread = messages.thread(&channel.id, &parent.id, &query).await.unwrap();
        let contents: Vec<&str> = thread.iter().map(|details| details.message.content.as_str()).collect();
        assert_eq!(contents, expected, "{query:?}");
    }
    let elsewhere = open(&fixture, &ada, &[]).await;
    assert!(matches!(
        messages.thread(&elsewhere.id, &parent.id, &query).await,
        Err(StorageError::ChannelMessageNotFound)
    ));
    // A thread goes with the message that began it.
    assert!(messages.delete(&channel.id, &parent.id).await.unwrap());
    assert_eq!(messages.get(&channel.id, &replies[0].id, true).await.unwrap(), None);
    assert_eq!(messages.list(&channel.id, 0, 50).await.unwrap().len(), 1);
}

async fn quotations_and_threads_need_their_message(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let (channel, elsewhere) = (open(&fixture, &ada, &[]).await, open(&fixture, &ada, &[]).await);
    let messages = fixture.db.channel_messages();
    let quoted = messages.post(&channel.id, &ada.id, text("quoted")).await.unwrap();
    let quoting = NewChannelMessage { reply_to_id: Some(quoted.id.clone()), ..text("quoting") };
    let posted = messages.post(&channel.id, &ada.id, quoting.clone()).await.unwrap();
    let in_thread = NewChannelMessage { parent_id: Some(quoted.id.clone()), ..text("in the thread") };
    let reply = messages.post(&channel.id, &ada.id, in_thread.clone()).await.unwrap();
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    let shown = serde_json::to_value(&details).unwrap();
    assert_eq!(shown["reply_to_message"]["content"], "quoted");
    assert_eq!(shown["reply_to_message"]["data"], json!(false));
    assert_eq!(shown["reply_to_message"]["user"]["name"], "ada");
    for (channel, new) in [
        (&elsewhere, quoting.clone()),
        (&elsewhere, in_thread.clone()),
        (&channel, NewChannelMessage { parent_id: Some("unknown".into()), ..text("x") }),
        // No thread within a thread.
        (&channel, NewChannelMessage { parent_id: Some(reply.id.clone()), ..text("x") }),
    ] {
        let outcome = messages.post(&channel.id, &ada.id, new).await;
        assert!(matches!(outcome, Err(StorageError::ChannelMessageNotFound)), "{outcome:?}");
    }
    assert!(messages.delete(&channel.id, &quoted.id).await.unwrap());
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    assert_eq!((details.reply_to_message, details.message.reply_to_id), (None, Some(quoted.id)));
}

async fn reactions_are_counted(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let message = messages.post(&channel.id, &ada.id, text("hello")).await.unwrap();
    let silent = messages.post(&channel.id, &ada.id, text("silent")).await.unwrap();
    assert!(messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(!messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(messages.add_reaction(&message.id, &bob.id, "heart").await.unwrap());
    assert!(messages.add_reaction(&message.id, &ada.id, "+1").await.unwrap());
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    assert_eq!(list[0].message.id, silent.id);
    assert!(list[0].reactions.is_empty());
    assert_eq!(
        serde_json::to_value(&list[1].reactions).unwrap(),
        json!([
            { "name": "+1", "count": 2, "users": [{ "id": bob.id, "name": "bob" }, { "id": ada.id, "name": "ada" }] },
            { "name": "heart", "count": 1, "users": [{ "id": bob.id, "name": "bob" }] },
        ])
    );
    assert!(messages.remove_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(!messages.remove_reaction(&message.id, &bob.id, "+1").await.unwrap());
    for name in ["", " ", &"x".repeat(101)] {
        let outcome = messages.add_reaction(&message.id, &bob.id, name).await;
        assert!(matches!(outcome, Err(StorageError::Malformed { .. })), "{outcome:?}");
    }
    assert!(matches!(
        messages.add_reaction("unknown", &bob.id, "+1").await,
        Err(StorageError::ChannelMessageNotFound)
    ));
    for number in 0..MAX_REACTIONS_PER_USER {
        messages.add_reaction(&silent.id, &bob.id, &number.to_string()).await.unwrap();
    }
    let outcome = messages.add_reaction(&silent.id, &bob.id, "one more").await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    // Others may still agree.
    assert!(messages.add_reaction(&silent.id, &ada.id, "0").await.unwrap());
}

async fn what_people_said_outlives_their_accounts(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let (channels, messages) = (fixture.db.channels(), fixture.db.channel_messages());
    let (direct, _) = channels.direct(&ada.id, std::slice::from_ref(&bob.id)).await.unwrap();
    let message = messages.post(&direct.id, &bob.id, text("bye")).await.unwrap();
    messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap();
    assert!(fixture.db.users().delete(&bob.id).await.unwrap());
    let details = messages.get(&direct.id, &message.id, true).await.unwrap().unwrap();
    assert_eq!((details.user, details.reactions.len()), (None, 0));
    assert_eq!(details.message.user_id, bob.id);
    assert_eq!(channels.member_ids(&direct.id).await.unwrap(), [ada.id.as_str()]);
    assert_eq!(ids(&listed(&fixture, &ada).await), [direct.id.as_str()]);
}

async fn large_messages_are_refused(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let large = "x".repeat(MAX_CHANNEL_MESSAGE_BYTES);
    let message = messages.post(&channel.id, &ada.id, text(&large)).await.unwrap();
    let data = object(&json!({ "a": "b" }));
    let outcome = messages
        .post(&channel.id, &ada.id, NewChannelMessage { data: Some(data.clone()), ..text(&large) })
        .await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    let update = ChannelMessageUpdate { content: large, data, meta: Map::new() };
    let outcome = messages.update(&channel.id, &message.id, update).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    let stored = messages.get(&channel.id, &message.id, true).await.unwrap().unwrap().message;
    assert_eq!(stored, message);
}
