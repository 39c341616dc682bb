//! Telling tasks of other nodes to stop, and hearing when one of this node is told.
//!
//! A stop is a mark in Redis and a message. Who hears the message stops the task at once; who was cut off meanwhile finds the mark
//! when it writes its tasks again, which it does after every gap. A stop that cannot be sent is sent when Redis is back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::fleet::{REMOVE, Running};
use super::registry::{Place, Registry};
use crate::exchange::{Exchange, Listener};
use crate::membership::Part;
use crate::mirror::Mirror;
use crate::redis::{Repeat, Result, Script, cmd};

/// How long the caller waits until a stop is sent; it is sent beside it after that.
const SENT_WITHIN: Duration = Duration::from_millis(250);
/// Lifetime of the mark, and time after which a stop that could not be sent is given up.
const LIFETIME: Duration = Duration::from_hours(1);
/// Stops that wait; the oldest of more is given up.
const MAX_WAITING: usize = 10_000;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Marks a task as to be stopped, takes it off the lists and says so.
///
/// KEYS: tasks of Antiphon, not used, tasks of the reference. ARGV: task, lifetime of the mark in seconds, channel, message.
const STOP: &str = r"
redis.call('SET', KEYS[1] .. ':' .. ARGV[1] .. ':stop', '1', 'EX', ARGV[2])
remove(ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
";

/// A message on `{prefix}:tasks:commands`.
#[derive(Debug, Serialize, Deserialize)]
struct Command {
    action: String,
    task_id: Arc<str>,
}

/// Tells other nodes to stop tasks.
pub(super) struct Stops {
    registry: Arc<Mutex<Registry>>,
    exchange: Exchange,
    channel: String,
    table: String,
    tasks: String,
    waiting: Mutex<VecDeque<(Arc<str>, Instant)>>,
    wake: Notify,
    script: Script,
}

impl Stops {
    pub(super) fn new(registry: Arc<Mutex<Registry>>, exchange: Exchange) -> Self {
        Self {
            registry,
            channel: exchange.channel("tasks:commands"),
            table: exchange.key("antiphon:tasks"),
            tasks: exchange.key("tasks"),
            exchange,
            waiting: Mutex::default(),
            wake: Notify::new(),
            script: Script::new(&format!("{REMOVE}{STOP}")),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Whether a task runs somewhere, by what Redis says within a quarter of a second.
    pub(super) async fn is_known(&self, task_id: &str) -> bool {
        let asked = async {
            let ask = cmd("HEXISTS").arg(&self.tasks).arg(task_id).take();
            self.exchange.connections()?.main().command::<bool>(Repeat::Idempotent, ask).await
        };
        matches!(timeout(SENT_WITHIN, asked).await, Ok(Ok(true)))
    }

    /// Sends stops, if that is possible at once, and otherwise later.
    pub(super) async fn send(&self, ids: &[Arc<str>]) {
        self.registry.lock().set_stopping(ids, true);
        let given_up = self.enqueue(ids);
        if !given_up.is_empty() {
            self.give_up(&given_up);
        }
        if self.exchange.connections().is_ok_and(|connections| connections.main().is_up()) {
            // Whatever is cut off here stays first in the queue: sending twice is as good as once.
            let _ = timeout(SENT_WITHIN, self.send_waiting()).await;
        }
        self.wake.notify_one();
    }

    /// Queues stops and gives those for which there is no room.
    fn enqueue(&self, ids: &[Arc<str>]) -> Vec<Arc<str>> {
        let mut waiting = self.waiting.lock();
        waiting.extend(ids.iter().map(|id| (id.clone(), Instant::now())));
        let excess = waiting.len().saturating_sub(MAX_WAITING);
        waiting.drain(..excess).map(|(id, _)| id).collect()
    }

    async fn send_waiting(&self) -> Result<()> {
        loop {
            let Some((id, since)) = self.waiting.lock().front().cloned() else { return Ok(()) };
            if since.elapsed() < LIFETIME {
                self.send_one(&id).await?;
                self.registry.lock().set_stopping(std::slice::from_ref(&id), false);
            } else {
                self.give_up(std::slice::from_ref(&id));
            }
            let mut waiting = self.waiting.lock();
            if waiting.front().is_some_and(|(first, at)| *first == id && *at == since) {
                waiting.pop_front();
            }
        }
    }

    async fn send_one(&self, id: &Arc<str>) -> Result<()> {
        let command = Command { action: "stop".to_owned(), task_id: id.clone() };
        let message = serde_json::to_vec(&command).unwrap_or_default();
        let lifetime = LIFETIME.as_secs().to_string();
        let keys = [self.table.as_str(), &self.table, &self.tasks];
        let arguments = [id.as_bytes(), lifetime.as_bytes(), self.channel.as_bytes(), &message];
        self.exchange.script::<()>(Repeat::Idempotent, &self.script, &keys, &arguments).await?;
        if !self.exchange.connections()?.options().shared() {
            // The nodes listen at the servers of the sockets.
            self.exchange.publish(&self.channel, &message).await?;
        }
        Ok(())
    }

    fn give_up(&self, ids: &[Arc<str>]) {
        self.registry.lock().set_stopping(ids, false);
        tracing::warn!(
            number = ids.len(),
            "tasks of other nodes could not be told to stop, because Redis was away for too long or too many were to be told; \
             they end by themselves. The lines about the links to Redis say what is wrong."
        );
    }
}

impl Part for Stops {
    fn run(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                self.wake.notified().await;
                while let Err(error) = self.send_waiting().await {
                    tracing::debug!(%error, "stops of tasks wait until Redis takes them");
                    sleep(PAUSE).await;
                }
            }
        })
    }
}

/// Hears the commands of other nodes.
pub(super) struct Commands {
    registry: Weak<Mutex<Registry>>,
    mirror: Weak<Mirror<Running>>,
}

impl Commands {
    pub(super) fn new(registry: &Arc<Mutex<Registry>>, mirror: &Arc<Mirror<Running>>) -> Self {
        Self { registry: Arc::downgrade(registry), mirror: Arc::downgrade(mirror) }
    }
}

impl Listener for Commands {
    fn message(&self, channel: &str, payload: &[u8]) {
        let (Some(registry), Some(mirror)) = (self.registry.upgrade(), self.mirror.upgrade()) else { return };
        let Ok(Command { action, task_id }) = serde_json::from_slice(payload) else {
            tracing::debug!(channel, "a message that is no command was left out");
            return;
        };
        if action != "stop" {
            return;
        }
        let removed = registry.lock().remove(&task_id);
        if let Some(Place::Here(token)) = removed {
            token.cancel();
            mirror.note(&task_id, true);
        }
    }

    /// Marks are read when the tasks are written again; see [`super::fleet`].
    fn resumed(&self, _gap: Duration) {}
}

impl fmt::Debug for Stops {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stops").field("channel", &self.channel).finish_non_exhaustive()
    }
}
