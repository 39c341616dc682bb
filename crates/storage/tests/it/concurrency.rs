//! Many at once.

use std::time::{Duration, Instant};

use antiphon_storage::{
    ChatQuery, DatabaseOptions, ErrorKind, FinishMessage, NewUser, Role, StartReply, StorageError,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Fixture, message, new_user, on_both};

on_both!(
    twenty_first_accounts_make_one_administrator,
    two_administrators_cannot_remove_each_other,
    two_hundred_replies_start_at_once,
    replies_grow_while_others_read_and_write,
    a_dropped_transaction_blocks_nobody,
    settings_changed_at_once_count_up,
    a_closed_database_answers_with_an_error,
    a_busy_pool_gives_up_in_time,
);

async fn twenty_first_accounts_make_one_administrator(fixture: Fixture) {
    let other = fixture.second().await;
    let outcomes = join_all((0..20).map(|number| {
        let users = if number % 2 == 0 { fixture.db.users() } else { other.users() };
        tokio::spawn(async move {
            users.create(NewUser { role: Role::Pending, ..new_user(&format!("u{number}")) }).await.unwrap()
        })
    }))
    .await;
    let created: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|user| user.first).count(), 1);
    assert_eq!(created.iter().filter(|user| user.user.role == Role::Admin).count(), 1);
    assert_eq!(fixture.db.users().count().await.unwrap(), 20);
    other.close().await;
}

async fn two_administrators_cannot_remove_each_other(fixture: Fixture) {
    let other = fixture.second().await;
    for round in 0..5 {
        let (ada, bob) =
            (fixture.user(&format!("ada{round}")).await, fixture.user(&format!("bob{round}")).await);
        for id in [&ada.id, &bob.id] {
            fixture.db.users().set_role(id, Role::Admin).await.unwrap();
        }
        if round > 0 {
            // Only these two are left.
            fixture.sql("UPDATE users SET role = 'user' WHERE name NOT LIKE '%4' AND role = 'admin'").await;
            for id in [&ada.id, &bob.id] {
                fixture.db.users().set_role(id, Role::Admin).await.unwrap();
            }
        }
        let (first, second) = (fixture.db.users(), other.users());
        let outcomes = tokio::join!(first.set_role(&ada.id, Role::User), second.delete(&bob.id));
        let refused = [
            matches!(outcomes.0, Err(StorageError::LastAdmin)),
            matches!(outcomes.1, Err(StorageError::LastAdmin)),
        ];
        assert_eq!(refused.iter().filter(|refused| **refused).count(), 1, "{outcomes:?}");
        assert!(fixture.db.users().first_admin().await.unwrap().is_some());
    }
    other.close().await;
}

async fn two_hundred_replies_start_at_once(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let begin = Instant::now();
    let outcomes = join_all((0..200).map(|number| {
        let (chats, user_id) = (fixture.db.chats(), ada.id.clone());
        tokio::spawn(async move {
            let start = StartReply {
                user_id,
                user_message: Some(message("q", None, "user", &format!("question {number}"))),
                assistant_messages: vec![message("a", Some("q"), "assistant", "")],
                ..StartReply::default()
            };
            chats.start_reply(start).await.unwrap().chat
        })
    }))
    .await;
    eprintln!("200 replies started in {:?}", begin.elapsed());
    let chats: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(fixture.db.chats().count(&ada.id).await.unwrap(), 200);
    for chat in [&chats[0], &chats[199]] {
        assert_eq!(fixture.db.messages().count(&chat.id).await.unwrap(), 2);
    }
    // The same chat, from two nodes: each turn follows the one before, none is lost.
    let other = fixture.second().await;
    let id = &chats[0].id;
    join_all((0..40).map(|number| {
        let db = if number % 2 == 0 { fixture.db.clone() } else { other.clone() };
        let (user_id, chat_id) = (ada.id.clone(), id.clone());
        tokio::spawn(async move {
            let question = format!("q{number}");
            let start = StartReply {
                user_id,
                chat_id: Some(chat_id),
                user_message: Some(message(&question, Some("a"), "user", "more")),
                assistant_messages: vec![message(&format!("a{number}"), Some(&question), "assistant", "")],
                ..StartReply::default()
            };
            db.chats().start_reply(start).await.unwrap();
        })
    }))
    .await
    .into_iter()
    .for_each(Result::unwrap);
    let all = fixture.db.messages().all(id).await.unwrap();
    assert_eq!(all.len(), 82);
    let mut sequences: Vec<i64> = all.iter().map(|message| message.sequence).collect();
    sequences.dedup();
    assert_eq!(sequences, (0..82).collect::<Vec<_>>());
    other.close().await;
}

