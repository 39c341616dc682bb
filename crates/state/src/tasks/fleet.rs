//! Tasks in Redis: each node writes its own, and reads and stops those of others.
//!
//! Keys, at the main servers, in a cluster in one slot:
//!
//! | key | type | content | lifetime |
//! |---|---|---|---|
//! | `{prefix}:tasks` | hash | task id → item id | a field goes with its task; those of dead nodes are swept |
//! | `{prefix}:tasks:{id}` | string | `1` | `REDIS_TASK_TTL` |
//! | `{prefix}:tasks:item:{item}` | set | task ids | [`NODE_TTL`] × 2, renewed |
//! | `{prefix}:antiphon:tasks` | hash | task id → `{"user","node"}` | as `tasks` |
//! | `{prefix}:antiphon:tasks:node:{node}` | string | `1` | [`NODE_TTL`], renewed while the node has tasks |
//! | `{prefix}:antiphon:tasks:stop:{id}` | string | `1`: the task is to stop | [`STOP_TTL`] |
//!
//! Channel `{prefix}:tasks:commands`: `{"action":"stop","task_id":…}`. Writing never delays a task: it is queued, sent in order, and
//! all of a node's own tasks are written again every [`RENEWAL`], so that a loss of Redis is made good.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Registry, Task, Tasks};
use crate::exchange::{Exchange, Listener};
use crate::redis::{Batch, Cmd, RedisError, Repeat, Result, cmd};

/// How often a node writes its tasks again.
const RENEWAL: Duration = Duration::from_secs(5);

/// How long a node counts as alive after it wrote, in seconds.
const NODE_TTL: u64 = 15;

/// How long the wish to stop a task is kept, in seconds: longer than any break that people wait for.
const STOP_TTL: u64 = 3600;

/// Longest wait for an answer about tasks of other nodes; without one, those of this node are all that is known.
const QUESTION: Duration = Duration::from_secs(1);

/// Writings that wait. Past it they are left to the next renewal.
const QUEUE: usize = 4096;

/// Writings that one round trip takes at most.
const AT_ONCE: usize = 256;

/// Ended tasks whose keys could not be removed that are remembered; the keys of others run out.
const MAX_OWED: usize = 10_000;

/// Renewals between two sweeps of what dead nodes left.
const SWEEP_EVERY: u32 = 12;

/// The action of [`Command`] that everybody knows.
const STOP: &str = "stop";

/// Values in the order in which they were asked for.
type Found = Vec<Option<String>>;

/// What is written.
#[derive(Debug)]
pub(super) enum Writing {
    Began(Task),
    Ended(Task),
}

#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    user: String,
    node: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Command {
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

/// The tasks of all nodes.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    exchange: Exchange,
    writings: mpsc::Sender<Writing>,
}

impl Fleet {
    /// Begins to write and to listen for this registry.
    pub(super) async fn start(
        exchange: Exchange,
        ttl: Option<Duration>,
        registry: &Arc<Mutex<Registry>>,
    ) -> Self {
        let (writings, waiting) = mpsc::channel(QUEUE);
        let missed = Arc::new(Notify::new());
        let ear = Ear { registry: Arc::downgrade(registry), missed: missed.clone() };
        exchange.listen(&exchange.channel("tasks:commands"), Arc::new(ear)).await;
        let writer =
            Writer { exchange: exchange.clone(), ttl, registry: Arc::downgrade(registry), owed: Vec::new() };
        tokio::spawn(writer.run(waiting, missed));
        Self { exchange, writings }
    }

    /// Queues a writing.
    pub(super) fn write(&self, writing: Writing) {
        // A full queue is no loss: everything is written again with the next renewal, or runs out.
        let _ = self.writings.try_send(writing);
    }

    /// Whether other nodes can be asked now.
    pub(super) fn is_reachable(&self) -> bool {
        self.exchange.connections().is_ok_and(|connections| connections.main().is_up())
    }

    /// All tasks.
    pub(super) async fn all(&self) -> Vec<Task> {
        let ids = async {
            let ids: Vec<String> = self.command(cmd("HKEYS").arg(self.exchange.key("tasks")).take()).await?;
            self.alive(ids).await
        };
        self.answered(ids).await
    }

