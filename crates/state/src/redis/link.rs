//! The handle through which everything else talks to Redis, in any topology.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::backoff::Backoff;
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::options::RedisOptions;
use super::reply::{Code, error_of};
use super::request::{Batch, Repeat, Request};
use super::route::Route;
use super::script::Script;
use super::supervisor::Supervisor;

/// Calls that may be under way or waiting at the same time.
pub const MAX_CALLS: usize = 10_000;
/// Redirections that one call follows.
const MAX_REDIRECTIONS: u32 = 16;

/// A way to Redis. Cloning it is cheap; all clones share the same connections.
#[derive(Clone, Debug)]
pub struct Redis {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    route: Route,
    limits: Limits,
    calls: Semaphore,
    totals: Arc<Totals>,
}

/// The bounds of calls.
#[derive(Clone, Copy, Debug)]
struct Limits {
    command_timeout: Duration,
    retries: u32,
    reconnect_delay: Option<Duration>,
}

/// Counts for metrics, since the start.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) failed: AtomicU64,
    pub(crate) repeated: AtomicU64,
}

/// One call on its way: what it was through already.
struct Attempt {
    deadline: Instant,
    sent_again: u32,
    redirections: u32,
    backoff: Backoff,
    /// The connection that turned out bad.
    bad: Option<(Endpoint, u64)>,
    /// The server that a redirection names, and whether only for this once.
    redirected: Option<(Endpoint, bool)>,
}

/// What to do after an attempt.
enum Next {
    /// It is over.
    Done(Result<Value>),
    /// Once more, after a pause.
    Again(RedisError),
    /// Once more at once, where a redirection says.
    Redirected,
}

impl Redis {
    pub(crate) fn new(route: Route, options: &RedisOptions) -> Self {
        let limits = Limits {
            command_timeout: options.command_timeout,
            retries: options.retries,
            reconnect_delay: options.reconnect_delay,
        };
        let calls = Semaphore::new(MAX_CALLS);
        Self { inner: Arc::new(Inner { route, limits, calls, totals: Arc::default() }) }
    }

    /// Carries out one command, within `REDIS_SOCKET_TIMEOUT` altogether.
    ///
    /// It waits for a connection, is repeated in a failover as `repeat` allows, and follows redirections of a cluster.
    pub async fn command<T: FromRedisValue>(&self, repeat: Repeat, command: Cmd) -> Result<T> {
        convert(self.call(repeat, &Request::single(command), self.deadline()).await?)
    }

    /// Carries out a batch; `T` is a tuple or a list of the replies. The first error reply is the error of all.
    pub async fn batch<T: FromRedisValue>(&self, repeat: Repeat, batch: Batch) -> Result<T> {
        convert(self.call(repeat, &Request::batch(batch), self.deadline()).await?)
    }

