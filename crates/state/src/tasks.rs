//! Running tasks: which chat they work for, whose they are, and how to stop them.
//!
//! A task is in the registry from [`Tasks::start`] until its [`TaskGuard`] is dropped or it is told to stop; whoever
//! runs it watches the guard's token and ends. A stop takes the task off the lists at once and does not wait for it.

//! In a fleet the registry holds the tasks of this node, and [`fleet`] those of the others.

mod fleet;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Result, StateError};
use crate::exchange::Exchange;
use fleet::{Fleet, Writing};

/// Most tasks one user may have running on a node (a reply, or the title, tags or follow-ups made after it).
pub const MAX_TASKS_PER_USER: usize = 512;

/// Most tasks a node may have running.
pub const MAX_TASKS: usize = 20_000;

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
    inner: Arc<Mutex<Registry>>,
    fleet: Option<Fleet>,
}

#[derive(Debug, Default)]
struct Registry {
    tasks: HashMap<Arc<str>, (Task, CancellationToken)>,
    by_item: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Guards alive per user: a task that was told to stop counts until it really ended.
    of_user: HashMap<Arc<str>, usize>,
    guards: usize,
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

    /// No tasks of this node yet, and those of the others. `ttl` is `REDIS_TASK_TTL`.
    pub async fn fleet(exchange: Exchange, ttl: Option<Duration>) -> Self {
        let inner = Arc::default();
        let fleet = Fleet::start(exchange, ttl, &inner).await;
        Self { inner, fleet: Some(fleet) }
    }

    /// Enters a new task for `item_id` of `user_id`.
    pub fn start(&self, item_id: &str, user_id: &str) -> Result<TaskGuard> {
        let task = Task {
            task_id: Uuid::new_v4().to_string().into(),
            item_id: item_id.into(),
            user_id: user_id.into(),
        };
        let cancellation = CancellationToken::new();
        let mut registry = self.inner.lock();
        if registry.guards >= MAX_TASKS {
            return Err(StateError::TooManyTasks { limit: MAX_TASKS });
        }
        let of_user = registry.of_user.entry(Arc::clone(&task.user_id)).or_default();
        if *of_user >= MAX_TASKS_PER_USER {
            return Err(StateError::TooManyTasksOfUser { limit: MAX_TASKS_PER_USER });
        }
        *of_user += 1;
        registry.guards += 1;
        registry.by_item.entry(Arc::clone(&task.item_id)).or_default().insert(Arc::clone(&task.task_id));
        registry.tasks.insert(Arc::clone(&task.task_id), (task.clone(), cancellation.clone()));
        drop(registry);
        if let Some(fleet) = &self.fleet {
            fleet.write(Writing::Began(task.clone()));
        }
        Ok(TaskGuard { task, cancellation, tasks: self.clone() })
    }

    /// The task with this id, while it runs.
    pub async fn task(&self, task_id: &str) -> Option<Task> {
        let here = self.inner.lock().tasks.get(task_id).map(|(task, _)| task.clone());
        match (here, &self.fleet) {
            (None, Some(fleet)) => fleet.task(task_id).await,
            (here, _) => here,
        }
    }

    /// The ids of all running tasks, sorted.
    pub async fn list(&self) -> Vec<Arc<str>> {
        let mut ids = self.list_here();
        if let Some(fleet) = &self.fleet {
            ids.extend(fleet.all().await.into_iter().map(|task| task.task_id));
            ids.sort_unstable();
            ids.dedup();
        }
        ids
    }