    /// The tasks of an item.
    pub(super) async fn of_item(&self, item_id: &str) -> Vec<Task> {
        let key = self.exchange.key(&format!("tasks:item:{item_id}"));
        let ids = async {
            let ids: Vec<String> = self.command(cmd("SMEMBERS").arg(key).take()).await?;
            self.alive(ids).await
        };
        self.answered(ids).await
    }

    /// One task.
    pub(super) async fn task(&self, task_id: &str) -> Option<Task> {
        self.answered(self.alive(vec![task_id.to_owned()])).await.pop()
    }

    /// Which of these items have tasks: `true` in their places.
    pub(super) async fn busy(&self, item_ids: &[&str]) -> Vec<bool> {
        if item_ids.is_empty() {
            return Vec::new();
        }
        let ask = |batch: Batch, id: &&str| {
            batch.with(cmd("EXISTS").arg(self.exchange.key(&format!("tasks:item:{id}"))).take())
        };
        self.answered(self.batch(item_ids.iter().fold(Batch::new(), ask))).await
    }

    /// Has whoever runs a task stop it: a mark for an owner that cannot be reached now, and a message for one that can.
    pub(super) async fn stop(&self, task: &Task) {
        let mark = self.exchange.key(&format!("antiphon:tasks:stop:{}", task.task_id));
        let set = cmd("SET").arg(mark).arg("1").arg("EX").arg(STOP_TTL).take();
        let gone = self.ended(Batch::new().with(set), task);
        if let Err(error) = self.batch::<()>(gone).await {
            tracing::warn!(
                task_id = &*task.task_id,
                %error,
                "The wish to stop a task of another node could not be written to Redis; stop it again when Redis is back."
            );
        }
        let command =
            Command { action: STOP.to_owned(), task_id: Some(task.task_id.to_string()), user_id: None };
        self.publish(&command).await;
    }

    /// Has every node stop the tasks of a user.
    pub(super) async fn stop_user(&self, user_id: &str) {
        let command =
            Command { action: "stop_user".to_owned(), task_id: None, user_id: Some(user_id.to_owned()) };
        self.publish(&command).await;
    }

    async fn publish(&self, command: &Command) {
        let payload = serde_json::to_vec(command).unwrap_or_default();
        let channel = self.exchange.channel("tasks:commands");
        if let Err(error) = self.exchange.publish(&channel, &payload).await {
            tracing::debug!(%error, "a command to stop was not published; its mark is found later");
        }
    }

    /// Those of these tasks that have a living owner.
    async fn alive(&self, ids: Vec<String>) -> Result<Vec<Task>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch::new()
            .with(cmd("HMGET").arg(self.exchange.key("tasks")).arg(&ids).take())
            .with(cmd("HMGET").arg(self.exchange.key("antiphon:tasks")).arg(&ids).take());
        let marks = ids.iter().map(|id| self.exchange.key(&format!("tasks:{id}")));
        batch = batch.with(cmd("MGET").arg(marks.collect::<Vec<_>>()).take());
        let [items, owners, marks] = self.batch::<[Found; 3]>(batch).await?;
        let owners: Vec<Option<Owner>> =
            owners.iter().map(|owner| serde_json::from_str(owner.as_deref()?).ok()).collect();
        let nodes = self.living(owners.iter().flatten().map(|owner| owner.node.as_str())).await?;
        let tasks = ids.into_iter().zip(items).zip(owners.into_iter().zip(marks));
        Ok(tasks
            .filter_map(|((id, item), (owner, mark))| {
                mark?;
                // A task of the reference's has no owner here, and its mark is all there is.
                let lives = owner.as_ref().is_none_or(|owner| nodes.get(&owner.node) == Some(&true));
                let user_id = owner.map(|owner| owner.user).unwrap_or_default().into();
                lives.then_some(Task { task_id: id.into(), item_id: item?.into(), user_id })
            })
            .collect())
    }

    /// Which nodes live.
    async fn living<'a>(&self, nodes: impl Iterator<Item = &'a str>) -> Result<HashMap<String, bool>> {
        let mut nodes: Vec<String> = nodes.map(str::to_owned).collect();
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<String> = nodes.iter().map(|node| node_key(&self.exchange, node)).collect();
        let marks: Vec<Option<String>> = self.command(cmd("MGET").arg(keys).take()).await?;
        Ok(nodes.into_iter().zip(marks.into_iter().map(|mark| mark.is_some())).collect())
    }

    fn ended(&self, batch: Batch, task: &Task) -> Batch {
        remove(&self.exchange, batch, task)
    }

    async fn answered<T: Default>(&self, question: impl Future<Output = Result<T>>) -> T {
        match timeout(QUESTION, question).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(%error, "tasks of other nodes are not known now");
                T::default()
            }
            Err(_) => T::default(),
        }
    }

    async fn command<T: redis::FromRedisValue>(&self, command: Cmd) -> Result<T> {
        self.exchange.connections()?.main().command(Repeat::Idempotent, command).await
    }

    async fn batch<T: redis::FromRedisValue>(&self, batch: Batch) -> Result<T> {
        self.exchange.connections()?.main().batch(Repeat::Idempotent, batch).await
    }
}

