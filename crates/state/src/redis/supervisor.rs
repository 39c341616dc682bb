//! Keeps one connection up: makes it, watches it, drops it at the first sign of death and makes the next.
//!
//! The old connection is always closed before the next is made, so there is never more than one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_telemetry::RateLimited;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connection::{Connection, Pushes};
use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::error::{RedisError, Result, Variables};

/// A connection that lasted this long was a good one: the next attempt begins with the shortest pause again.
const LASTED: Duration = Duration::from_secs(2);
/// Calls fail at once when the connection has been away for this long, so that requests are not slowed for minutes.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Faults that wait to be looked at.
const FAULTS: usize = 16;
/// A lasting fault is told again after this time.
const TELL_AGAIN: Duration = Duration::from_mins(1);
/// Kinds of faults that are told apart for that.
const TOLD_KINDS: usize = 32;

/// Where the connection is to go to, or why that is not known.
pub(crate) type Destination = Result<Endpoint>;

/// What there is of the connection.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// None, since then and for this reason.
    Down {
        /// Since when.
        since: Instant,
        /// Why.
        fault: RedisError,
    },
    /// This one.
    Up(Arc<Connection>),
}

/// What a supervisor tells others by.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// Such as `main`, `sockets` or `subscription`.
    pub(crate) link: Arc<str>,
    /// Names of the variables for remedies.
    pub(crate) variables: Variables,
    /// Bumped at each change of state.
    pub(crate) changes: Arc<watch::Sender<u64>>,
}

impl Label {
    /// Tells everybody who watches the status that something has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}

/// Keeps one connection up. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Supervisor {
    state: watch::Receiver<State>,
    destinations: watch::Receiver<Destination>,
    faults: mpsc::Sender<(u64, RedisError)>,
    connects: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Begins to connect and returns at once.
    pub(crate) fn start(
        label: Label,
        dialer: Dialer,
        destinations: watch::Receiver<Destination>,
        pushes: Option<Pushes>,
    ) -> Self {
        let (sender, state) =
            watch::channel(State::Down { since: Instant::now(), fault: RedisError::NotYet });
        let (faults, told) = mpsc::channel(FAULTS);
        let stop = CancellationToken::new();
        let connects = Arc::new(AtomicU64::new(0));
        let work = Work {
            label,
            dialer,
            destinations: destinations.clone(),
            pushes,
            state: sender,
            faults: told,
            connects: connects.clone(),
            told: RateLimited::new(TELL_AGAIN, TOLD_KINDS),
        };
        let stopped = stop.clone();
        tokio::spawn(async move { work.run(stopped).await });
        Self { state, destinations, faults, connects, stop }
    }

