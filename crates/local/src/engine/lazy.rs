//! Weights that are loaded at the first request and kept.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::error::LocalError;

/// Where the weights of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadState {
    /// A file is missing.
    NotInstalled,
    /// The files are there; the first request will load them.
    NotLoaded,
    /// A request is loading them.
    Loading,
    /// They are in memory.
    Loaded,
}

type Loader<T> = Box<dyn Fn() -> Result<T, LocalError> + Send + Sync>;

/// A value that is made when it is first needed; a failure is not kept, so that the next request tries again.
pub struct Lazy<T> {
    loader: Loader<T>,
    value: Mutex<Option<Arc<T>>>,
}

impl<T> Lazy<T> {
    /// A value that `loader` makes.
    pub fn new(loader: impl Fn() -> Result<T, LocalError> + Send + Sync + 'static) -> Self {
        Self { loader: Box::new(loader), value: Mutex::new(None) }
    }

    /// The value; others who ask meanwhile wait for the same load.
    ///
    /// # Errors
    /// Those of the loader.
    pub fn get(&self) -> Result<Arc<T>, LocalError> {
        let mut value = self.value.lock();
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let loaded = Arc::new((self.loader)()?);
        *value = Some(loaded.clone());
        Ok(loaded)
    }

    /// The state, without waiting; `installed` tells whether the files are there.
    pub fn state(&self, installed: bool) -> LoadState {
        match self.value.try_lock() {
            None => LoadState::Loading,
            Some(value) if value.is_some() => LoadState::Loaded,
            Some(_) if installed => LoadState::NotLoaded,
            Some(_) => LoadState::NotInstalled,
        }
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lazy").field("state", &self.state(true)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_failure_is_tried_again_and_success_is_kept() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = attempts.clone();
        let lazy = Lazy::new(move || match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Err(LocalError::Missing { path: "weights".into() }),
            attempt => Ok(attempt),
        });
        assert_eq!(lazy.state(false), LoadState::NotInstalled);
        assert_eq!(lazy.state(true), LoadState::NotLoaded);
        assert!(lazy.get().is_err());
        assert_eq!(*lazy.get().unwrap(), 1);
        assert_eq!(*lazy.get().unwrap(), 1);
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        assert_eq!(lazy.state(false), LoadState::Loaded);
    }
}
