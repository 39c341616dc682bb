use super::*;
use crate::error::StateError;

fn presence() -> (Presence, Clock) {
    let clock = Clock::manual(1_800_000_000);
    (Presence::new(clock.clone()), clock)
}

fn names(ids: &[Arc<str>]) -> Vec<String> {
    let mut names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn counts_users_once_however_many_sessions_they_have() {
    let (presence, _) = presence();
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    presence.connect("s2", "ada", "Ada", "t2").await.unwrap();
    presence.connect("s3", "bob", "Bob", "t3").await.unwrap();
    assert_eq!(presence.user_count().await, 2);
    assert_eq!(presence.session_count().await, 3);
    assert_eq!(names(&presence.sessions_of_user("ada").await), ["s1", "s2"]);
    presence.disconnect("s3").await.unwrap();
    assert_eq!(presence.user_count().await, 1);
    assert!(!presence.is_online("bob").await);
    assert!(presence.is_online("ada").await);
}

#[tokio::test]
async fn a_session_that_signs_in_as_somebody_else_leaves_the_first_users_chats() {
    let (presence, _) = presence();
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    presence.open_chat("s1", "c1").await.unwrap();
    presence.connect("s1", "ada", "Ada L.", "t2").await.unwrap();
    assert_eq!(presence.session("s1").await.unwrap().chat_ids.len(), 1);
    assert_eq!(&*presence.session("s1").await.unwrap().token_id, "t2");
    presence.connect("s1", "bob", "Bob", "t3").await.unwrap();
    assert!(presence.participants("c1").await.is_empty());
    assert!(!presence.is_online("ada").await);
}

#[tokio::test]
async fn participants_change_with_the_first_and_last_session_of_a_user() {
    let (presence, _) = presence();
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    presence.connect("s2", "ada", "Ada", "t2").await.unwrap();
    presence.connect("s3", "bob", "Bob", "t3").await.unwrap();
    assert_eq!(presence.open_chat("s1", "c1").await, Ok(true));
    assert_eq!(presence.open_chat("s1", "c1").await, Ok(false));
    assert_eq!(presence.open_chat("s2", "c1").await, Ok(false));
    assert_eq!(presence.open_chat("s3", "c1").await, Ok(true));
    let ids: Vec<_> = presence.participants("c1").await.into_iter().map(|one| one.id.to_string()).collect();
    assert_eq!(ids, ["ada", "bob"]);
    assert_eq!(names(&presence.sessions_in_chat("c1").await), ["s1", "s2", "s3"]);
    assert!(!presence.close_chat("s1", "c1").await);
    assert!(presence.close_chat("s2", "c1").await);
    assert!(!presence.close_chat("s2", "c1").await);
    let left = presence.disconnect("s3").await.unwrap();
    assert_eq!(left.chat_ids.iter().map(ToString::to_string).collect::<Vec<_>>(), ["c1"]);
    assert!(presence.participants("c1").await.is_empty());
    assert_eq!(presence.open_chat("s3", "c1").await, Err(StateError::UnknownSession));
}

#[tokio::test]
async fn bounds_hold() {
    let presence = Presence::with_capacity(Clock::manual(1), 1);
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    assert_eq!(
        presence.connect("s2", "ada", "Ada", "t1").await,
        Err(StateError::TooManySessions { limit: 1 })
    );
    presence.connect("s1", "bob", "Bob", "t1").await.unwrap();
    for n in 0..MAX_CHATS_PER_SESSION {
        presence.open_chat("s1", &format!("c{n}")).await.unwrap();
    }
    assert!(matches!(presence.open_chat("s1", "one more").await, Err(StateError::TooManyChats { .. })));
    for n in 0..MAX_MODELS_PER_SESSION {
        assert!(presence.use_model("s1", &format!("m{n}")).await);
    }
    assert!(!presence.use_model("s1", "one more").await);
    assert!(presence.use_model("s1", "m0").await);
}

#[tokio::test]
async fn a_model_is_in_use_for_three_seconds_after_the_last_sign() {
    let (presence, clock) = presence();
    presence.use_model("s1", "b").await;
    presence.use_model("s1", "a").await;
    clock.advance(Duration::from_secs(2));
    presence.use_model("s2", "b").await;
    assert_eq!(presence.model_ids().await, ["a", "b"]);
    clock.advance(Duration::from_millis(1001));
    assert_eq!(presence.model_ids().await, ["b"]);
    presence.disconnect("s2").await;
    assert!(presence.model_ids().await.is_empty());
    assert!(presence.inner.usage.lock().is_empty());
}

#[tokio::test]
async fn expired_models_make_room_for_others_of_the_same_session() {
    let (presence, clock) = presence();
    for n in 0..MAX_MODELS_PER_SESSION {
        presence.use_model("s1", &format!("m{n}")).await;
    }
    clock.advance(Duration::from_secs(4));
    assert!(presence.use_model("s1", "next").await);
    assert_eq!(presence.model_ids().await, ["next"]);
}

#[tokio::test]
async fn a_sign_of_life_is_noted() {
    let (presence, clock) = presence();
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    clock.advance(Duration::from_secs(7));
    assert!(presence.seen("s1").await);
    assert!(!presence.seen("s2").await);
    let session = presence.session("s1").await.unwrap();
    assert_eq!(session.last_seen_at - session.connected_at, 7);
}

#[tokio::test]
async fn sessions_that_say_nothing_are_kept_as_seen() {
    let (presence, clock) = presence();
    presence.connect("s1", "ada", "Ada", "t1").await.unwrap();
    clock.advance(Duration::from_secs(20));
    presence.connect("s2", "bob", "Bob", "t2").await.unwrap();
    let other = Session { session_id: "r1".into(), last_seen_at: 1, ..presence.session("s1").await.unwrap() };
    presence.inner.pool.lock().put_foreign(other);
    clock.advance(Duration::from_secs(10));
    let now = clock.unix_seconds();
    presence.inner.pool.lock().keep_seen(now, 30);
    assert_eq!(names(&presence.inner.pool.lock().take_touched()), ["s1"]);
    assert_eq!(presence.session("s1").await.unwrap().last_seen_at, now);
    assert_eq!(presence.session("s2").await.unwrap().last_seen_at, now - 10);
    assert_eq!(presence.session("r1").await.unwrap().last_seen_at, 1);
}