fn node_key(exchange: &Exchange, node: &str) -> String {
    exchange.key(&format!("antiphon:tasks:node:{node}"))
}

/// Removes the keys of a task.
fn remove(exchange: &Exchange, batch: Batch, task: &Task) -> Batch {
    let id = &*task.task_id;
    batch
        .with(cmd("HDEL").arg(exchange.key("tasks")).arg(id).take())
        .with(cmd("HDEL").arg(exchange.key("antiphon:tasks")).arg(id).take())
        .with(cmd("DEL").arg(exchange.key(&format!("tasks:{id}"))).take())
        .with(cmd("SREM").arg(exchange.key(&format!("tasks:item:{}", task.item_id))).arg(id).take())
}

/// Hears commands of other nodes.
struct Ear {
    registry: Weak<Mutex<Registry>>,
    missed: Arc<Notify>,
}

impl Listener for Ear {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(registry) = self.registry.upgrade() else { return };
        match serde_json::from_slice::<Command>(payload) {
            Ok(Command { action, task_id: Some(task_id), .. }) if action == STOP => {
                Tasks::stop_in(&registry, |_| vec![task_id.as_str().into()]);
            }
            Ok(Command { action, user_id: Some(user_id), .. }) if action == "stop_user" => {
                Tasks::stop_in(&registry, |registry| registry.ids_of_user(&user_id));
            }
            _ => tracing::debug!(channel, "a message that is no command for tasks was left out"),
        }
    }

    fn resumed(&self, _gap: Duration) {
        self.missed.notify_one();
    }
}