    /// The ids of the tasks of this node, sorted.
    pub fn list_here(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self.inner.lock().tasks.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Whether the tasks of all nodes are known now. If not, calls answer for this node.
    pub fn knows_all(&self) -> bool {
        self.fleet.as_ref().is_none_or(Fleet::is_reachable)
    }

    /// The tasks that work for the item, sorted by id.
    pub async fn of_item(&self, item_id: &str) -> Vec<Task> {
        let mut tasks = self.of_item_here(item_id);
        if let Some(fleet) = &self.fleet {
            tasks.extend(fleet.of_item(item_id).await);
            tasks.sort_unstable_by(|one, other| one.task_id.cmp(&other.task_id));
            tasks.dedup_by(|one, other| one.task_id == other.task_id);
        }
        tasks
    }

    fn of_item_here(&self, item_id: &str) -> Vec<Task> {
        let registry = self.inner.lock();
        let ids = registry.by_item.get(item_id).into_iter().flatten();
        let mut tasks: Vec<Task> =
            ids.filter_map(|id| registry.tasks.get(id)).map(|(task, _)| task.clone()).collect();
        tasks.sort_unstable_by(|one, other| one.task_id.cmp(&other.task_id));
        tasks
    }

    /// Those of the items that at least one task works for.
    pub async fn active_among<'a>(
        &self,
        item_ids: impl IntoIterator<Item = &'a str> + Send,
    ) -> HashSet<&'a str> {
        let (active, others): (Vec<&str>, Vec<&str>) = {
            let registry = self.inner.lock();
            item_ids.into_iter().partition(|item_id| registry.by_item.contains_key(*item_id))
        };
        let mut active: HashSet<&str> = active.into_iter().collect();
        if let Some(fleet) = &self.fleet {
            let busy = fleet.busy(&others).await;
            active.extend(others.into_iter().zip(busy).filter(|(_, busy)| *busy).map(|(id, _)| id));
        }
        active
    }

    /// Tells a task to stop and takes it off the lists; false when there is none.
    ///
    /// In a fleet the task may run on another node, which is told now or, while it cannot be reached, later.
    pub async fn stop(&self, task_id: &str) -> bool {
        if !self.stop_here(|_| vec![task_id.into()]).is_empty() {
            return true;
        }
        let Some(fleet) = &self.fleet else { return false };
        let Some(task) = fleet.task(task_id).await else { return false };
        fleet.stop(&task).await;
        true
    }

    /// Tells all tasks of an item to stop; gives their ids.
    pub async fn stop_item(&self, item_id: &str) -> Vec<Arc<str>> {
        let mut ids =
            self.stop_here(|registry| registry.by_item.get(item_id).into_iter().flatten().cloned().collect());
        if let Some(fleet) = &self.fleet {
            for task in fleet.of_item(item_id).await {
                if !ids.contains(&task.task_id) {
                    fleet.stop(&task).await;
                    ids.push(task.task_id);
                }
            }
        }
        ids
    }

    /// Tells all tasks of a user to stop; gives the ids of those of this node.
    pub async fn stop_user(&self, user_id: &str) -> Vec<Arc<str>> {
        let ids = self.stop_here(|registry| registry.ids_of_user(user_id));
        if let Some(fleet) = &self.fleet {
            fleet.stop_user(user_id).await;
        }
        ids
    }

    /// Stops tasks of this node, and gives the ids of those that ran.
    fn stop_here(&self, select: impl FnOnce(&Registry) -> Vec<Arc<str>>) -> Vec<Arc<str>> {
        let tasks = Self::stop_in(&self.inner, select);
        if let Some(fleet) = &self.fleet {
            for task in &tasks {
                fleet.write(Writing::Ended(task.clone()));
            }
        }
        tasks.into_iter().map(|task| task.task_id).collect()
    }

    fn stop_in(registry: &Mutex<Registry>, select: impl FnOnce(&Registry) -> Vec<Arc<str>>) -> Vec<Task> {
        let mut registry = registry.lock();
        let ids = select(&registry);
        let stopped: Vec<(Task, CancellationToken)> =
            ids.iter().filter_map(|id| registry.remove(id)).collect();
        drop(registry);
        // Outside the lock: cancelling wakes the task's waiters.
        stopped
            .into_iter()
            .map(|(task, cancellation)| {
                cancellation.cancel();
                task
            })
            .collect()
    }
}

