//! The tasks of the fleet in Redis, at the main servers.
//!
//! ```text
//! {prefix}:tasks                          hash: task → item           ┐ as the reference has them; the first and the last
//! {prefix}:tasks:{task}                   string 1, REDIS_TASK_TTL    │ live as long as the lease of the task's node
//! {prefix}:tasks:item:{item}              set: tasks of an item       ┘
//! {prefix}:antiphon:tasks                 hash: task → {"item", "user", "node"}, lives as long
//! {prefix}:antiphon:node:{id}:tasks       set: the tasks of a node, lives as long
//! {prefix}:antiphon:tasks:{task}:stop     string 1 for an hour: the task is to stop, whenever its node reads this
//! {prefix}:antiphon:tasks                 channel: {"node", "put": {task: record}, "gone": [task]}
//! {prefix}:tasks:commands                 channel: {"action": "stop", "task_id"}, as the reference has it
//! ```
//!
//! The scripts make the names of a task's keys from its id. In a cluster all of them have the prefix as their tag, so they are
//! in the slot of the keys that the scripts are given.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Task;
use super::registry::{Place, Registry};
use crate::exchange::Exchange;
use crate::mirror::{Changes, Content, Names};
use crate::redis::{Repeat, Result, Script};

/// Tasks of a node that are removed at once.
const PORTION: usize = 200;
/// Time between two signs of life of tasks whose keys have no end.
const USUAL_LIFETIME: Duration = Duration::from_mins(5);

/// Takes a task out of every key; part of the scripts below.
pub(super) const REMOVE: &str = r"
local function remove(task)
  local item = redis.call('HGET', KEYS[3], task)
  redis.call('HDEL', KEYS[1], task)
  redis.call('HDEL', KEYS[3], task)
  redis.call('DEL', KEYS[3] .. ':' .. task)
  if item then redis.call('SREM', KEYS[3] .. ':item:' .. item, task) end
end
";

/// Writes tasks, but for those which are to stop, and gives the latter.
///
/// KEYS: tasks of Antiphon, set of the node, tasks of the reference. ARGV: lifetime in seconds or 0, number of tasks to put, these
/// with record and item, tasks that went.
const WRITE: &str = r"
local stopped = {}
local at = 3
for _ = 1, ARGV[2] do
  local task, item = ARGV[at], ARGV[at + 2]
  if redis.call('EXISTS', KEYS[1] .. ':' .. task .. ':stop') == 1 then
    stopped[#stopped + 1] = task
    redis.call('SREM', KEYS[2], task)
  else
    if ARGV[1] == '0' then
      redis.call('SET', KEYS[3] .. ':' .. task, '1')
    else
      redis.call('SET', KEYS[3] .. ':' .. task, '1', 'EX', ARGV[1])
    end
    redis.call('HSET', KEYS[3], task, item)
    redis.call('HSET', KEYS[1], task, ARGV[at + 1])
    redis.call('SADD', KEYS[2], task)
    if item ~= '' then redis.call('SADD', KEYS[3] .. ':item:' .. item, task) end
  end
  at = at + 3
end
for gone = at, #ARGV do
  remove(ARGV[gone])
  redis.call('SREM', KEYS[2], ARGV[gone])
end
return stopped
";

/// Removes a portion of a node's tasks and gives them.
///
/// KEYS: as above. ARGV: most tasks.
const CLEAN: &str = r"
local gone = redis.call('SPOP', KEYS[2], ARGV[1])
for _, task in ipairs(gone) do remove(task) end
return gone
";

/// A value of `{prefix}:antiphon:tasks`, JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    item: Arc<str>,
    user: Arc<str>,
    node: Arc<str>,
}

#[derive(Debug, Serialize)]
struct Gone<'a> {
    node: &'a str,
    gone: &'a [String],
}

/// The tasks as the content of a mirror.
pub(super) struct Running {
    registry: Arc<Mutex<Registry>>,
    exchange: Exchange,
    names: Names,
    /// The hash of the reference, and the start of its other keys.
    tasks: String,
    lifetime: Option<Duration>,
    /// When the last signs of life were given.
    beat: Mutex<Instant>,
    write: Script,
    clean: Script,
}

