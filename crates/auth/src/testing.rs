//! Accounts without a database, with the faults that tests need.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use antiphon_config::{Config, Environment};
use antiphon_state::revocation::RevokedToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::Role;
use crate::accounts::{Accounts, Credentials};
use crate::error::{AuthError, Result};
use crate::identity::Identity;

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) identity: Identity,
    pub(crate) password_hash: String,
}

#[derive(Debug, Default)]
pub(crate) struct FakeAccounts {
    pub(crate) accounts: Mutex<HashMap<String, Account>>,
    pub(crate) api_keys: Mutex<HashMap<String, String>>,
    pub(crate) revoked: Mutex<Vec<RevokedToken>>,
    loads: AtomicUsize,
    lookups: AtomicUsize,
    stamps: AtomicU64,
    delay_millis: AtomicU64,
    down: AtomicBool,
    panics: AtomicBool,
}

impl FakeAccounts {
    /// An account whose e-mail address is `{user_id}@example.org`, without a password.
    pub(crate) fn add(&self, user_id: &str, role: Role) {
        let account = Account { identity: identity(user_id, role), password_hash: String::new() };
        self.accounts.lock().insert(user_id.to_owned(), account);
    }

    pub(crate) fn change(&self, user_id: &str, change: impl FnOnce(&mut Account)) {
        change(self.accounts.lock().get_mut(user_id).expect("the account exists"));
    }

    pub(crate) fn rename(&self, user_id: &str, name: &str) {
        self.change(user_id, |account| name.clone_into(&mut account.identity.name));
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay_millis.store(u64::try_from(delay.as_millis()).expect("a short delay"), Ordering::Relaxed);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn set_panics(&self, panics: bool) {
        self.panics.store(panics, Ordering::Relaxed);
    }

    /// How often identities were loaded.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    /// How often API keys were looked up.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Answers with what is true now, after the delay.
    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, Result<T>> {
        let delay = Duration::from_millis(self.delay_millis.load(Ordering::Relaxed));
        let (down, panics) = (self.down.load(Ordering::Relaxed), self.panics.load(Ordering::Relaxed));
        async move {
            assert!(!panics, "a fault of the storage, as the test asked for");
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if down { Err(AuthError::Unavailable) } else { Ok(answer) }
        }
        .boxed()
    }

    fn write(&self, write: impl FnOnce()) -> BoxFuture<'static, Result<()>> {
        if !self.down.load(Ordering::Relaxed) {
            write();
        }
        self.answer(())
    }

    fn new_stamp(&self) -> String {
        format!("stamp-{}", self.stamps.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// An active account whose names all come from its id.
pub(crate) fn identity(user_id: &str, role: Role) -> Identity {
    Identity {
        id: user_id.into(),
        email: format!("{user_id}@example.org"),
        name: user_id.to_owned(),
        role,
        session_stamp: Some("stamp-0".to_owned()),
        active: true,
        profile: None,
    }
}

/// The configuration that these variables give.
pub(crate) fn configured(variables: &[(&str, &str)]) -> Config {
    let environment = Environment::from_pairs(variables.iter().copied());
    antiphon_config::load(&environment).expect("a valid configuration").config
}

fn credentials(account: &Account) -> Credentials {
    Credentials {
        user_id: Arc::clone(&account.identity.id),
        password_hash: account.password_hash.clone(),
        active: account.identity.active,
    }
}

impl Accounts for FakeAccounts {
    fn load<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Identity>>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.answer(self.accounts.lock().get(user_id).map(|account| account.identity.clone()))
    }

    fn load_many<'a>(&'a self, user_ids: &'a [Arc<str>]) -> BoxFuture<'a, Result<Vec<Identity>>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let accounts = self.accounts.lock();
        let found = user_ids.iter().filter_map(|user_id| accounts.get(&**user_id));
        self.answer(found.map(|account| account.identity.clone()).collect())
    }

    fn find_api_key<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Arc<str>>>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.answer(self.api_keys.lock().get(key).map(|user_id| user_id.as_str().into()))
    }

    fn credentials_by_email<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        let accounts = self.accounts.lock();
        self.answer(accounts.values().find(|account| account.identity.email == email).map(credentials))
    }

    fn credentials<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        self.answer(self.accounts.lock().get(user_id).map(credentials))
    }

    fn upgrade_password_hash<'a>(
        &'a self,
        user_id: &'a str,
        old_hash: &'a str,
        new_hash: &'a str,
    ) -> BoxFuture<'a, Result<()>> {
        self.write(|| {
            self.change(user_id, |account| {
                if account.password_hash == old_hash {
                    new_hash.clone_into(&mut account.password_hash);
                }
            });
        })
    }

    fn change_password<'a>(&'a self, user_id: &'a str, new_hash: &'a str) -> BoxFuture<'a, Result<()>> {
        self.write(|| {
            let stamp = self.new_stamp();
            self.change(user_id, |account| {
                new_hash.clone_into(&mut account.password_hash);
                account.identity.session_stamp = Some(stamp);
            });
        })
    }

    fn renew_session_stamp<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.write(|| {
            let stamp = self.new_stamp();
            self.change(user_id, |account| account.identity.session_stamp = Some(stamp));
        })
    }

    fn revoke_token<'a>(&'a self, token: &'a RevokedToken) -> BoxFuture<'a, Result<()>> {
        self.write(|| self.revoked.lock().push(token.clone()))
    }

    fn revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<Vec<RevokedToken>>> {
        let revoked = self.revoked.lock();
        self.answer(
            revoked.iter().filter(|token| token.expires_at.is_none_or(|at| at > now)).cloned().collect(),
        )
    }

    fn revoked_since(&self, _since: u64) -> BoxFuture<'_, Result<Vec<(RevokedToken, u64)>>> {
        let revoked = self.revoked.lock();
        self.answer(revoked.iter().map(|token| (token.clone(), 0)).collect())
    }

    fn changed_since(&self, _since: u64) -> BoxFuture<'_, Result<Vec<(String, u64)>>> {
        self.answer(Vec::new())
    }

    fn purge_revoked_tokens(&self, now: u64) -> BoxFuture<'_, Result<()>> {
        self.write(|| self.revoked.lock().retain(|token| token.expires_at.is_none_or(|at| at > now)))
    }

    fn sample_password_hashes(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.answer(self.accounts.lock().values().map(|account| account.password_hash.clone()).collect())
    }
}
