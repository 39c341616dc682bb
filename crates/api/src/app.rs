//! What handlers work with.

use crate::activity::Activity;
use crate::connections::Connections;
use crate::external::ExternalSignIn;
use crate::frontend::Frontend;
use crate::models::ModelDirectory;
use crate::onboarding::Onboarding;
use crate::read_marks::ReadMarks;
use crate::redis_links::RedisLinks;
use crate::settings::SettingsStore;
use crate::user_locks::UserLocks;
use antiphon_auth::cookie::CookieOptions;
use antiphon_auth::{Authenticator, SessionManager};
use antiphon_config::{Config, Settings};
use antiphon_generation::Replies;
use antiphon_provider::Providers;
use antiphon_realtime::Realtime;
use antiphon_state::{Clock, Limits, Presence, Revocations, Tasks};
use antiphon_storage::Database;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The parts of one node. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Parts,
    onboarding: Onboarding,
    user_locks: UserLocks,
    read_marks: Arc<ReadMarks>,
}

/// The parts themselves, put together by the server.
pub struct Parts {
    /// What the environment said.
    pub config: Arc<Config>,
    /// What administrators set.
    pub settings: SettingsStore,
    /// The time of day.
    pub clock: Clock,
    /// The truth.
    pub database: Database,
    /// Who is calling.
    pub authenticator: Authenticator,
    /// Beginning and ending sessions.
    pub sessions: SessionManager,
    /// Sign-in through providers.
    pub external: ExternalSignIn,
    /// Attributes of the token's cookie.
    pub cookie: CookieOptions,
    /// Tokens that are no longer good.
    pub revocations: Revocations,
    /// Rate limits.
    pub limits: Limits,
    /// Sockets and rooms.
    pub realtime: Realtime,
    /// Who is connected.
    pub presence: Presence,
    /// What runs.
    pub tasks: Tasks,
    /// Upstream models.
    pub providers: Providers,
    /// Which providers are connected.
    pub connections: Connections,
    /// Which models whom may use.
    pub models: ModelDirectory,
    /// Replies.
    pub replies: Replies,
    /// When accounts were last seen.
    pub activity: Activity,
    /// The web page.
    pub frontend: Frontend,
    /// The way to Redis.
    pub redis: RedisLinks,
    /// Whether start-up is complete and shutdown has not begun.
    pub ready: AtomicBool,
}

impl App {
    /// An application of these parts.
    pub fn new(parts: Parts) -> Self {
        let read_marks = ReadMarks::new(parts.database.clone(), parts.clock.clone());
        Self(Arc::new(Inner {
            parts,
            onboarding: Onboarding::default(),
            user_locks: UserLocks::default(),
            read_marks,
        }))
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.current()
    }

    /// Now, in Unix seconds as rows and answers hold them.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX)
    }

    /// The first account, and sign-ups one after the other.
    pub(crate) fn onboarding(&self) -> &Onboarding {
        &self.0.onboarding
    }

    /// One change at a time to what an account keeps.
    pub(crate) fn user_locks(&self) -> &UserLocks {
        &self.0.user_locks
    }

    /// How far people have read in channels.
    pub(crate) fn read_marks(&self) -> &Arc<ReadMarks> {
        &self.0.read_marks
    }

    /// Says whether the node takes requests, for `/ready`.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}