/// Writes a node's own tasks.
struct Writer {
    exchange: Exchange,
    ttl: Option<Duration>,
    registry: Weak<Mutex<Registry>>,
    /// Ended tasks whose keys are still there.
    owed: Vec<Task>,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Writing>, missed: Arc<Notify>) {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewals = 0;
        let mut next = Vec::with_capacity(AT_ONCE);
        loop {
            let result = tokio::select! {
                count = waiting.recv_many(&mut next, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    self.write(next.drain(..)).await
                }
                () = missed.notified() => self.renew(true).await,
                _ = renewal.tick() => {
                    renewals += 1;
                    let renewed = self.renew(true).await;
                    if renewed.is_ok() && renewals % SWEEP_EVERY == 0 {
                        self.sweep().await
                    } else {
                        renewed
                    }
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "tasks could not be written; they are written again within five seconds");
            }
        }
    }

    async fn write(&mut self, writings: impl Iterator<Item = Writing>) -> Result<()> {
        let (mut batch, mut ended) = (Batch::new(), Vec::new());
        for writing in writings {
            batch = match writing {
                Writing::Began(task) => self.add(batch, &task),
                Writing::Ended(task) => {
                    let mark = self.exchange.key(&format!("antiphon:tasks:stop:{}", task.task_id));
                    let removed = remove(&self.exchange, batch, &task).with(cmd("DEL").arg(mark).take());
                    ended.push(task);
                    removed
                }
            };
        }
        let written = self.send(batch).await;
        if written.is_err() {
            let room = MAX_OWED.saturating_sub(self.owed.len());
            self.owed.extend(ended.into_iter().take(room));
        }
        written
    }

    /// Writes all own tasks again, and stops those that were marked meanwhile.
    async fn renew(&mut self, marks: bool) -> Result<()> {
        let Some(registry) = self.registry.upgrade() else { return Ok(()) };
        let tasks: Vec<Task> = registry.lock().tasks.values().map(|(task, _)| task.clone()).collect();
        if tasks.is_empty() && self.owed.is_empty() {
            return Ok(());
        }
        if marks && !tasks.is_empty() {
            let keys =
                tasks.iter().map(|task| self.exchange.key(&format!("antiphon:tasks:stop:{}", task.task_id)));
            let wishes = cmd("MGET").arg(keys.collect::<Vec<_>>()).take();
            let marked: Vec<Option<String>> =
                self.exchange.connections()?.main().command(Repeat::Idempotent, wishes).await?;
            let stopped = tasks.iter().zip(marked).filter(|(_, mark)| mark.is_some());
            let stopped: Vec<Arc<str>> = stopped.map(|(task, _)| task.task_id.clone()).collect();
            if !stopped.is_empty() {
                Tasks::stop_in(&registry, |_| stopped);
            }
        }
        let living: Vec<Task> = registry.lock().tasks.values().map(|(task, _)| task.clone()).collect();
        let batch = self.owed.iter().fold(Batch::new(), |batch, task| remove(&self.exchange, batch, task));
        let batch = living.iter().fold(batch, |batch, task| self.add(batch, task));
        self.send(batch).await?;
        self.owed.clear();
        Ok(())
    }

    /// Removes the fields of tasks whose mark has run out.
    async fn sweep(&self) -> Result<()> {
        let connections = self.exchange.connections()?;
        let main = connections.main();
        let (tasks, owners) = (self.exchange.key("tasks"), self.exchange.key("antiphon:tasks"));
        let known: HashMap<String, String> =
            main.command(Repeat::Idempotent, cmd("HGETALL").arg(&tasks).take()).await?;
        if known.is_empty() {
            return Ok(());
        }
        let ids: Vec<&String> = known.keys().collect();
        let marks = ids.iter().map(|id| self.exchange.key(&format!("tasks:{id}"))).collect::<Vec<_>>();
        let marks: Vec<Option<String>> =
            main.command(Repeat::Idempotent, cmd("MGET").arg(marks).take()).await?;
        let dead: Vec<&String> =
            ids.into_iter().zip(marks).filter(|(_, mark)| mark.is_none()).map(|(id, _)| id).collect();
        if dead.is_empty() {
            return Ok(());
        }
        let batch = Batch::new()
            .with(cmd("HDEL").arg(tasks).arg(&dead).take())
            .with(cmd("HDEL").arg(owners).arg(&dead).take());
        main.batch::<()>(Repeat::Idempotent, batch).await
    }

    fn add(&self, batch: Batch, task: &Task) -> Batch {
        let id = &*task.task_id;
        let node = self.exchange.node_id().to_string();
        let owner = Owner { user: task.user_id.to_string(), node };
        let owner_text = serde_json::to_string(&owner).unwrap_or_default();
        let item = self.exchange.key(&format!("tasks:item:{}", task.item_id));
        let mut mark = cmd("SET").arg(self.exchange.key(&format!("tasks:{id}"))).arg("1").take();
        if let Some(ttl) = self.ttl {
            mark.arg("EX").arg(ttl.as_secs().max(1));
        }
        batch
            .with(cmd("HSET").arg(self.exchange.key("antiphon:tasks")).arg(id).arg(owner_text).take())
            .with(
                cmd("SET").arg(node_key(&self.exchange, &owner.node)).arg("1").arg("EX").arg(NODE_TTL).take(),
            )
            .with(cmd("HSET").arg(self.exchange.key("tasks")).arg(id).arg(&*task.item_id).take())
            .with(mark)
            .with(cmd("SADD").arg(&item).arg(id).take())
            .with(cmd("EXPIRE").arg(item).arg(2 * NODE_TTL).take())
    }

    async fn send(&self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let connections = self.exchange.connections()?;
        match connections.main().batch::<redis::Value>(Repeat::Idempotent, batch).await {
            Ok(_) => Ok(()),
            Err(error @ RedisError::Reply { .. }) => {
                tracing::warn!(
                    %error,
                    "Redis refused the tasks of this node, so that other nodes do not see them: {}",
                    error.remedy(connections.options().main.role.variables())
                );
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}