async fn replies_grow_while_others_read_and_write(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let writers = join_all((0..8).map(|number| {
        let (db, user_id) = (fixture.db.clone(), ada.id.clone());
        tokio::spawn(async move {
            let start = StartReply {
                user_id,
                user_message: Some(message("q", None, "user", &format!("question {number}"))),
                assistant_messages: vec![message("a", Some("q"), "assistant", "")],
                ..StartReply::default()
            };
            let chat = db.chats().start_reply(start).await.unwrap().chat;
            let mut text = String::new();
            for piece in 0..30 {
                text.push_str(&piece.to_string());
                assert!(
                    db.messages().update_partial(&chat.id, "a", &text, Some(&json!([text]))).await.unwrap()
                );
                // What was written is what everybody reads at once.
                let read = db.messages().get(&chat.id, "a").await.unwrap().unwrap();
                assert_eq!(read.content.as_deref(), Some(text.as_str()));
            }
            let end = FinishMessage { content: text, done: true, ..FinishMessage::default() };
            assert!(db.messages().finish(&chat.id, "a", &end).await.unwrap());
        })
    }));
    let readers = join_all((0..4).map(|_| {
        let (db, user_id) = (fixture.db.clone(), ada.id.clone());
        tokio::spawn(async move {
            for _ in 0..30 {
                db.chats().list(&user_id, &ChatQuery::default()).await.unwrap();
                db.chats().search(&user_id, "question 3", 1).await.unwrap();
            }
        })
    }));
    let (writers, readers) = tokio::join!(writers, readers);
    writers.into_iter().chain(readers).for_each(Result::unwrap);
    assert!(fixture.db.messages().unfinished(i64::MAX).await.unwrap().is_empty());
}

async fn a_dropped_transaction_blocks_nobody(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    // Cancelled at every point where it waits.
    for patience in 0..40 {
        let start = StartReply {
            user_id: ada.id.clone(),
            user_message: Some(message("q", None, "user", "x")),
            assistant_messages: vec![message("a", Some("q"), "assistant", "")],
            ..StartReply::default()
        };
        let chats = fixture.db.chats();
        let mut started = Box::pin(chats.start_reply(start));
        for _ in 0..patience {
            if futures_util::FutureExt::now_or_never(started.as_mut()).is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let chats = fixture.db.chats();
    let before = chats.count(&ada.id).await.unwrap();
    fixture.chat(&ada, "after").await;
    assert_eq!(chats.count(&ada.id).await.unwrap(), before + 1);
    // No half of a transaction was kept.
    for id in chats.ids(&ada.id, None).await.unwrap() {
        let count = fixture.db.messages().count(&id).await.unwrap();
        assert!(count == 2 || chats.find(&id).await.unwrap().unwrap().title == "after", "{count}");
    }
}

async fn settings_changed_at_once_count_up(fixture: Fixture) {
    let other = fixture.second().await;
    let versions = join_all((0..20).map(|number| {
        let settings = if number % 2 == 0 { fixture.db.settings() } else { other.settings() };
        tokio::spawn(
            async move { settings.put_many(&[(format!("s{number}"), json!(number))]).await.unwrap() },
        )
    }))
    .await;
    let mut versions: Vec<i64> = versions.into_iter().map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    assert_eq!(fixture.db.settings().all().await.unwrap().values.len(), 20);
    other.close().await;
}

async fn a_closed_database_answers_with_an_error(fixture: Fixture) {
    let db = fixture.second().await;
    db.ping().await.unwrap();
    db.close().await;
    let error = db.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

async fn a_busy_pool_gives_up_in_time(fixture: Fixture) {
    let options = DatabaseOptions {
        pool_size: Some(1),
        pool_timeout: Duration::from_millis(200),
        ..fixture.options.clone()
    };
    let db = antiphon_storage::Database::open(&options).await.unwrap();
    let ada = fixture.user("ada").await;
    let chat = fixture.chat(&ada, "c").await;
    let many = (0..5000).map(|number| message(&format!("m{number}"), None, "user", "x")).collect();
    // A long transaction holds the only connection that writes; the others wait for it no longer than they may.
    let messages = db.messages();
    let long = messages.upsert_many(&chat.id, many);
    let users = db.users();
    let (long, waits) = tokio::join!(
        long,
        join_all((0..20).map(|_| async {
            let begin = Instant::now();
            let outcome = users.touch(&ada.id, 1).await;
            (outcome, begin.elapsed())
        }))
    );
    long.unwrap();
    for (outcome, waited) in waits {
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
    }
    db.close().await;
}
