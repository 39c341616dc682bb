//! One live connection: requests are pipelined over it, and a probe notices when the server has fallen silent.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo, Value};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::dial::{Dialled, Probe, check_role};
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::reply::Code;
use super::request::Request;
use super::stream::Heard;

/// A connection that was silent for this long is asked for a sign of life.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(500);
/// A server that gives no sign of life within this time is taken for dead.
pub(crate) const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// Requests that wait for the driver to write them; further ones wait for room.
const QUEUE: usize = 512;

/// Takes what the server pushes: messages of subscriptions. It must not block.
pub(crate) type Pushes = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection to one server. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    /// Number of this connection among those of its supervisor, rising.
    pub(crate) generation: u64,
    handle: MultiplexedConnection,
    probe: Probe,
    heard: Arc<Heard>,
    closed: CancellationToken,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl Connection {
    /// Takes over a dialled stream, which has signed in already.
    pub(crate) async fn new(dialled: Dialled, generation: u64, pushes: Option<Pushes>) -> Result<Self> {
        let Dialled { stream, endpoint, probe } = dialled;
        let heard = stream.heard();
        let mut config = AsyncConnectionConfig::new()
            // Bounds are set per call, with its own deadline.
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        if let Some(pushes) = pushes {
            config = config.set_push_sender(move |push| -> std::result::Result<(), Infallible> {
                pushes(push);
                Ok(())
            });
        }
        let (handle, driver) = MultiplexedConnection::new_with_config(&settings(), stream, config)
            .await
            .map_err(|error| io_fault(&error, &endpoint))?;
        let closed = CancellationToken::new();
        let ended = closed.clone();
        let driver = tokio::spawn(async move {
            let _ended = ended.drop_guard();
            driver.await;
        });
        Ok(Self { endpoint, generation, handle, probe, heard, closed, driver: Mutex::new(Some(driver)) })
    }

    /// Sends a request and gives the replies to its commands, error replies included. There is no limit of time but the
    /// probe's; an error means that the connection is gone and the fate of the request unknown.
    pub(crate) async fn send(&self, request: &Request) -> Result<Vec<Value>> {
        let mut handle = self.handle.clone();
        let replies = match request.commands() {
            [single] => handle.send_packed_command(single).await.map(|value| vec![value]),
            commands => {
                let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                handle.send_packed_commands(&pipeline, 0, commands.len()).await
            }
        };
        replies.map_err(|error| io_fault(&error, &self.endpoint))
    }

    /// Sends a single command; error replies are errors.
    pub(crate) async fn ask(&self, command: redis::Cmd) -> Result<Value> {
        let mut replies = self.send(&Request::single(command)).await?;
        super::reply::checked(replies.pop().unwrap_or_default(), &self.endpoint)
    }

    /// Subscribes to channels and waits until the server has confirmed all of them.
    pub(crate) async fn subscribe(&self, channels: &[Arc<str>]) -> Result<()> {
        let names: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
        self.handle.clone().subscribe(names).await.map_err(|error| self.fault(&error))
    }

    /// Ends subscriptions and waits until the server has confirmed it.
    pub(crate) async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<()> {
        let names: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
        self.handle.clone().unsubscribe(names).await.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &redis::RedisError) -> RedisError {
        if let Some(code) = error.code().filter(|_| !error.is_io_error()) {
            let line = format!("-{code} {}\r\n", error.detail().unwrap_or_default());
            if let Some(fault) = redis::parse_redis_value(line.as_bytes())
                .ok()
                .and_then(|value| super::reply::error_of(&value, &self.endpoint))
            {
                return fault;
            }
        }
        io_fault(error, &self.endpoint)
    }

    /// When the server was last heard from.
    pub(crate) fn last_heard(&self) -> std::time::Instant {
        self.heard.last()
    }

    /// Whether the server was heard from lately; probes see to it that a living one is.
    pub(crate) fn is_lively(&self) -> bool {
        !self.is_closed() && self.last_heard().elapsed() < PROBE_AFTER * 2
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Watches the connection until it is of no use any more, and says why.
    ///
    /// A server that was silent for [`PROBE_AFTER`] is asked; if then no byte comes for [`PROBE_LIMIT`], it is dead: frozen, or
    /// behind a network that swallows everything.
    pub(crate) async fn watch(&self) -> RedisError {
        let closed = || RedisError::Closed { endpoint: self.endpoint.clone() };
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return closed(),
                () = sleep_until(Instant::from_std(self.last_heard() + PROBE_AFTER)) => {}
            }
            let asked = Instant::now().into_std();
            if self.last_heard() + PROBE_AFTER > asked {
                continue;
            }
            tokio::select! {
                () = self.closed.cancelled() => return closed(),
                answer = timeout(PROBE_LIMIT, self.sign_of_life()) => match answer {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error,
                    // Other replies are signs of life too.
                    Err(_) if self.last_heard() > asked => {}
                    Err(_) => {
                        return RedisError::Silent { endpoint: self.endpoint.clone(), limit: PROBE_LIMIT };
                    }
                }
            }
        }
    }

    /// Asks for a sign of life, and for what else the server would say if it is of no use.
    async fn sign_of_life(&self) -> Result<()> {
        let command = match self.probe {
            Probe::Ping => "PING",
            Probe::Role => "ROLE",
        };
        match self.ask(redis::cmd(command)).await {
            Ok(role) if self.probe == Probe::Role => check_role(&role, &self.endpoint),
            Err(error @ RedisError::Reply { code: Code::Loading | Code::MasterDown | Code::NoAuth, .. }) => {
                Err(error)
            }
            Ok(_) | Err(RedisError::Reply { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Closes the connection and waits until the socket is gone; requests under way end with an error.
    pub(crate) async fn close(&self) {
        let driver = self.driver.lock().take();
        if let Some(driver) = driver {
            driver.abort();
            // An aborted task ends at its next turn, so this is short.
            let _ = driver.await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.lock().take() {
            driver.abort();
        }
    }
}

/// How the client library greets the server once more: RESP3, and nothing of what was done already.
fn settings() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name()
}

fn io_fault(error: &redis::RedisError, endpoint: &Endpoint) -> RedisError {
    if error.kind() == redis::ErrorKind::Parse {
        return RedisError::Protocol { endpoint: endpoint.clone(), reason: error.to_string().into() };
    }
    RedisError::Closed { endpoint: endpoint.clone() }
}