impl Running {
    pub(super) fn new(
        registry: Arc<Mutex<Registry>>,
        exchange: Exchange,
        lifetime: Option<Duration>,
    ) -> Self {
        Self {
            registry,
            names: Names::at_main(&exchange, "antiphon:tasks", "tasks", "tasks"),
            tasks: exchange.key("tasks"),
            exchange,
            lifetime,
            beat: Mutex::new(Instant::now()),
            write: Script::new(&format!("{REMOVE}{WRITE}")),
            clean: Script::new(&format!("{REMOVE}{CLEAN}")),
        }
    }

    pub(super) fn channel(&self) -> &str {
        self.names.channel()
    }

    /// Stops tasks of this node for which there is a mark.
    fn stop(&self, ids: &[String]) {
        for id in ids {
            let removed = self.registry.lock().remove(id);
            if let Some(Place::Here(token)) = removed {
                tracing::debug!(task_id = id, "a task is stopped by a mark in Redis");
                token.cancel();
            }
        }
    }
}

impl Content for Running {
    fn names(&self) -> &Names {
        &self.names
    }

    fn own(&self) -> Vec<Arc<str>> {
        self.registry.lock().here()
    }

    fn foreign(&self) -> Vec<Arc<str>> {
        self.registry.lock().foreign()
    }

    fn counts(&self) -> (usize, usize) {
        self.registry.lock().counts()
    }

    fn record(&self, id: &str) -> Option<Box<RawValue>> {
        let registry = self.registry.lock();
        let Task { item_id, user_id, .. } = registry.own_task(id)?;
        let node = self.exchange.node_id().clone();
        let record = Record { item: item_id.clone(), user: user_id.clone(), node };
        serde_json::value::to_raw_value(&record).ok()
    }

    fn put(&self, id: &str, record: &str) {
        let Ok(Record { item, user, node }) = serde_json::from_str(record) else { return };
        if node != *self.exchange.node_id() {
            let task = Task { task_id: id.into(), item_id: item, user_id: user };
            self.registry.lock().put_foreign(task);
        }
    }

    fn remove(&self, id: &str) {
        self.registry.lock().remove_foreign(id);
    }

    /// All own tasks, four times in the lifetime of their keys.
    fn touched(&self) -> Vec<Arc<str>> {
        let mut beat = self.beat.lock();
        if beat.elapsed() < self.lifetime.unwrap_or(USUAL_LIFETIME) / 4 {
            return Vec::new();
        }
        *beat = Instant::now();
        self.own()
    }

    async fn write(&self, changes: &Changes) -> Result<bool> {
        let node = self.exchange.node_id();
        let owned = self.names.owned_by(node);
        let lifetime = self.lifetime.map_or(0, |lifetime| lifetime.as_secs().max(1)).to_string();
        let count = changes.put.len().to_string();
        let items: Vec<Arc<str>> = {
            let registry = self.registry.lock();
            let item = |id: &str| registry.own_task(id).map(|task| task.item_id.clone());
            changes.put.iter().map(|(id, _)| item(id).unwrap_or_default()).collect()
        };
        let mut arguments: Vec<&[u8]> = vec![lifetime.as_bytes(), count.as_bytes()];
        for ((id, record), item) in changes.put.iter().zip(&items) {
            arguments.extend([id.as_bytes(), record.get().as_bytes(), item.as_bytes()]);
        }
        arguments.extend(changes.gone.iter().map(|id| id.as_bytes()));
        let keys = [self.names.table(), &owned, &self.tasks];
        let stopped: Vec<String> =
            self.exchange.script(Repeat::Idempotent, &self.write, &keys, &arguments).await?;
        self.stop(&stopped);
        let message = changes.message(node);
        if !message.is_empty() {
            self.exchange.publish(self.channel(), &message).await?;
        }
        if !stopped.is_empty() {
            // They may have been among those told of just now.
            let message = serde_json::to_vec(&Gone { node, gone: &stopped }).unwrap_or_default();
            self.exchange.publish(self.channel(), &message).await?;
        }
        Ok(false)
    }

    async fn clean(&self, node: &str, _own: bool) -> Result<bool> {
        let (owned, most) = (self.names.owned_by(node), PORTION.to_string());
        let keys = [self.names.table(), &owned, &self.tasks];
        let gone: Vec<String> =
            self.exchange.script(Repeat::Idempotent, &self.clean, &keys, &[most.as_bytes()]).await?;
        if gone.is_empty() {
            return Ok(true);
        }
        let message = serde_json::to_vec(&Gone { node, gone: &gone }).unwrap_or_default();
        self.exchange.publish(self.channel(), &message).await?;
        Ok(false)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("names", &self.names).finish_non_exhaustive()
    }
}