    /// Carries out a script with these keys and arguments: by its hash, and with its text when the server does not know it.
    pub async fn script<T: FromRedisValue>(
        &self,
        repeat: Repeat,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T> {
        let deadline = self.deadline();
        let known = Request::single(script.by_hash(keys, arguments));
        match self.call(repeat, &known, deadline).await {
            Err(RedisError::Reply { code: Code::NoScript, .. }) => {
                let whole = Request::single(script.by_text(keys, arguments));
                convert(self.call(repeat, &whole, deadline).await?)
            }
            result => convert(result?),
        }
    }

    /// Publishes a message, and says how many subscribers of the server it went through got it. In a cluster any node
    /// serves.
    pub async fn publish(&self, repeat: Repeat, channel: &str, payload: &[u8]) -> Result<u64> {
        self.command(repeat, redis::cmd("PUBLISH").arg(channel).arg(payload).take()).await
    }

    /// Whether commands are served now: the connection is up, or in a cluster that of every master.
    pub fn is_up(&self) -> bool {
        self.fault().is_none()
    }

    /// Why not all commands are served, if so.
    pub fn fault(&self) -> Option<RedisError> {
        self.inner.route.fault()
    }

    pub(crate) fn route(&self) -> &Route {
        &self.inner.route
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.inner.totals
    }

    /// When a call that begins now has to end.
    fn deadline(&self) -> Instant {
        Instant::now() + self.inner.limits.command_timeout
    }

    async fn call(&self, repeat: Repeat, request: &Request, deadline: Instant) -> Result<Value> {
        let result = self.bounded(repeat, request, deadline).await;
        // A script that the server does not know yet is no failure.
        if result
            .as_ref()
            .is_err_and(|error| !matches!(error, RedisError::Reply { code: Code::NoScript, .. }))
        {
            self.inner.totals.failed.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    async fn bounded(&self, repeat: Repeat, request: &Request, deadline: Instant) -> Result<Value> {
        let _permit =
            self.inner.calls.try_acquire().map_err(|_| RedisError::Overloaded { limit: MAX_CALLS })?;
        let slot = if self.inner.route.is_cluster() { request.slot()? } else { None };
        let mut attempt = Attempt {
            deadline,
            sent_again: 0,
            redirections: 0,
            backoff: Backoff::new(),
            bad: None,
            redirected: None,
        };
        loop {
            let (supervisor, asking) = match attempt.redirected.take() {
                Some((endpoint, asking)) => (self.inner.route.node(&endpoint)?, asking),
                None => (self.inner.route.owner(slot, request.near(), attempt.deadline).await?, false),
            };
            let next = self.attempt(&supervisor, repeat, request, asking, &mut attempt).await;
            if let Some(result) = self.settle(next, &supervisor, &mut attempt).await {
                return result;
            }
        }
    }

    /// Gives the result if there is one, or waits before the next attempt.
    async fn settle(
        &self,
        next: Next,
        supervisor: &Supervisor,
        attempt: &mut Attempt,
    ) -> Option<Result<Value>> {
        match next {
            Next::Done(result) => Some(result),
            Next::Redirected => None,
            Next::Again(error) => {
                self.inner.totals.repeated.fetch_add(1, Ordering::Relaxed);
                let pause = self.inner.limits.reconnect_delay.unwrap_or_else(|| attempt.backoff.pause());
                if Instant::now() + pause >= attempt.deadline {
                    return Some(Err(error));
                }
                // A new connection ends the pause, for then there is something new to try.
                let mut state = supervisor.state();
                state.mark_unchanged();
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = state.wait_for(|state| is_newer(state, attempt.bad.as_ref())) => {}
                }
                None
            }
        }
    }

    async fn attempt(
        &self,
        supervisor: &Supervisor,
        repeat: Repeat,
        request: &Request,
        asking: bool,
        attempt: &mut Attempt,
    ) -> Next {
        let bad =
            attempt.bad.as_ref().filter(|(endpoint, _)| Some(endpoint) == supervisor.destination().as_ref());
        let connection =
            match supervisor.connection(attempt.deadline, bad.map(|(_, generation)| *generation)).await {
                Ok(connection) => connection,
                // In a cluster the slot may get another owner meanwhile.
                Err(error) if self.inner.route.is_cluster() && Instant::now() < attempt.deadline => {
                    self.inner.route.refresh();
                    return if error.needs_operator() { Next::Done(Err(error)) } else { Next::Again(error) };
                }
                Err(error) => return Next::Done(Err(error)),
            };
        let sent = match asking.then(|| request.asking()).flatten() {
            Some(request) => timeout_at(attempt.deadline, connection.send(&request)).await.map(|replies| {
                // Every other reply is that to an ASKING.
                replies.map(|replies| replies.into_iter().skip(1).step_by(2).collect())
            }),
            None => timeout_at(attempt.deadline, connection.send(request)).await,
        };
        let replies = match sent {
            Ok(Ok(replies)) => replies,
            Ok(Err(error)) => return self.broken(&connection, supervisor, error, repeat, attempt),
            Err(_) => {
                return Next::Done(Err(RedisError::Timeout { limit: self.inner.limits.command_timeout }));
            }
        };
        match first_error(&replies, &connection.endpoint) {
            None => Next::Done(Ok(request.result(replies))),
            Some(RedisError::Reply { code: Code::Ask, text, endpoint }) if request.asking().is_none() => {
                // A transaction cannot follow; it waits until the slot has moved altogether.
                Next::Again(RedisError::Reply { code: Code::Ask, text, endpoint })
            }
            Some(error) => self.refused(&connection, supervisor, error, &replies, repeat, attempt),
        }
    }

    /// The connection broke under a request.
    fn broken(
        &self,
        connection: &Arc<Connection>,
        supervisor: &Supervisor,
        error: RedisError,
        repeat: Repeat,
        attempt: &mut Attempt,
    ) -> Next {
        supervisor.report(connection.generation, error.clone());
        self.inner.route.refresh();
        attempt.bad = Some((connection.endpoint.clone(), connection.generation));
        if repeat == Repeat::Once {
            return Next::Done(Err(RedisError::FateUnknown));
        }
        if attempt.sent_again >= self.inner.limits.retries {
            return Next::Done(Err(error));
        }
        attempt.sent_again += 1;
        Next::Again(error)
    }

    /// The server answered with an error.
    fn refused(
        &self,
        connection: &Arc<Connection>,
        supervisor: &Supervisor,
        error: RedisError,
        replies: &[Value],
        repeat: Repeat,
        attempt: &mut Attempt,
    ) -> Next {
        let RedisError::Reply { code, text, .. } = &error else { return Next::Done(Err(error)) };
        // A batch of which a part was carried out must not be repeated by somebody who wants it once.
        let untouched = replies.iter().all(|reply| error_of(reply, &connection.endpoint).is_some());
        if repeat == Repeat::Once && !untouched && replies.len() > 1 && !is_transaction_refusal(replies) {
            return Next::Done(Err(error));
        }
        match code {
            Code::Moved | Code::Ask if self.inner.route.is_cluster() => {
                let target = text.split_ascii_whitespace().nth(1);
                let Some(target) = target.and_then(|target| Endpoint::parse(target, &connection.endpoint))
                else {
                    return Next::Done(Err(error));
                };
                attempt.redirections += 1;
                if attempt.redirections > MAX_REDIRECTIONS {
                    return Next::Done(Err(error));
                }
                if *code == Code::Moved {
                    self.inner.route.refresh();
                }
                attempt.redirected = Some((target, *code == Code::Ask));
                Next::Redirected
            }
            code if code.passes() => {
                if error.breaks_connection() {
                    supervisor.report(connection.generation, error.clone());
                    attempt.bad = Some((connection.endpoint.clone(), connection.generation));
                }
                self.inner.route.refresh();
                Next::Again(error)
            }
            _ => {
                if error.breaks_connection() {
                    supervisor.report(connection.generation, error.clone());
                }
                Next::Done(Err(error))
            }
        }
    }
}

fn is_newer(state: &super::supervisor::State, bad: Option<&(Endpoint, u64)>) -> bool {
    match (state, bad) {
        (super::supervisor::State::Up(connection), Some((endpoint, generation))) => {
            connection.endpoint != *endpoint || connection.generation > *generation
        }
        _ => false,
    }
}

/// The first error among replies. `EXECABORT` only says that another reply is an error, so that one is preferred.
fn first_error(replies: &[Value], endpoint: &Endpoint) -> Option<RedisError> {
    replies.iter().find_map(|reply| error_of(reply, endpoint))
}

/// Whether a transaction was refused as a whole: `EXEC` comes last and is an error then.
fn is_transaction_refusal(replies: &[Value]) -> bool {
    matches!(replies.last(), Some(Value::ServerError(error)) if error.code() == "EXECABORT")
}

fn convert<T: FromRedisValue>(value: Value) -> Result<T> {
    T::from_redis_value(value).map_err(|error| RedisError::Form { reason: error.to_string().into() })
}
