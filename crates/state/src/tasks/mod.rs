//! Running tasks: which chat they work for, whose they are, and how to stop them.
//!
//! A task is in the registry from [`Tasks::start`] until its [`TaskGuard`] is dropped or it is told to stop; whoever
//! runs it watches the guard's token and ends. A stop takes the task off the lists at once and does not wait for it.
//!
//! In a fleet every node has the tasks of all in its memory, and a stop finds its task wherever it runs; see [`fleet`] for the
//! keys.

#![expect(clippy::unused_async, reason = "callers are ready for answers that come over the network")]

mod fleet;
mod registry;
mod stops;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Result;
use crate::membership::Membership;
use crate::mirror::{Ear, Mirror};
use fleet::Running;
use registry::{Place, Registry};
use stops::{Commands, Stops};

/// Most tasks one user may have running on a node (a reply, or the title, tags or follow-ups made after it).
pub const MAX_TASKS_PER_USER: usize = 512;

/// Most tasks a node may have running.
pub const MAX_TASKS: usize = 20_000;

/// Most tasks of other nodes; further ones are not listed.
pub const MAX_FOREIGN_TASKS: usize = 500_000;

/// One running task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// A fresh UUID.
    pub task_id: Arc<str>,
    /// What it works for: a chat id, a document id, or empty.
    pub item_id: Arc<str>,
    /// Whose it is.
    pub user_id: Arc<str>,
}

/// The registry of running tasks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    registry: Arc<Mutex<Registry>>,
    shared: Option<Shared>,
}

/// What a fleet adds.
#[derive(Clone, Debug)]
struct Shared {
    mirror: Arc<Mirror<Running>>,
    stops: Arc<Stops>,
}

/// Keeps a task in the registry; dropping it takes the task out.
#[derive(Debug)]
pub struct TaskGuard {
    task: Task,
    cancellation: CancellationToken,
    tasks: Tasks,
}

impl Tasks {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry that is shared with the other nodes while the membership runs. `lifetime` is that of a task's key without a
    /// sign of its node (`REDIS_TASK_TTL`), at least a few seconds; `None` for no end.
    pub async fn fleet(membership: &Membership, lifetime: Option<Duration>) -> Self {
        let exchange = membership.exchange();
        let registry: Arc<Mutex<Registry>> = Arc::default();
        let running = Running::new(registry.clone(), exchange.clone(), lifetime);
        let channel = running.channel().to_owned();
        let mirror = Arc::new(Mirror::new(Arc::new(running), exchange.clone()));
        let stops = Arc::new(Stops::new(registry.clone(), exchange.clone()));
        let tasks = Self { registry, shared: Some(Shared { mirror: mirror.clone(), stops: stops.clone() }) };
        membership.add(mirror.clone());
        membership.add(stops.clone());
        exchange.listen(&channel, Arc::new(Ear(Arc::downgrade(&mirror)))).await;
        let commands = Arc::new(Commands::new(&tasks.registry, &mirror));
        exchange.listen(stops.channel(), commands).await;
        // What others wrote before this node listened.
        mirror.repair();
        tasks
    }

    /// Enters a new task for `item_id` of `user_id`.
    pub fn start(&self, item_id: &str, user_id: &str) -> Result<TaskGuard> {
        let task = Task {
            task_id: Uuid::new_v4().to_string().into(),
            item_id: item_id.into(),
            user_id: user_id.into(),
        };
        let cancellation = CancellationToken::new();
        self.registry.lock().enter(&task, &cancellation)?;
        let guard = TaskGuard { task, cancellation, tasks: self.clone() };
        if let Some(Shared { mirror, .. }) = &self.shared {
            mirror.note(&guard.task.task_id, true);
        }
        Ok(guard)
    }

    /// The task with this id, while it runs.
    pub async fn task(&self, task_id: &str) -> Option<Task> {
        self.registry.lock().task(task_id)
    }

    /// The ids of all running tasks, sorted.
    pub async fn list(&self) -> Vec<Arc<str>> {
        self.registry.lock().list()
    }

    /// The ids of the tasks of this node, in no order.
    pub fn list_here(&self) -> Vec<Arc<str>> {
        self.registry.lock().here()
    }

    /// Whether the tasks of all nodes are known now. If not, some of those of other nodes may be missing, and some may have ended.
    pub fn knows_all(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.mirror.is_complete())
    }

    /// The tasks that work for the item, sorted by id.
    pub async fn of_item(&self, item_id: &str) -> Vec<Task> {
        self.registry.lock().of_item(item_id)
    }

    /// Those of the items for which a task runs.
    pub async fn active_among<'a>(
        &self,
        item_ids: impl IntoIterator<Item = &'a str> + Send,
    ) -> HashSet<&'a str> {
        let registry = self.registry.lock();
        item_ids.into_iter().filter(|item_id| registry.is_active(item_id)).collect()
    }

    /// Tells one task to stop. False when no such task runs.
    pub async fn stop(&self, task_id: &str) -> bool {
        if !self.stop_each(&[task_id.into()]).await.is_empty() {
            return true;
        }
        match &self.shared {
            // It may have begun elsewhere so recently that nothing was heard of it.
            Some(Shared { stops, .. }) if stops.is_known(task_id).await => {
                stops.send(&[task_id.into()]).await;
                true
            }
            _ => false,
        }
    }

    /// Tells all tasks of the item to stop and returns their ids.
    pub async fn stop_item(&self, item_id: &str) -> Vec<Arc<str>> {
        let ids: Vec<_> = self.of_item(item_id).await.into_iter().map(|task| task.task_id).collect();
        self.stop_each(&ids).await
    }

    /// Tells all tasks of the user to stop and returns their ids.
    pub async fn stop_user(&self, user_id: &str) -> Vec<Arc<str>> {
        let ids = self.registry.lock().of_user(user_id);
        self.stop_each(&ids).await
    }

    /// Tells those which run to stop, and gives their ids.
    async fn stop_each(&self, ids: &[Arc<str>]) -> Vec<Arc<str>> {
        let (mut stopped, mut elsewhere) = (Vec::new(), Vec::new());
        for id in ids {
            let removed = self.registry.lock().remove(id);
            match removed {
                // Outside the lock: cancelling wakes the task's waiters.
                Some(Place::Here(token)) => {
                    token.cancel();
                    self.note(id);
                }
                Some(Place::Elsewhere) => elsewhere.push(id.clone()),
                None => continue,
            }
            stopped.push(id.clone());
        }
        if let (Some(Shared { stops, .. }), false) = (&self.shared, elsewhere.is_empty()) {
            stops.send(&elsewhere).await;
        }
        stopped
    }

    /// Notes that an own task came or went.
    fn note(&self, task_id: &str) {
        if let Some(Shared { mirror, .. }) = &self.shared {
            mirror.note(task_id, true);
        }
    }
}

impl TaskGuard {
    /// What was entered.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Cancelled when somebody tells the task to stop.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let was_listed = self.tasks.registry.lock().end(&self.task);
        if was_listed {
            self.tasks.note(&self.task.task_id);
        }
    }
}
