//! Passwords, session stamps, keys and revoked tokens.

use antiphon_storage::StorageError;

use crate::support::{Fixture, on_both};

on_both!(
    a_new_password_ends_all_sessions,
    a_better_hash_of_the_same_password_does_not,
    keys_are_found_replaced_and_deleted,
    revoked_tokens_are_remembered_until_they_end,
);

async fn a_new_password_ends_all_sessions(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let credentials = fixture.db.credentials();
    let (user, before) = credentials.by_email(" ADA@example.org").await.unwrap().unwrap();
    assert_eq!(user, ada);
    assert_eq!(before.password_hash, "hash of ada");
    assert!(before.active);
    let stamp = credentials.set_password(&ada.id, "new").await.unwrap();
    let after = credentials.by_user(&ada.id).await.unwrap().unwrap();
    assert_eq!((after.password_hash.as_str(), &after.session_stamp), ("new", &stamp));
    assert_ne!(before.session_stamp, stamp);
    let renewed = credentials.renew_session_stamp(&ada.id).await.unwrap();
    assert_ne!(renewed, stamp);
    credentials.set_active(&ada.id, false).await.unwrap();
    let session = credentials.session(&ada.id).await.unwrap().unwrap();
    assert_eq!((session.session_stamp, session.active), (renewed, false));
    assert!(credentials.session("nobody").await.unwrap().is_none());
    assert!(matches!(credentials.set_password("nobody", "x").await, Err(StorageError::UserNotFound)));
    assert!(!format!("{after:?}").contains("new"));
}

async fn a_better_hash_of_the_same_password_does_not(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let credentials = fixture.db.credentials();
    let before = credentials.by_user(&ada.id).await.unwrap().unwrap();
    assert!(credentials.upgrade_hash(&ada.id, "hash of ada", "better").await.unwrap());
    let after = credentials.by_user(&ada.id).await.unwrap().unwrap();
    assert_eq!((after.password_hash.as_str(), after.session_stamp), ("better", before.session_stamp));
    assert!(!credentials.upgrade_hash(&ada.id, "hash of ada", "late").await.unwrap());
}

async fn keys_are_found_replaced_and_deleted(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let keys = fixture.db.api_keys();
    assert!(keys.by_user(&ada.id).await.unwrap().is_none());
    keys.replace(&ada.id, "sk-1").await.unwrap();
    let key = keys.replace(&ada.id, "sk-2").await.unwrap();
    assert_eq!((key.key.as_str(), key.last_used_at), ("sk-2", None));
    assert!(keys.find("sk-1").await.unwrap().is_none());
    assert_eq!(keys.find("sk-2").await.unwrap().unwrap().user, ada);
    let used = keys.by_user(&ada.id).await.unwrap().unwrap().last_used_at.unwrap();
    // Used again at once: the note is not repeated, and an old one is.
    fixture.sql("UPDATE api_keys SET last_used_at = last_used_at - 10").await;
    keys.find("sk-2").await.unwrap();
    assert_eq!(keys.by_user(&ada.id).await.unwrap().unwrap().last_used_at, Some(used - 10));
    fixture.sql("UPDATE api_keys SET last_used_at = last_used_at - 100").await;
    keys.find("sk-2").await.unwrap();
    assert!(keys.by_user(&ada.id).await.unwrap().unwrap().last_used_at.unwrap() >= used);
    assert!(!format!("{key:?}").contains("sk-2"));
    assert!(keys.delete(&ada.id).await.unwrap());
    assert!(!keys.delete(&ada.id).await.unwrap());
    assert!(keys.find("sk-2").await.unwrap().is_none());
}

async fn revoked_tokens_are_remembered_until_they_end(fixture: Fixture) {
    let tokens = fixture.db.revoked_tokens();
    tokens.insert("short", "u", Some(1000)).await.unwrap();
    tokens.insert("long", "u", Some(3000)).await.unwrap();
    tokens.insert("endless", "u", None).await.unwrap();
    tokens.insert("long", "u", Some(3000)).await.unwrap();
    let live = |tokens: Vec<antiphon_storage::RevokedToken>| {
        tokens.into_iter().map(|token| token.jti).collect::<Vec<_>>()
    };
    assert_eq!(live(tokens.live(999).await.unwrap()), ["endless", "long", "short"]);
    assert_eq!(live(tokens.live(1000).await.unwrap()), ["endless", "long"]);
    assert_eq!(tokens.purge(1000).await.unwrap(), 1);
    assert_eq!(live(tokens.live(0).await.unwrap()), ["endless", "long"]);
    let all = tokens.since(0).await.unwrap();
    assert_eq!(all.len(), 2);
    let newest = all.last().unwrap().revoked_at;
    assert!(!tokens.since(newest).await.unwrap().is_empty());
    assert!(tokens.since(newest + 1).await.unwrap().is_empty());
}
