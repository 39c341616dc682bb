//! From sign-up to sign-out.

use antiphon_auth::{AuthError, Role};

use crate::accounts::{LIFETIME, Node};

#[tokio::test]
async fn an_account_signs_in_and_out_and_stays_out_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    let ada = node.sign_up("Ada@Example.org", "right").await;
    let token = node.sign_in("ada@example.org", "right").await;
    let other = node.sign_in("ADA@example.org", "right").await;

    let session = node.sessions.authenticator().authenticate(&token).await.unwrap();
    assert_eq!((session.user_id(), session.identity.role), (ada.user.id.as_str(), Role::Admin));
    assert_eq!(session.identity.email, "ada@example.org");
    assert_eq!(session.claims().unwrap().session_stamp.as_deref(), Some(ada.session_stamp.as_str()));

    node.sessions.sign_out(&session).await.unwrap();
    node.sessions.sign_out(&session).await.unwrap();
    assert!(!node.accepts(&token).await);
    assert!(node.accepts(&other).await);

    let restarted = Node::start(folder.path()).await;
    assert_eq!(restarted.revocations.len(), 1);
    assert!(!restarted.accepts(&token).await);
    assert!(restarted.accepts(&other).await);
}

#[tokio::test]
async fn an_eternal_token_stays_revoked_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    let ada = node.sign_up("ada@example.org", "right").await;
    let token = node.sessions.begin(&ada.user.id, Some("password"), None).await.unwrap().issued.token;
    let session = node.sessions.authenticator().authenticate(&token).await.unwrap();
    node.sessions.sign_out(&session).await.unwrap();
    assert!(!Node::start(folder.path()).await.accepts(&token).await);
}

#[tokio::test]
async fn a_bcrypt_hash_is_accepted_and_replaced_and_its_cost_hides_who_exists() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    let old = bcrypt::hash("right", 4).unwrap();
    let ada = node.create("ada@example.org", &old).await;
    node.sign_up("bob@example.org", "right").await;

    // After a restart the cost of the old hash is known before anybody used it.
    let node = Node::start(folder.path()).await;
    for email in ["nobody@example.org", "bob@example.org", "ada@example.org"] {
        let before = node.sessions.hasher().work();
        let refused = node.sessions.sign_in(email, "wrong", LIFETIME).await.unwrap_err();
        assert!(matches!(refused, AuthError::WrongCredentials), "{email}: {refused:?}");
        let after = node.sessions.hasher().work();
        assert_eq!((after.argon2 - before.argon2, after.bcrypt - before.bcrypt), (1, 1), "{email}");
    }

    let token = node.sign_in("ada@example.org", "right").await;
    assert!(node.accepts(&token).await);
    let stored = node.database.credentials().by_user(&ada.user.id).await.unwrap().unwrap();
    assert!(stored.password_hash.starts_with("$argon2id$"));
    assert_eq!(stored.session_stamp, ada.session_stamp);
    node.sign_in("ada@example.org", "right").await;
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    node.sign_up("ada@example.org", "right").await;
    let (token, other) =
        (node.sign_in("ada@example.org", "right").await, node.sign_in("ada@example.org", "right").await);
    let session = node.sessions.authenticator().authenticate(&token).await.unwrap();
    node.sessions.change_password(&session, "right", "new").await.unwrap();
    assert!(!node.accepts(&token).await && !node.accepts(&other).await);
    let new = node.sign_in("ada@example.org", "new").await;
    assert!(node.accepts(&new).await);
    assert!(!Node::start(folder.path()).await.accepts(&token).await);
}

#[tokio::test]
async fn changed_roles_deactivation_and_deletion_take_effect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    node.sign_up("admin@example.org", "right").await;
    let bob = node.sign_up("bob@example.org", "right").await.user.id;

    let token = node.sign_in("bob@example.org", "right").await;
    assert!(node.accepts(&token).await);
    node.database.users().set_role(&bob, Role::Pending).await.unwrap();
    node.sessions.announce_change(&bob).await;
    assert!(!node.accepts(&token).await);
    let token = node.sign_in("bob@example.org", "right").await;
    let session = node.sessions.authenticator().authenticate(&token).await.unwrap();
    assert!(matches!(session.require_user(), Err(AuthError::RoleTooLow)));

    node.database.credentials().set_active(&bob, false).await.unwrap();
    node.sessions.announce_change(&bob).await;
    assert!(!node.accepts(&token).await);
    let refused = node.sessions.sign_in("bob@example.org", "right", LIFETIME).await.unwrap_err();
    assert!(matches!(refused, AuthError::WrongCredentials));
    node.database.credentials().set_active(&bob, true).await.unwrap();
    node.sessions.announce_change(&bob).await;
    assert!(node.accepts(&token).await);

    assert!(node.database.users().delete(&bob).await.unwrap());
    node.sessions.announce_change(&bob).await;
    assert!(!node.accepts(&token).await);
    assert!(matches!(node.sessions.end_all_sessions(&bob).await, Err(AuthError::InvalidToken)));
}

#[tokio::test]
async fn an_api_key_stands_for_its_account_until_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    let ada = node.sign_up("ada@example.org", "right").await.user.id;
    node.database.api_keys().replace(&ada, "sk-one").await.unwrap();
    let session = node.sessions.authenticator().authenticate("sk-one").await.unwrap();
    assert_eq!((session.user_id(), session.token_id()), (ada.as_str(), None));
    node.database.api_keys().replace(&ada, "sk-two").await.unwrap();
    node.sessions.authenticator().invalidate_user(&ada);
    assert!(!node.accepts("sk-one").await);
    assert!(node.accepts("sk-two").await);
}

#[tokio::test]
async fn a_closed_database_serves_the_known_and_asks_others_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path()).await;
    let ada = node.sign_up("ada@example.org", "right").await.user.id;
    let token = node.sign_in("ada@example.org", "right").await;
    node.database.close().await;
    assert!(node.accepts(&token).await);
    let refused = node.sessions.sign_in("ada@example.org", "right", LIFETIME).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused:?}");
    node.sessions.authenticator().invalidate_user(&ada);
    let refused = node.sessions.authenticator().authenticate(&token).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused:?}");
}
