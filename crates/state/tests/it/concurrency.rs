//! Many tasks at once leave nothing behind and lose nothing.

use antiphon_state::reply_log::{Read, ReplyKey};
use antiphon_state::revocation::{Revoked, RevokedToken};
use antiphon_state::{Clock, Presence, ReplyLogs, Revocations, Tasks};
use bytes::Bytes;

const READERS: usize = 4;
const DELTAS: u64 = 2_000;
const SESSIONS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_follow_a_live_reply_see_every_delta_once_and_in_order() {
    let logs = ReplyLogs::new(Clock::system());
    let key = ReplyKey::new("chat", "message");
    let writer = logs.open(key.clone(), "").await.unwrap();
    let epoch = writer.epoch();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (logs, key) = (logs.clone(), key.clone());
            tokio::spawn(async move {
                let (mut next, mut seen) = (0, Vec::new());
                loop {
                    match logs.read_from(&key, epoch, next).await {
                        Some(Read::Entries { entries, next: after, finished }) => {
                            seen.extend(entries.into_iter().map(|entry| entry.data));
                            if finished && next == after {
                                return seen;
                            }
                            next = after;
                        }
                        other => panic!("the entries must be there, got {other:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for n in 0..DELTAS {
        writer.append(Bytes::from(n.to_string()), "x").await.unwrap();
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    writer.finish().await.unwrap();
    let expected: Vec<Bytes> = (0..DELTAS).map(|n| Bytes::from(n.to_string())).collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_come_and_go_at_once_leave_the_pools_empty() {
    let presence = Presence::new(Clock::system());
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|n| {
            let presence = presence.clone();
            tokio::spawn(async move {
                let (session, user) = (format!("s{n}"), format!("u{}", n % 7));
                presence.connect(&session, &user, "Name", "token").await.unwrap();
                presence.open_chat(&session, &format!("c{}", n % 3)).await.unwrap();
                presence.use_model(&session, "model").await;
                tokio::task::yield_now().await;
                presence.disconnect(&session).await.unwrap();
            })
        })
        .collect();
    for session in sessions {
        session.await.unwrap();
    }
    assert_eq!((presence.session_count().await, presence.user_count().await), (0, 0));
    assert!(presence.model_ids().await.is_empty());
    for chat in ["c0", "c1", "c2"] {
        assert!(presence.participants(chat).await.is_empty());
    }
}

#[tokio::test]
async fn a_stop_wakes_the_task_that_waits_for_it() {
    let tasks = Tasks::new();
    let guard = tasks.start("chat", "ada").unwrap();
    let running = tokio::spawn(async move { guard.cancellation().cancelled().await });
    assert_eq!(tasks.stop_item("chat").await.len(), 1);
    running.await.unwrap();
    assert!(tasks.list().await.is_empty());
}

#[tokio::test]
async fn a_subscriber_hears_of_a_revocation_after_it_is_in_force() {
    let revocations = Revocations::new(Clock::system());
    let mut events = revocations.subscribe();
    let listener = {
        let revocations = revocations.clone();
        tokio::spawn(async move {
            let Ok(Revoked::Token { token_id, user_id }) = events.recv().await else {
                panic!("no token event")
            };
            revocations.is_revoked(&token_id, &user_id, None)
        })
    };
    let token = RevokedToken { token_id: "t".into(), user_id: "ada".into(), expires_at: None };
    revocations.revoke_token(token).await;
    assert!(listener.await.unwrap());
}
