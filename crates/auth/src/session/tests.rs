use std::sync::Arc;
use std::time::Duration;

use antiphon_state::revocation::{EVENT_QUEUE, Revoked};
use antiphon_state::{Clock, Limits, Revocations};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::password::{Algorithm, PasswordHasher, PasswordPolicy, Work};
use crate::testing::{FakeAccounts, configured, identity};
use crate::token::{NewToken, TokenKind, Tokens};

const NOW: u64 = 1_800_000_000;
const LIFETIME: Option<Duration> = Some(Duration::from_hours(1));

struct Fixture {
    clock: Clock,
    accounts: Arc<FakeAccounts>,
    tokens: Tokens,
    hasher: PasswordHasher,
    revocations: Revocations,
    authenticator: Authenticator,
    manager: SessionManager,
}

impl Fixture {
    /// One account `ada` with the password `right`, if any is given, hashed as given.
    fn new(password_hash: &str) -> Self {
        let accounts = Arc::new(FakeAccounts::default());
        accounts.add("ada", Role::User);
        accounts.change("ada", |account| password_hash.clone_into(&mut account.password_hash));
        Self::over(accounts, Clock::manual(NOW))
    }

    /// A node over existing accounts.
    fn over(accounts: Arc<FakeAccounts>, clock: Clock) -> Self {
        let revocations = Revocations::new(clock.clone());
        let manager = SessionManager::new(
            "secret",
            PasswordPolicy::default(),
            accounts.clone(),
            Limits::new(clock.clone()),
            revocations.clone(),
            clock.clone(),
        );
        Self {
            tokens: Tokens::new("secret", clock.clone()),
            hasher: manager.hasher().clone(),
            authenticator: manager.authenticator().clone(),
            clock,
            accounts,
            revocations,
            manager,
        }
    }

    async fn token(&self) -> String {
        self.manager.begin("ada", Some("password"), LIFETIME).await.unwrap().issued.token
    }

    async fn session(&self) -> Session {
        self.authenticator.authenticate(&self.token().await).await.unwrap()
    }

    async fn refuses(&self, token: &str) -> bool {
        matches!(self.authenticator.authenticate(token).await, Err(AuthError::InvalidToken))
    }
}

fn bcrypt_hash() -> String {
    bcrypt::hash("right", 4).unwrap()
}

#[tokio::test]
async fn a_token_becomes_a_session_without_asking_sql_again() {
    let fixture = Fixture::new("");
    let token = fixture.token().await;
    for _ in 0..100 {
        let session = fixture.authenticator.authenticate(&token).await.unwrap();
        assert_eq!((session.user_id(), session.identity.role), ("ada", Role::User));
        assert_eq!(session.claims().unwrap().expires_at, Some(1_800_003_600));
    }
    assert_eq!(fixture.accounts.loads(), 1);
}

#[tokio::test]
async fn signing_in_works_with_any_spelling_of_the_address() {
    let fixture = Fixture::new(&bcrypt_hash());
    let signed_in = fixture.manager.sign_in(" ADA@Example.org", "right", LIFETIME).await.unwrap();
    assert_eq!(signed_in.identity.id.as_ref(), "ada");
    let session = fixture.authenticator.authenticate(&signed_in.issued.token).await.unwrap();
    let claims = session.claims().unwrap();
    assert_eq!(claims.auth_method.as_deref(), Some("password"));
    assert_eq!(claims.session_stamp.as_deref(), Some("stamp-0"));
    assert_eq!(claims.kind, TokenKind::Session);
}

#[tokio::test]
async fn an_old_hash_is_replaced_on_sign_in_and_sessions_go_on() {
    let fixture = Fixture::new(&bcrypt_hash());
    let before = fixture.session().await;
    fixture.manager.sign_in("ada@example.org", "right", LIFETIME).await.unwrap();
    let hash = fixture.accounts.accounts.lock()["ada"].password_hash.clone();
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    assert!(fixture.authenticator.revalidate(&before).await.is_ok());
    fixture.manager.sign_in("ada@example.org", "right", LIFETIME).await.unwrap();
    assert_eq!(fixture.accounts.accounts.lock()["ada"].password_hash, hash);
}