impl Registry {
    /// The ids of the tasks of a user.
    fn ids_of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        let of_user = self.tasks.values().filter(|(task, _)| &*task.user_id == user_id);
        of_user.map(|(task, _)| Arc::clone(&task.task_id)).collect()
    }

    fn remove(&mut self, task_id: &str) -> Option<(Task, CancellationToken)> {
        let (task, cancellation) = self.tasks.remove(task_id)?;
        if let Some(ids) = self.by_item.get_mut(&task.item_id) {
            ids.remove(task_id);
            if ids.is_empty() {
                self.by_item.remove(&task.item_id);
            }
        }
        Some((task, cancellation))
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
        let mut registry = self.tasks.inner.lock();
        registry.remove(&self.task.task_id);
        registry.guards = registry.guards.saturating_sub(1);
        if let Some(count) = registry.of_user.get_mut(&self.task.user_id) {
            *count -= 1;
            if *count == 0 {
                registry.of_user.remove(&self.task.user_id);
            }
        }
        drop(registry);
        if let Some(fleet) = &self.tasks.fleet {
            fleet.write(Writing::Ended(self.task.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_listed_until_its_guard_goes() {
        let tasks = Tasks::new();
        let guard = tasks.start("chat", "ada").unwrap();
        assert_eq!(tasks.of_item("chat").await, [guard.task().clone()]);
        assert_eq!(tasks.active_among(["chat", "other"]).await, HashSet::from(["chat"]));
        let id = Arc::clone(&guard.task().task_id);
        assert_eq!(tasks.task(&id).await.unwrap().user_id.as_ref(), "ada");
        drop(guard);
        assert!(tasks.of_item("chat").await.is_empty());
        assert!(tasks.list().await.is_empty());
        let registry = tasks.inner.lock();
        assert!(registry.by_item.is_empty() && registry.of_user.is_empty() && registry.guards == 0);
    }

    #[tokio::test]
    async fn stop_cancels_the_one_task_and_takes_it_off_the_list() {
        let tasks = Tasks::new();
        let one = tasks.start("chat", "ada").unwrap();
        let two = tasks.start("chat", "ada").unwrap();
        assert!(tasks.stop(&one.task().task_id).await);
        assert!(!tasks.stop(&one.task().task_id).await);
        assert!(one.cancellation().is_cancelled());
        assert!(!two.cancellation().is_cancelled());
        assert_eq!(tasks.list().await, [Arc::clone(&two.task().task_id)]);
    }

    #[tokio::test]
    async fn stop_item_and_stop_user_reach_all_of_theirs_and_no_others() {
        let tasks = Tasks::new();
        let one = tasks.start("c1", "ada").unwrap();
        let two = tasks.start("c1", "ada").unwrap();
        let three = tasks.start("c2", "ada").unwrap();
        let four = tasks.start("c3", "bob").unwrap();
        assert_eq!(tasks.stop_item("c1").await.len(), 2);
        assert!(one.cancellation().is_cancelled() && two.cancellation().is_cancelled());
        assert!(!three.cancellation().is_cancelled());
        assert_eq!(tasks.stop_user("ada").await, [Arc::clone(&three.task().task_id)]);
        assert!(three.cancellation().is_cancelled() && !four.cancellation().is_cancelled());
        assert!(tasks.stop_item("c1").await.is_empty());
    }

    #[tokio::test]
    async fn a_stopped_task_counts_against_its_user_until_it_ended() {
        let tasks = Tasks::new();
        let mut guards = Vec::new();
        for _ in 0..MAX_TASKS_PER_USER {
            guards.push(tasks.start("chat", "ada").unwrap());
        }
        tasks.stop_item("chat").await;
        assert!(matches!(tasks.start("chat", "ada"), Err(StateError::TooManyTasksOfUser { .. })));
        assert!(tasks.start("chat", "bob").is_ok());
        guards.pop();
        assert!(tasks.start("chat", "ada").is_ok());
    }
}
