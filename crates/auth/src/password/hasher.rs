//! Hashing with bounded cost for the node and equal cost for everybody who is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::scheme::{Algorithm, MAX_PASSWORD_BYTES, Scheme};
use crate::error::{AuthError, Result};

/// Longest wait for a free core, after which the caller is told that the server is busy.
pub const MAX_WAIT: Duration = Duration::from_secs(10);

/// Most callers that wait at once.
pub const MAX_WAITING: usize = 512;

/// Most schemes whose cost a refusal makes up for. A database holds one or two: today's and yesterday's.
const MAX_SCHEMES: usize = 4;

/// What a check of a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The password belongs to the hash.
    pub ok: bool,
    /// It does, and a new hash would be better than the stored one.
    pub needs_upgrade: bool,
}

/// How much hashing was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Runs of argon2, those for nothing included.
    pub argon2: u64,
    /// Runs of bcrypt, those for nothing included.
    pub bcrypt: u64,
}

/// Hashes and checks passwords. Clones share the queue.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    algorithm: Algorithm,
    cores: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
    /// The schemes that accounts are known to have. A refusal costs one run of each, so that its time says neither
    /// whether the account exists nor how old its password is.
    schemes: RwLock<Vec<Scheme>>,
    argon2_runs: AtomicU64,
    bcrypt_runs: AtomicU64,
}

impl PasswordHasher {
    /// A hasher that runs on as many cores as the machine has.
    pub fn new(algorithm: Algorithm) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_bounds(algorithm, cores, MAX_WAITING, MAX_WAIT)
    }

    /// A hasher with bounds of one's own, for tests.
    pub fn with_bounds(algorithm: Algorithm, cores: usize, max_waiting: usize, max_wait: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                algorithm,
                cores: Arc::new(Semaphore::new(cores)),
                waiting: AtomicUsize::new(0),
                max_waiting,
                max_wait,
                schemes: RwLock::new(vec![Scheme::of_new(algorithm)]),
                argon2_runs: AtomicU64::new(0),
                bcrypt_runs: AtomicU64::new(0),
            }),
        }
    }

    /// Which hash new passwords get.
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// Learns of the kind of a stored hash before anybody signs in with it (see [`PasswordHasher::verify`]).
    pub fn note_stored_hash(&self, hash: &str) {
        if let Some(scheme) = Scheme::of_hash(hash) {
            self.inner.note(scheme);
        }
    }

    /// Hashes a new password; [`super::PasswordPolicy::check`] comes before.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let limit = self.inner.algorithm.max_password_bytes();
        if password.len() > limit {
            return Err(AuthError::PasswordTooLong { limit });
        }
        let (inner, password) = (Arc::clone(&self.inner), password.to_owned());
        self.run(move || {
            let scheme = Scheme::of_new(inner.algorithm);
            inner.count(scheme);
            scheme.hash(password.as_bytes())
        })
        .await?
    }

    /// Checks a password against the stored hash of an account, or against nothing when there is no such account.
    ///
    /// A refusal costs the same in all cases: one run of every scheme that accounts are known to have. The one thing
    /// that can still be told is the first refusal of an account whose scheme nobody told of before
    /// ([`PasswordHasher::note_stored_hash`]). A password longer than any that can be stored is refused at once, for
    /// everybody alike.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verified> {
        const REFUSED: Verified = Verified { ok: false, needs_upgrade: false };
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(REFUSED);
        }
        let (inner, password, hash) =
            (Arc::clone(&self.inner), password.to_owned(), hash.map(ToOwned::to_owned));
        self.run(move || {
            let stored = hash.as_deref().and_then(|hash| Scheme::of_hash(hash).map(|scheme| (scheme, hash)));
            if let Some((scheme, hash)) = stored {
                inner.note(scheme);
                inner.count(scheme);
                if scheme.verify(password.as_bytes(), hash) {
                    let needs_upgrade = scheme.is_weaker_than(Scheme::of_new(inner.algorithm));
                    return Verified { ok: true, needs_upgrade };
                }
            }
            let schemes = inner.schemes.read().clone();
            for scheme in schemes.into_iter().filter(|scheme| stored.is_none_or(|(done, _)| done != *scheme))
            {
                inner.count(scheme);
                scheme.burn(password.as_bytes());
            }
            REFUSED
        })
        .await
    }

    /// How much hashing was done.
    pub fn work(&self) -> Work {
        Work {
            argon2: self.inner.argon2_runs.load(Ordering::Relaxed),
            bcrypt: self.inner.bcrypt_runs.load(Ordering::Relaxed),
        }
    }

    /// Runs on a blocking thread once a core is free. A caller that goes away does not stop the work it began, and
    /// the core stays taken until that ends.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let core = self.core().await?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        })
        .await
        .map_err(AuthError::internal)
    }

    async fn core(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(core) = Arc::clone(&self.inner.cores).try_acquire_owned() {
            return Ok(core);
        }
        let waiting = Waiting::enter(&self.inner)?;
        let core =
            tokio::time::timeout(self.inner.max_wait, Arc::clone(&self.inner.cores).acquire_owned()).await;
        drop(waiting);
        match core {
            Ok(Ok(core)) => Ok(core),
            // The semaphore is never closed; the wait was too long.
            Ok(Err(_)) | Err(_) => Err(AuthError::Busy),
        }
    }
}