#[tokio::test]
async fn unknown_wrong_and_deactivated_are_refused_in_the_same_words_after_the_same_work() {
    let accounts = Arc::new(FakeAccounts::default());
    for user_id in ["ada", "bob", "eve", "guest"] {
        accounts.add(user_id, Role::User);
    }
    let new = PasswordHasher::new(Algorithm::Argon2id).hash("right").await.unwrap();
    accounts.change("ada", |account| account.password_hash = bcrypt_hash());
    accounts.change("bob", |account| account.password_hash.clone_from(&new));
    accounts.change("eve", |account| {
        account.password_hash.clone_from(&new);
        account.identity.active = false;
    });
    let fixture = Fixture::over(accounts, Clock::manual(NOW));
    fixture.manager.load().await.unwrap();
    for user_id in ["ada", "bob", "eve", "guest", "nobody"] {
        let before = fixture.hasher.work();
        let email = format!("{user_id}@example.org");
        let refused = fixture.manager.sign_in(&email, "wrong", LIFETIME).await.unwrap_err();
        assert!(matches!(refused, AuthError::WrongCredentials), "{user_id}: {refused:?}");
        let now = fixture.hasher.work();
        let work = Work { argon2: now.argon2 - before.argon2, bcrypt: now.bcrypt - before.bcrypt };
        assert_eq!(work, Work { argon2: 1, bcrypt: 1 }, "{user_id}");
    }
    let refused = fixture.manager.sign_in("eve@example.org", "right", LIFETIME).await.unwrap_err();
    assert!(matches!(refused, AuthError::WrongCredentials), "deactivated: {refused:?}");
}

#[tokio::test]
async fn the_sixteenth_try_for_an_address_is_refused_before_any_work() {
    let fixture = Fixture::new("");
    for _ in 0..15 {
        let refused = fixture.manager.sign_in("ada@example.org", "wrong", LIFETIME).await.unwrap_err();
        assert!(matches!(refused, AuthError::WrongCredentials));
    }
    let before = fixture.hasher.work();
    let refused = fixture.manager.sign_in("ADA@example.org", "right", LIFETIME).await.unwrap_err();
    assert!(matches!(refused, AuthError::TooManyAttempts { .. }));
    assert_eq!(refused.status(), 429);
    assert!(refused.retry_after().is_some_and(|seconds| (1..=240).contains(&seconds)));
    assert_eq!(fixture.hasher.work(), before);
}

#[tokio::test]
async fn signing_out_ends_the_one_session_for_good_and_leaves_the_others() {
    let fixture = Fixture::new("");
    let mut events = fixture.revocations.subscribe();
    let (token, other) = (fixture.token().await, fixture.token().await);
    let session = fixture.authenticator.authenticate(&token).await.unwrap();
    fixture.manager.sign_out(&session).await.unwrap();
    assert!(fixture.refuses(&token).await);
    assert!(fixture.authenticator.authenticate(&other).await.is_ok());
    assert!(fixture.authenticator.revalidate(&session).await.is_err());
    let expected = Revoked::Token { token_id: session.token_id().unwrap().into(), user_id: "ada".into() };
    assert_eq!(events.try_recv(), Ok(expected));

    let restarted = Fixture::over(Arc::clone(&fixture.accounts), fixture.clock.clone());
    restarted.manager.load().await.unwrap();
    assert!(restarted.refuses(&token).await);
    assert!(restarted.authenticator.authenticate(&other).await.is_ok());
}

#[tokio::test]
async fn a_token_without_expiry_is_revoked_for_good_too() {
    let fixture = Fixture::new("");
    let token = fixture.manager.begin("ada", Some("password"), None).await.unwrap().issued.token;
    let session = fixture.authenticator.authenticate(&token).await.unwrap();
    fixture.manager.sign_out(&session).await.unwrap();
    fixture.clock.advance(Duration::from_hours(24 * 365));
    fixture.revocations.purge();
    assert!(fixture.refuses(&token).await);
}

#[tokio::test]
async fn signing_out_while_the_database_is_away_still_ends_the_session_here() {
    let fixture = Fixture::new("");
    let token = fixture.token().await;
    let session = fixture.authenticator.authenticate(&token).await.unwrap();
    fixture.accounts.set_down(true);
    assert!(matches!(fixture.manager.sign_out(&session).await, Err(AuthError::Unavailable)));
    assert!(fixture.refuses(&token).await);
}

