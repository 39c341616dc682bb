//! Who a request acts for: the signature, the revocations and the identity, all in memory after the first time.

use crate::measure::Runner;
use antiphon_auth::{PasswordPolicy, Role, SessionManager, Tokens};
use antiphon_state::{Clock, Limits, Revocations};
use antiphon_storage::{Database, DatabaseOptions, NewUser};
use anyhow::Result;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const SECRET: &str = "a secret of the benchmark";
const LIFETIME: Duration = Duration::from_hours(1);

pub(crate) fn run<W: Write>(runtime: &Runtime, runner: &mut Runner<W>) -> Result<()> {
    if !runner.wants("token/") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let clock = Clock::system();
    let (sessions, token) = runtime.block_on(async {
        let path = folder.path().join("bench.db");
        let database = Database::open(&DatabaseOptions::new(format!("sqlite:///{}", path.display()))).await?;
        database.migrate().await?;
        let user = database
            .users()
            .create(NewUser {
                id: None,
                name: "Somebody".into(),
                email: "somebody@example.org".into(),
                role: Role::User,
                profile_image_url: "/user.png".into(),
                password_hash: String::new(),
            })
            .await?
            .user;
        let sessions = SessionManager::new(
            SECRET,
            PasswordPolicy::default(),
            Arc::new(database),
            Limits::new(clock.clone()),
            Revocations::new(clock.clone()),
            clock.clone(),
        );
        sessions.load().await?;
        let token = sessions.begin(&user.id, Some("password"), Some(LIFETIME)).await?.issued.token;
        anyhow::Ok((sessions, token))
    })?;
    let tokens = Tokens::new(SECRET, clock);
    runner.run("token/verify", "token", 1, || Ok(tokens.verify(black_box(&token))?))?;
    // Several in one call: entering the runtime would cost as much as the check itself.
    runner.run("token/authenticate", "request", 64, || {
        runtime.block_on(async {
            for _ in 0..64 {
                black_box(sessions.authenticator().authenticate(black_box(&token)).await?);
            }
            anyhow::Ok(())
        })
    })
}
