//! The persistent settings as this node knows them now: read without waiting, replaced whole, with a version.
//!
//! SQL holds the settings; whoever changes them there calls [`SettingsHandle::replace`] next. Versions are those of
//! SQL and only grow, so that an announcement that arrives late cannot bring back older settings.

use std::fmt;
use std::sync::Arc;

use antiphon_config::Settings;
use arc_swap::ArcSwap;
use tokio::sync::watch;

/// The current settings. Clones share them.
#[derive(Clone)]
pub struct SettingsHandle {
    inner: Arc<Inner>,
}

struct Inner {
    current: ArcSwap<Versioned>,
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Versioned {
    settings: Arc<Settings>,
    version: u64,
}

impl SettingsHandle {
    /// Settings as they were read at start, with their version in SQL (0 when none is stored yet).
    pub fn new(settings: Settings, version: u64) -> Self {
        let current = Versioned { settings: Arc::new(settings), version };
        let (sender, _) = watch::channel(version);
        Self { inner: Arc::new(Inner { current: ArcSwap::from_pointee(current), version: sender }) }
    }

    /// The settings now. Hold them for one request, not longer.
    pub fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.inner.current.load().settings)
    }

    /// The version of the settings now.
    pub fn version(&self) -> u64 {
        self.inner.current.load().version
    }

    /// Takes over newer settings and tells every subscriber. False, and nothing happens, when `version` is not newer
    /// than what is held.
    pub fn replace(&self, settings: Settings, version: u64) -> bool {
        let settings = Arc::new(settings);
        // The check and the swap happen under the lock of the channel, so that two callers cannot cross.
        self.inner.version.send_if_modified(|current| {
            let newer = version > *current;
            if newer {
                self.inner.current.store(Arc::new(Versioned { settings: Arc::clone(&settings), version }));
                *current = version;
            }
            newer
        })
    }

    /// Wakes with the version whenever the settings were replaced.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }
}

impl fmt::Debug for SettingsHandle {
    // Settings hold secrets of providers.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SettingsHandle").field("version", &self.version()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use antiphon_config::Environment;

    use super::*;

    fn settings() -> Settings {
        antiphon_config::load(&Environment::default()).unwrap().config.settings
    }

    fn with_signup(enabled: bool) -> Settings {
        let mut settings = settings();
        settings.sign_in.enable_signup = enabled;
        settings
    }

    #[tokio::test]
    async fn a_replacement_is_seen_by_every_clone_and_wakes_subscribers() {
        let handle = SettingsHandle::new(with_signup(true), 3);
        let mut changes = handle.subscribe();
        let held = handle.current();
        assert!(handle.clone().replace(with_signup(false), 4));
        changes.changed().await.unwrap();
        assert_eq!((*changes.borrow(), handle.version()), (4, 4));
        assert!(!handle.current().sign_in.enable_signup);
        assert!(held.sign_in.enable_signup, "a request keeps the settings it began with");
    }

    #[test]
    fn older_settings_do_not_come_back() {
        let handle = SettingsHandle::new(with_signup(true), 7);
        for version in [0, 6, 7] {
            assert!(!handle.replace(with_signup(false), version), "{version}");
        }
        assert!(handle.current().sign_in.enable_signup);
        assert!(!handle.subscribe().has_changed().unwrap());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", SettingsHandle::new(settings(), 1)), "SettingsHandle { version: 1, .. }");
    }
}