    /// The state, to look at or to wait for changes of.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The connection, if it is up.
    pub(crate) fn current(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            State::Up(connection) if !connection.is_closed() => Some(connection.clone()),
            _ => None,
        }
    }

    /// Why there is no connection, if there is none.
    pub(crate) fn fault(&self) -> Option<RedisError> {
        match &*self.state.borrow() {
            State::Down { fault, .. } => Some(fault.clone()),
            State::Up(_) => None,
        }
    }

    /// Where the connection is or is to go to, if that is known.
    pub(crate) fn destination(&self) -> Option<Endpoint> {
        if let State::Up(connection) = &*self.state.borrow() {
            return Some(connection.endpoint.clone());
        }
        self.destinations.borrow().as_ref().ok().cloned()
    }

    /// How many connections were made so far.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    /// Says that a connection is of no use. It is dropped if it is still the current one.
    pub(crate) fn report(&self, generation: u64, fault: RedisError) {
        // When the queue is full, others have said so already.
        let _ = self.faults.try_send((generation, fault));
    }

    /// The connection, waiting for it until the deadline; one of a generation that is known to be bad is passed over.
    ///
    /// Fails at once when it has been away for longer than [`GRACE`], or for a reason that only the operator can end.
    pub(crate) async fn connection(&self, deadline: Instant, bad: Option<u64>) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        loop {
            let until = match &*state.borrow_and_update() {
                State::Up(connection) if Some(connection.generation) != bad && !connection.is_closed() => {
                    return Ok(connection.clone());
                }
                State::Up(_) => deadline,
                State::Down { since, fault } => {
                    let patience = *since + GRACE;
                    if fault.needs_operator() || Instant::now() >= patience.min(deadline) {
                        return Err(RedisError::Away { cause: Box::new(fault.clone()) });
                    }
                    patience.min(deadline)
                }
            };
            match tokio::time::timeout_at(until, state.changed()).await {
                Ok(Err(_)) => return Err(RedisError::ShutDown),
                Err(_) if Instant::now() >= deadline => {
                    let fault = match &*state.borrow() {
                        State::Down { fault, .. } => fault.clone(),
                        State::Up(connection) => RedisError::Closed { endpoint: connection.endpoint.clone() },
                    };
                    return Err(RedisError::Away { cause: Box::new(fault) });
                }
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The task of a supervisor.
struct Work {
    label: Label,
    dialer: Dialer,
    destinations: watch::Receiver<Destination>,
    pushes: Option<Pushes>,
    state: watch::Sender<State>,
    faults: mpsc::Receiver<(u64, RedisError)>,
    connects: Arc<AtomicU64>,
    told: RateLimited<std::mem::Discriminant<RedisError>>,
}

impl Work {
    async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.supervise() => {}
        }
        let last =
            self.state.send_replace(State::Down { since: Instant::now(), fault: RedisError::ShutDown });
        if let State::Up(connection) = last {
            connection.close().await;
        }
        self.label.changed();
    }

    /// Runs until whoever gives the destinations is gone.
    async fn supervise(&mut self) {
        let mut backoff = Backoff::new();
        let mut generation = 0;
        // The master that a replica at the destination has named.
        let mut detour = None;
        loop {
            let destination = self.destinations.borrow_and_update().clone();
            let endpoint = match destination {
                Ok(endpoint) => endpoint,
                Err(fault) => {
                    self.down(fault);
                    if self.destinations.changed().await.is_err() {
                        return;
                    }
                    backoff.reset();
                    continue;
                }
            };
            generation += 1;
            let on_detour = detour.is_some();
            let endpoint = detour.take().unwrap_or(endpoint);
            let opened = tokio::select! {
                changed = self.destinations.changed() => {
                    if changed.is_err() { return }
                    backoff.reset();
                    continue;
                }
                opened = open(&self.dialer, &endpoint, generation, self.pushes.clone()) => opened,
            };
            match opened {
                Ok(connection) => {
                    let begin = Instant::now();
                    let connection = Arc::new(connection);
                    self.up(connection.clone());
                    let Some(fault) = self.hold(&connection).await else { return };
                    detour = self.detour(&fault, on_detour);
                    self.down(fault);
                    connection.close().await;
                    if begin.elapsed() >= LASTED {
                        backoff.reset();
                    }
                }
                Err(fault) => {
                    detour = self.detour(&fault, on_detour);
                    self.down(fault);
                    if detour.is_some() {
                        continue;
                    }
                }
            }
            tokio::select! {
                () = sleep(backoff.pause()) => {}
                changed = self.destinations.changed() => {
                    if changed.is_err() { return }
                    detour = None;
                    backoff.reset();
                }
            }
        }
    }

    /// Where to try next when the server at the destination says that it follows another one: somebody has promoted that by
    /// hand. Whoever names the masters has the last word as soon as it names another.
    fn detour(&self, fault: &RedisError, on_detour: bool) -> Option<Endpoint> {
        let RedisError::Replica { endpoint, master: Some(master) } = fault else { return None };
        if on_detour || master == endpoint {
            return None;
        }
        tracing::warn!(
            link = &*self.label.link,
            "{endpoint} follows the master {master}, so that is tried. {}",
            fault.remedy(self.label.variables)
        );
        Some(master.clone())
    }

    /// Waits until the connection is of no use any more; `None` when the supervisor is to end.
    async fn hold(&mut self, connection: &Connection) -> Option<RedisError> {
        let watched = connection.watch();
        tokio::pin!(watched);
        loop {
            tokio::select! {
                fault = &mut watched => return Some(fault),
                told = self.faults.recv() => {
                    let (generation, fault) = told?;
                    if generation == connection.generation {
                        return Some(fault);
                    }
                }
                changed = self.destinations.changed() => {
                    changed.ok()?;
                    match &*self.destinations.borrow_and_update() {
                        // Whoever names the masters may be away for a while; a connection that works is kept.
                        Err(_) => {}
                        Ok(endpoint) if *endpoint == connection.endpoint => {}
                        Ok(_) => return Some(RedisError::Replaced { endpoint: connection.endpoint.clone() }),
                    }
                }
            }
        }
    }

    fn up(&self, connection: Arc<Connection>) {
        let endpoint = connection.endpoint.clone();
        let before = self.state.send_replace(State::Up(connection));
        let first = self.connects.fetch_add(1, Ordering::Relaxed) == 0;
        let link = &*self.label.link;
        if let State::Down { since, .. } = before {
            let seconds = since.elapsed().as_secs_f64();
            if first {
                tracing::info!(link, %endpoint, "Redis is connected.");
            } else {
                tracing::info!(link, %endpoint, "Redis is back after {seconds:.2} s.");
            }
        }
        self.label.changed();
    }

    fn down(&self, fault: RedisError) {
        let remedy = fault.remedy(self.label.variables);
        let link = &*self.label.link;
        let kind = std::mem::discriminant(&fault);
        let was_up = matches!(&*self.state.borrow(), State::Up(_));
        if was_up {
            tracing::warn!(link, "The connection to Redis is lost: {fault}. {remedy}");
            let _ = self.told.allow(kind);
        } else if !matches!(fault, RedisError::NotYet)
            && let Some(held_back) = self.told.allow(kind)
        {
            tracing::warn!(link, held_back, "Redis cannot be reached: {fault}. {remedy}");
        }
        self.state.send_modify(|state| match state {
            State::Down { fault: old, .. } => *old = fault,
            State::Up(_) => *state = State::Down { since: Instant::now(), fault },
        });
        self.label.changed();
    }
}

async fn open(
    dialer: &Dialer,
    endpoint: &Endpoint,
    generation: u64,
    pushes: Option<Pushes>,
) -> Result<Connection> {
    let limit = dialer.connect_timeout;
    let opening = async { Connection::new(dialer.dial(endpoint).await?, generation, pushes).await };
    timeout(limit, opening)
        .await
        .map_err(|_| RedisError::ConnectTimeout { endpoint: endpoint.clone(), limit })?
}
