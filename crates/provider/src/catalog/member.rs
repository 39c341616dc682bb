//! One connection in the catalog, with what is known about its models.

use crate::connection::{Connection, ConnectionKind};
use crate::error::ProviderError;
use crate::http::Target;
use crate::model::ListedModel;
use crate::options::CatalogOptions;
use crate::{ollama, openai};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;

/// Something that went wrong on a connection, and when.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: ProviderError,
    pub(crate) at: SystemTime,
    since: Instant,
}

impl Failure {
    fn now(error: ProviderError) -> Arc<Self> {
        Arc::new(Self { error, at: SystemTime::now(), since: Instant::now() })
    }
}

/// What is known about the models of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// The last good list.
    pub(crate) models: Arc<Vec<ListedModel>>,
    /// When that list arrived.
    pub(crate) listed: Option<(Instant, SystemTime)>,
    /// When the last attempt ended, and how long it took.
    pub(crate) attempted: Option<(Instant, SystemTime, Duration)>,
    /// Why the last attempt failed.
    pub(crate) failure: Option<Arc<Failure>>,
    /// When the attempt that is under way began.
    pub(crate) under_way: Option<Instant>,
}

/// Who asks for the list, which decides how fresh it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// What is known will do; it is renewed in the background when it is older than `MODELS_CACHE_TTL`.
    Cached,
    /// Ask every connection again.
    Renewed,
}

/// One connection in the catalog.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) connection: Connection,
    pub(crate) target: Target,
    /// The operator named the models, so the service is never asked.
    pub(crate) is_static: bool,
    listing: watch::Sender<Listing>,
    /// The last failure of a request, as opposed to a listing; none after a success.
    request_failure: ArcSwapOption<Failure>,
}

impl Member {
    pub(crate) fn new(connection: Connection) -> Self {
        let models = match connection.kind {
            ConnectionKind::OpenAi => openai::list::static_models(&connection),
            ConnectionKind::Ollama => ollama::list::static_models(&connection),
        };
        let is_static = models.is_some();
        let listing = Listing { models: Arc::new(models.unwrap_or_default()), ..Listing::default() };
        Self {
            target: Target { label: connection.label(), secrets: connection.secrets() },
            connection,
            is_static,
            listing: watch::Sender::new(listing),
            request_failure: ArcSwapOption::empty(),
        }
    }

    /// The same connection under new settings of others: what is known stays known.
    pub(crate) fn adopt(&self, older: &Self) {
        let mut known = older.listing.borrow().clone();
        known.under_way = None;
        self.listing.send_replace(known);
        self.request_failure.store(older.request_failure.load_full());
    }

    pub(crate) fn enabled(&self) -> bool {
        self.connection.config.enable
    }

    /// Whether its models come from asking it.
    pub(crate) fn is_listed(&self) -> bool {
        self.enabled() && !self.is_static
    }

    pub(crate) fn listing(&self) -> Listing {
        self.listing.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Listing> {
        self.listing.subscribe()
    }

    pub(crate) fn request_failure(&self) -> Option<Arc<Failure>> {
        self.request_failure.load_full()
    }

    /// Remembers how a request went, when that says something about the connection.
    pub(crate) fn note_request<T>(&self, outcome: &Result<T, ProviderError>) {
        match outcome {
            Ok(_) => {
                if self.request_failure.load().is_some() {
                    self.request_failure.store(None);
                }
            }
            Err(error) if self.concerned_by(error) => {
                self.request_failure.store(Some(Failure::now(error.clone())));
            }
            Err(_) => {}
        }
    }

    fn concerned_by(&self, error: &ProviderError) -> bool {
        match error {
            // Most often one model is missing; where nobody lists models, the base URL may be wrong as well.
            ProviderError::Status { status, .. } if status.as_u16() == 404 => self.is_static,
            error => error.concerns_connection(),
        }
    }

    /// Whether another connection should be preferred: it fails, and not so long ago that it deserves a new try.
    pub(crate) fn is_avoided(&self, options: &CatalogOptions) -> bool {
        let recent = |failure: &Failure| failure.since.elapsed() < options.failed_retry;
        self.request_failure.load().as_ref().is_some_and(|failure| recent(failure))
            || self.listing.borrow().failure.as_ref().is_some_and(|failure| recent(failure))
    }

    /// The models to offer: the last good list, unless the connection has been failing for too long.
    pub(crate) fn offered(&self, options: &CatalogOptions) -> Arc<Vec<ListedModel>> {
        let listing = self.listing.borrow();
        let too_old = listing.failure.is_some()
            && listing.listed.is_none_or(|(at, _)| at.elapsed() > options.last_good_kept);
        if too_old || !self.enabled() { Arc::default() } else { Arc::clone(&listing.models) }
    }

    /// Whether the connection should be asked now; says so to one caller only.
    pub(crate) fn begin(&self, freshness: Freshness, options: &CatalogOptions) -> bool {
        if !self.is_listed() {
            return false;
        }
        self.listing.send_if_modified(|listing| {
            let due = listing.under_way.is_none() && is_due(listing, freshness, options);
            if due {
                listing.under_way = Some(Instant::now());
            }
            due
        })
    }

    /// Keeps the outcome of an attempt; says whether the models or the state changed.
    pub(crate) fn record(&self, outcome: Result<Vec<ListedModel>, ProviderError>) -> bool {
        let (now, time) = (Instant::now(), SystemTime::now());
        let mut changed = false;
        self.listing.send_modify(|listing| {
            let took = listing.under_way.map(|since| now - since).unwrap_or_default();
            listing.attempted = Some((now, time, took));
            match outcome {
                Ok(models) => {
                    changed = listing.listed.is_none() || *listing.models != models;
                    if changed {
                        listing.models = Arc::new(models);
                    }
                    listing.listed = Some((now, time));
                    if listing.failure.take().is_some() {
                        changed = true;
                        tracing::info!(connection = %self.target.label, "The list of models is back.");
                    }
                }
                Err(error) => {
                    changed = true;
                    let known =
                        listing.failure.as_ref().is_some_and(|known| known.error.kind() == error.kind());
                    if !known {
                        tracing::warn!(
                            connection = %self.target.label,
                            "The models of this connection could not be listed. {error}"
                        );
                    }
                    listing.failure = Some(Failure::now(error));
                }
            }
        });
        changed
    }

    /// Ends the attempt that [`Self::begin`] allowed.
    pub(crate) fn end(&self) {
        self.listing.send_modify(|listing| listing.under_way = None);
    }

    /// Until when a request waits for the attempt that is under way; none when it need not wait.
    pub(crate) fn patience(&self, freshness: Freshness, options: &CatalogOptions) -> Option<Instant> {
        let listing = self.listing.borrow();
        let since = listing.under_way?;
        let grace = match (&listing.attempted, &listing.failure) {
            _ if freshness == Freshness::Renewed => options.first_grace,
            (None, _) => options.first_grace,
            // It failed before: others do not wait for it again.
            (_, Some(_)) => return None,
            _ => options.refresh_grace,
        };
        let until = since + grace;
        (until > Instant::now()).then_some(until)
    }
}

fn is_due(listing: &Listing, freshness: Freshness, options: &CatalogOptions) -> bool {
    if freshness == Freshness::Renewed {
        return true;
    }
    match (&listing.attempted, &listing.failure) {
        (None, _) => true,
        (Some((ended, ..)), Some(_)) => ended.elapsed() >= options.failed_retry,
        (Some((ended, ..)), None) => options.ttl.is_some_and(|ttl| ended.elapsed() >= ttl),
    }
}
