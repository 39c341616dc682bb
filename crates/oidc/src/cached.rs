//! What is fetched from a provider once and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Pause after a failure, in which callers are not kept waiting for another.
const RETRY: Duration = Duration::from_secs(2);

/// A value that is fetched when it is first wanted, and again when it is old.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    lifetime: Duration,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    value: Option<(Instant, Arc<T>)>,
    failed: Option<Instant>,
}

impl<T> Cached<T> {
    /// Values are fetched again after `lifetime`.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, kept: Mutex::new(Kept { value: None, failed: None }) }
    }

    /// The value kept, however old; nothing while it is being fetched.
    pub(crate) fn known(&self) -> Option<Arc<T>> {
        self.kept.try_lock().ok()?.value.as_ref().map(|(_, value)| value.clone())
    }

    /// The value kept, if it is younger than `age` and than its lifetime; else what `fetch` gives. When that fails, an older one is
    /// better than none. `busy` is the error right after a failure.
    ///
    /// Callers wait for one another; `fetch` must have a bound.
    pub(crate) async fn get<E: std::fmt::Display>(
        &self,
        age: Duration,
        fetch: impl AsyncFnOnce() -> Result<T, E>,
        busy: impl FnOnce() -> E,
    ) -> Result<Arc<T>, E> {
        let mut kept = self.kept.lock().await;
        let just_failed = kept.failed.is_some_and(|at| at.elapsed() < RETRY);
        if let Some((at, value)) = &kept.value
            && (just_failed || at.elapsed() < self.lifetime.min(age))
        {
            return Ok(value.clone());
        }
        if just_failed {
            return Err(busy());
        }
        match fetch().await {
            Ok(value) => {
                let value = Arc::new(value);
                *kept = Kept { value: Some((Instant::now(), value.clone())), failed: None };
                Ok(value)
            }
            Err(error) => {
                kept.failed = Some(Instant::now());
                match &kept.value {
                    Some((_, value)) => {
                        tracing::debug!(%error, "what is known of the provider could not be renewed");
                        Ok(value.clone())
                    }
                    None => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_is_kept_and_an_old_one_is_better_than_none() {
        let cached = Cached::new(Duration::from_secs(100));
        let asked = AtomicU32::new(0);
        let ask = async |answer: Result<u32, &'static str>| {
            let fetch = async || {
                asked.fetch_add(1, Relaxed);
                answer
            };
            cached.get(Duration::MAX, fetch, || "just failed").await.map(|value| *value)
        };
        assert_eq!(ask(Err("down")).await, Err("down"));
        assert_eq!(ask(Ok(1)).await, Err("just failed"));
        tokio::time::advance(RETRY).await;
        assert_eq!(ask(Ok(1)).await, Ok(1));
        assert_eq!(ask(Ok(2)).await, Ok(1));
        assert_eq!(asked.load(Relaxed), 2);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(ask(Err("down")).await, Ok(1));
        assert_eq!(ask(Ok(2)).await, Ok(1), "right after a failure nobody waits");
        tokio::time::advance(RETRY).await;
        assert_eq!(ask(Ok(2)).await, Ok(2));
    }
}