#[tokio::test]
async fn a_new_session_stamp_ends_all_sessions() {
    let fixture = Fixture::new("");
    let mut events = fixture.revocations.subscribe();
    let (token, session) = (fixture.token().await, fixture.session().await);
    fixture.manager.end_all_sessions("ada").await.unwrap();
    assert!(fixture.refuses(&token).await);
    assert!(fixture.authenticator.revalidate(&session).await.is_err());
    assert_eq!(events.try_recv(), Ok(Revoked::User { user_id: "ada".into() }));
    assert!(fixture.authenticator.authenticate(&fixture.token().await).await.is_ok());
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_and_replaces_the_old_one() {
    let fixture = Fixture::new(&bcrypt_hash());
    let token = fixture.token().await;
    let session = fixture.authenticator.authenticate(&token).await.unwrap();
    let refused = fixture.manager.change_password(&session, "wrong", "new").await.unwrap_err();
    assert!(matches!(refused, AuthError::WrongPassword));
    let refused = fixture.manager.change_password(&session, "right", "").await.unwrap_err();
    assert!(matches!(refused, AuthError::PasswordEmpty));
    assert!(fixture.authenticator.authenticate(&token).await.is_ok());

    fixture.manager.change_password(&session, "right", "new").await.unwrap();
    assert!(fixture.refuses(&token).await);
    assert!(fixture.manager.sign_in("ada@example.org", "right", LIFETIME).await.is_err());
    assert!(fixture.manager.sign_in("ada@example.org", "new", LIFETIME).await.is_ok());
}

#[tokio::test]
async fn a_stamp_must_match_and_none_matches_none() {
    let fixture = Fixture::new("");
    let unstamped = NewToken { user_id: "ada", session_stamp: None, auth_method: None, lifetime: LIFETIME };
    let token = fixture.tokens.issue(unstamped).unwrap().token;
    assert!(fixture.refuses(&token).await);
    fixture.accounts.change("ada", |account| account.identity.session_stamp = None);
    fixture.authenticator.invalidate_user("ada");
    assert!(fixture.authenticator.authenticate(&token).await.is_ok());
    let stamped = NewToken { session_stamp: Some("stamp-0"), ..unstamped };
    assert!(fixture.refuses(&fixture.tokens.issue(stamped).unwrap().token).await);
}

#[tokio::test]
async fn tokens_of_deleted_and_deactivated_accounts_are_refused() {
    let fixture = Fixture::new("");
    let token = fixture.token().await;
    fixture.accounts.change("ada", |account| account.identity.active = false);
    fixture.manager.announce_change("ada").await;
    assert!(fixture.refuses(&token).await);
    assert!(fixture.manager.begin("ada", None, None).await.is_err());
    fixture.accounts.accounts.lock().remove("ada");
    fixture.manager.announce_change("ada").await;
    assert!(fixture.refuses(&token).await);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let fixture = Fixture::new("");
    let session = fixture.session().await;
    fixture.clock.advance(Duration::from_secs(3599));
    assert!(fixture.authenticator.revalidate(&session).await.is_ok());
    fixture.clock.advance(Duration::from_secs(1));
    assert!(fixture.authenticator.revalidate(&session).await.is_err());
}

#[tokio::test]
async fn roles_open_and_close_doors() {
    let fixture = Fixture::new("");
    for (role, user, admin) in
        [(Role::Pending, false, false), (Role::User, true, false), (Role::Admin, true, true)]
    {
        fixture.accounts.change("ada", |account| account.identity.role = role);
        fixture.authenticator.invalidate_user("ada");
        let session = fixture.session().await;
        assert_eq!(
            (session.require_user().is_ok(), session.require_admin().is_ok()),
            (user, admin),
            "{role:?}"
        );
        if !user {
            assert_eq!(session.require_user().unwrap_err().status(), 401);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_key_is_looked_up_once_in_a_while() {
    let fixture = Fixture::new("");
    fixture.accounts.api_keys.lock().insert("sk-1".into(), "ada".into());
    for _ in 0..10 {
        let session = fixture.authenticator.authenticate("sk-1").await.unwrap();
        assert_eq!((session.user_id(), session.claims()), ("ada", None));
        assert!(session.require_token().is_err());
    }
    assert_eq!((fixture.accounts.lookups(), fixture.accounts.loads()), (1, 1));
    tokio::time::advance(Duration::from_secs(30)).await;
    fixture.authenticator.authenticate("sk-1").await.unwrap();
    assert_eq!(fixture.accounts.lookups(), 2);
}

#[tokio::test]
async fn a_replaced_api_key_is_refused_at_once() {
    let fixture = Fixture::new("");
    fixture.accounts.api_keys.lock().insert("sk-1".into(), "ada".into());
    let session = fixture.authenticator.authenticate("sk-1").await.unwrap();
    fixture.accounts.api_keys.lock().clear();
    fixture.authenticator.invalidate_user("ada");
    assert!(fixture.refuses("sk-1").await);
    assert!(fixture.refuses(&format!("sk-{}", "x".repeat(10_000))).await);
    assert!(fixture.authenticator.revalidate(&session).await.is_ok(), "the account itself is unchanged");
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_began_before_the_change_is_not_kept() {
    let fixture = Fixture::new("");
    fixture.accounts.api_keys.lock().insert("sk-1".into(), "ada".into());
    fixture.accounts.set_delay(Duration::from_millis(50));
    let early = tokio::spawn({
        let authenticator = fixture.authenticator.clone();
        async move { authenticator.authenticate("sk-1").await.map(|_| ()) }
    });
    while fixture.accounts.lookups() == 0 {
        tokio::task::yield_now().await;
    }
    fixture.accounts.api_keys.lock().clear();
    fixture.authenticator.invalidate_user("ada");
    early.await.unwrap().unwrap();
    assert!(fixture.refuses("sk-1").await);
}

#[tokio::test(start_paused = true)]
async fn a_known_api_key_outlives_an_outage_and_an_unknown_one_is_not_called_wrong() {
    let fixture = Fixture::new("");
    fixture.accounts.api_keys.lock().insert("sk-1".into(), "ada".into());
    fixture.authenticator.authenticate("sk-1").await.unwrap();
    fixture.accounts.set_down(true);
    tokio::time::advance(Duration::from_mins(10)).await;
    assert!(fixture.authenticator.authenticate("sk-1").await.is_ok());
    assert!(matches!(fixture.authenticator.authenticate("sk-2").await, Err(AuthError::Unavailable)));
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(matches!(fixture.authenticator.authenticate("sk-1").await, Err(AuthError::Unavailable)));
}

#[tokio::test]
async fn sockets_take_no_api_key() {
    let fixture = Fixture::new("");
    fixture.accounts.api_keys.lock().insert("sk-1".into(), "ada".into());
    assert!(matches!(fixture.authenticator.authenticate_token("sk-1").await, Err(AuthError::InvalidToken)));
}

#[tokio::test(start_paused = true)]
async fn the_background_work_follows_announcements_and_purges() {
    let fixture = Fixture::new("");
    let session = fixture.session().await;
    fixture.manager.sign_out(&session).await.unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (manager, shutdown) = (fixture.manager.clone(), shutdown.clone());
        async move { manager.run(shutdown).await }
    });
    tokio::task::yield_now().await;

    // Another node changed the account and says so.
    fixture.accounts.rename("ada", "Ada");
    fixture.revocations.end_user("ada").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fixture.session().await.identity.name, "Ada");

    // More announcements than can be kept: nobody knows whom the lost ones meant.
    fixture.accounts.rename("ada", "Ada Lovelace");
    for n in 0..EVENT_QUEUE * 2 {
        fixture.revocations.end_user(&n.to_string()).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(fixture.session().await.identity.name, "Ada Lovelace");

    fixture.clock.advance(Duration::from_hours(2));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(fixture.revocations.is_empty());
    assert_eq!(fixture.accounts.revoked.lock().len(), 1, "kept for nodes whose clock is behind");
    fixture.clock.advance(Duration::from_hours(24));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(fixture.accounts.revoked.lock().is_empty());
    shutdown.cancel();
    running.await.unwrap();
}

#[test]
fn api_keys_need_the_switch_the_permission_and_an_open_path() {
    let session = |role, proof| Session { identity: Arc::new(identity("ada", role)), proof };
    let key = |role| session(role, Proof::ApiKey);
    let refusal = |session: &Session, variables: &[(&str, &str)], path: &str| {
        session.check_api_key(&configured(variables).settings, path).err().map(|refused| refused.status())
    };
    let on = ("ENABLE_API_KEYS", "true");
    let granted = ("USER_PERMISSIONS_FEATURES_API_KEYS", "true");
    assert_eq!(refusal(&key(Role::Admin), &[], "/api/models"), Some(403));
    assert_eq!(refusal(&key(Role::Admin), &[on], "/api/models"), None);
    assert_eq!(refusal(&key(Role::User), &[on], "/api/models"), Some(403));
    assert_eq!(refusal(&key(Role::User), &[on, granted], "/api/models"), None);

    let limited = [
        on,
        ("ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS", "true"),
        ("API_KEYS_ALLOWED_ENDPOINTS", "/api/models, /api/v1/chats/"),
    ];
    for (path, status) in [
        ("/api/models", None),
        ("/api/models/base", None),
        ("/api/v1/chats/c1", None),
        ("/api/modelsandmore", Some(403)),
        ("/api/v1/users/", Some(403)),
    ] {
        assert_eq!(refusal(&key(Role::Admin), &limited, path), status, "{path}");
    }
    let claims = Tokens::new("secret", Clock::manual(NOW))
        .issue(NewToken { user_id: "ada", session_stamp: None, auth_method: None, lifetime: None })
        .unwrap()
        .claims;
    let by_token = session(Role::User, Proof::Token(Arc::new(claims)));
    assert_eq!(refusal(&by_token, &limited, "/api/v1/users/"), None);
}
