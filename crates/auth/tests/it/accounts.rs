//! A node for tests: a database file of its own and a session manager over it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use antiphon_auth::{PasswordPolicy, Role, SessionManager};
use antiphon_state::{Clock, Limits, Revocations};
use antiphon_storage::{CreatedUser, Database, DatabaseOptions, NewUser};

pub(crate) const LIFETIME: Option<Duration> = Some(Duration::from_hours(1));

pub(crate) struct Node {
    pub(crate) database: Database,
    pub(crate) revocations: Revocations,
    pub(crate) sessions: SessionManager,
}

impl Node {
    /// A node as it is right after its start, on the database in this folder.
    pub(crate) async fn start(folder: &Path) -> Self {
        let url = format!("sqlite:///{}", folder.join("test.db").display());
        let database = Database::open(&DatabaseOptions::new(url)).await.unwrap();
        database.migrate().await.unwrap();
        let clock = Clock::system();
        let revocations = Revocations::new(clock.clone());
        let sessions = SessionManager::new(
            "secret",
            PasswordPolicy::default(),
            Arc::new(database.clone()),
            Limits::new(clock.clone()),
            revocations.clone(),
            clock,
        );
        sessions.load().await.unwrap();
        Self { database, revocations, sessions }
    }

    /// Makes an account; the first one becomes administrator.
    pub(crate) async fn create(&self, email: &str, password_hash: &str) -> CreatedUser {
        let new = NewUser {
            id: None,
            name: "Name".into(),
            email: email.into(),
            role: Role::User,
            profile_image_url: "/user.png".into(),
            password_hash: password_hash.into(),
        };
        self.database.users().create(new).await.unwrap()
    }

    /// Makes an account with a password hashed as new ones are.
    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> CreatedUser {
        let hash = self.sessions.hash_new_password(password).await.unwrap();
        self.create(email, &hash).await
    }

    /// A token of the account.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        self.sessions.sign_in(email, password, LIFETIME).await.unwrap().issued.token
    }

    /// Whether the token is accepted; any other trouble than a refusal fails the test.
    pub(crate) async fn accepts(&self, token: &str) -> bool {
        match self.sessions.authenticator().authenticate(token).await {
            Ok(_) => true,
            Err(antiphon_auth::AuthError::InvalidToken) => false,
            Err(error) => panic!("unexpected {error:?}"),
        }
    }
}