impl Inner {
    fn note(&self, scheme: Scheme) {
        if self.schemes.read().contains(&scheme) {
            return;
        }
        let mut schemes = self.schemes.write();
        if schemes.len() < MAX_SCHEMES && !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }

    fn count(&self, scheme: Scheme) {
        match scheme {
            Scheme::Argon2 { .. } => &self.argon2_runs,
            Scheme::Bcrypt { .. } => &self.bcrypt_runs,
        }
        .fetch_add(1, Ordering::Relaxed);
    }
}

/// One caller in the queue, also when it is dropped there.
struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn enter(inner: &'a Inner) -> Result<Self> {
        let waiting = Self(inner);
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= inner.max_waiting {
            return Err(AuthError::Busy);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(argon2: u64, bcrypt: u64) -> Work {
        Work { argon2, bcrypt }
    }

    fn since(hasher: &PasswordHasher, before: Work) -> Work {
        let now = hasher.work();
        work(now.argon2 - before.argon2, now.bcrypt - before.bcrypt)
    }

    #[tokio::test]
    async fn a_right_password_is_accepted_and_a_wrong_one_refused() {
        let hasher = PasswordHasher::new(Algorithm::Argon2id);
        let hash = hasher.hash("right").await.unwrap();
        assert_eq!(
            hasher.verify("right", Some(&hash)).await.unwrap(),
            Verified { ok: true, needs_upgrade: false }
        );
        assert!(!hasher.verify("wrong", Some(&hash)).await.unwrap().ok);
        assert!(!hasher.verify("right", None).await.unwrap().ok);
        assert!(!hasher.verify("right", Some("not a hash")).await.unwrap().ok);
    }

    #[tokio::test]
    async fn an_old_hash_asks_for_an_upgrade_only_with_the_right_password() {
        let hasher = PasswordHasher::new(Algorithm::Argon2id);
        let old = bcrypt::hash("right", 4).unwrap();
        assert_eq!(
            hasher.verify("right", Some(&old)).await.unwrap(),
            Verified { ok: true, needs_upgrade: true }
        );
        assert_eq!(
            hasher.verify("wrong", Some(&old)).await.unwrap(),
            Verified { ok: false, needs_upgrade: false }
        );
        let keeps = PasswordHasher::new(Algorithm::Bcrypt);
        let hash = keeps.hash("right").await.unwrap();
        assert_eq!(
            keeps.verify("right", Some(&hash)).await.unwrap(),
            Verified { ok: true, needs_upgrade: false }
        );
    }

    #[tokio::test]
    async fn every_refusal_does_the_same_work() {
        let hasher = PasswordHasher::new(Algorithm::Argon2id);
        let new = hasher.hash("right").await.unwrap();
        let old = bcrypt::hash("right", 4).unwrap();

        let before = hasher.work();
        hasher.verify("wrong", Some(&new)).await.unwrap();
        assert_eq!(since(&hasher, before), work(1, 0), "only one scheme is known yet");
        let before = hasher.work();
        hasher.verify("wrong", None).await.unwrap();
        assert_eq!(since(&hasher, before), work(1, 0));

        hasher.note_stored_hash(&old);
        for stored in [Some(new.as_str()), Some(old.as_str()), Some("strange"), None] {
            let before = hasher.work();
            hasher.verify("wrong", stored).await.unwrap();
            assert_eq!(since(&hasher, before), work(1, 1), "{stored:?}");
        }
    }

    #[tokio::test]
    async fn a_password_longer_than_any_stored_one_costs_nothing() {
        let hasher = PasswordHasher::new(Algorithm::Argon2id);
        let hash = hasher.hash("right").await.unwrap();
        let before = hasher.work();
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert!(!hasher.verify(&long, Some(&hash)).await.unwrap().ok);
        assert!(!hasher.verify(&long, None).await.unwrap().ok);
        assert!(matches!(
            hasher.hash(&long).await,
            Err(AuthError::PasswordTooLong { limit: MAX_PASSWORD_BYTES })
        ));
        let bcrypt = PasswordHasher::new(Algorithm::Bcrypt);
        assert!(matches!(bcrypt.hash(&"x".repeat(73)).await, Err(AuthError::PasswordTooLong { limit: 72 })));
        assert_eq!(since(&hasher, before), work(0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_at_once() {
        let hasher = PasswordHasher::with_bounds(Algorithm::Argon2id, 1, 1, Duration::from_mins(1));
        let core = hasher.core().await.unwrap();
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash("password").await }
        });
        while hasher.inner.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.hash("password").await, Err(AuthError::Busy)));
        drop(core);
        assert!(waiting.await.unwrap().is_ok());
        assert_eq!(hasher.inner.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told_that_the_server_is_busy() {
        let hasher = PasswordHasher::with_bounds(Algorithm::Argon2id, 1, 8, MAX_WAIT);
        let _core = hasher.core().await.unwrap();
        let started = tokio::time::Instant::now();
        assert!(matches!(hasher.hash("password").await, Err(AuthError::Busy)));
        assert_eq!(started.elapsed(), MAX_WAIT);
    }
}
