//! The tasks of the fleet as this node knows them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{MAX_FOREIGN_TASKS, MAX_TASKS, MAX_TASKS_PER_USER, Task};
use crate::error::{Result, StateError};

/// Where a task runs.
#[derive(Debug)]
pub(super) enum Place {
    /// On this node; the token tells it to stop.
    Here(CancellationToken),
    /// On another.
    Elsewhere,
}

impl Place {
    fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    tasks: HashMap<Arc<str>, (Task, Place)>,
    by_item: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// How many of `tasks` run on other nodes.
    foreign: usize,
    /// Tasks of other nodes that are told to stop: they are listed no more, whatever is heard or read of them.
    stopping: HashSet<Arc<str>>,
    /// Guards alive per user: a task that was told to stop counts until it really ended.
    guards_of_user: HashMap<Arc<str>, usize>,
    guards: usize,
}

impl Registry {
    /// Enters a task of this node.
    pub(super) fn enter(&mut self, task: &Task, cancellation: &CancellationToken) -> Result<()> {
        if self.guards >= MAX_TASKS {
            return Err(StateError::TooManyTasks { limit: MAX_TASKS });
        }
        let of_user = self.guards_of_user.entry(Arc::clone(&task.user_id)).or_default();
        if *of_user >= MAX_TASKS_PER_USER {
            return Err(StateError::TooManyTasksOfUser { limit: MAX_TASKS_PER_USER });
        }
        *of_user += 1;
        self.guards += 1;
        self.insert(task.clone(), Place::Here(cancellation.clone()));
        Ok(())
    }

    fn insert(&mut self, task: Task, place: Place) {
        self.by_item.entry(Arc::clone(&task.item_id)).or_default().insert(Arc::clone(&task.task_id));
        self.tasks.insert(Arc::clone(&task.task_id), (task, place));
    }

    /// Ends a task of this node. False when it was listed no more.
    pub(super) fn end(&mut self, task: &Task) -> bool {
        let was_listed = self.remove(&task.task_id).is_some();
        self.guards = self.guards.saturating_sub(1);
        if let Some(count) = self.guards_of_user.get_mut(&task.user_id) {
            *count -= 1;
            if *count == 0 {
                self.guards_of_user.remove(&task.user_id);
            }
        }
        was_listed
    }

    /// Takes a task off the lists and gives where it runs.
    pub(super) fn remove(&mut self, task_id: &str) -> Option<Place> {
        let (task, place) = self.tasks.remove(task_id)?;
        if !place.is_here() {
            self.foreign -= 1;
        }
        if let Some(ids) = self.by_item.get_mut(&task.item_id) {
            ids.remove(task_id);
            if ids.is_empty() {
                self.by_item.remove(&task.item_id);
            }
        }
        Some(place)
    }

    /// Takes in a task of another node.
    pub(super) fn put_foreign(&mut self, task: Task) {
        let known = self.tasks.contains_key(&task.task_id) || self.stopping.contains(&task.task_id);
        if !known && self.foreign < MAX_FOREIGN_TASKS {
            self.foreign += 1;
            self.insert(task, Place::Elsewhere);
        }
    }

    /// Takes out a task of another node.
    pub(super) fn remove_foreign(&mut self, task_id: &str) {
        if self.tasks.get(task_id).is_some_and(|(_, place)| !place.is_here()) {
            self.remove(task_id);
        }
    }

    /// Marks tasks of other nodes as being told to stop, or no more so.
    pub(super) fn set_stopping(&mut self, ids: &[Arc<str>], stopping: bool) {
        for id in ids {
            if stopping {
                self.stopping.insert(id.clone());
            } else {
                self.stopping.remove(id);
            }
        }
    }

    /// The task, if it runs here and was not told to stop.
    pub(super) fn own_task(&self, task_id: &str) -> Option<&Task> {
        self.tasks.get(task_id).filter(|(_, place)| place.is_here()).map(|(task, _)| task)
    }

    pub(super) fn task(&self, task_id: &str) -> Option<Task> {
        self.tasks.get(task_id).map(|(task, _)| task.clone())
    }

    pub(super) fn list(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self.tasks.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn of_item(&self, item_id: &str) -> Vec<Task> {
        let ids = self.by_item.get(item_id).into_iter().flatten();
        let mut tasks: Vec<Task> =
            ids.filter_map(|id| self.tasks.get(id)).map(|(task, _)| task.clone()).collect();
        tasks.sort_unstable_by(|one, other| one.task_id.cmp(&other.task_id));
        tasks
    }

    pub(super) fn is_active(&self, item_id: &str) -> bool {
        self.by_item.contains_key(item_id)
    }

    pub(super) fn of_user(&self, user_id: &str) -> Vec<Arc<str>> {
        let of_user = self.tasks.values().filter(|(task, _)| &*task.user_id == user_id);
        of_user.map(|(task, _)| Arc::clone(&task.task_id)).collect()
    }

    /// The ids of the tasks that run on this node.
    pub(super) fn here(&self) -> Vec<Arc<str>> {
        self.of_owner(true)
    }

    pub(super) fn foreign(&self) -> Vec<Arc<str>> {
        self.of_owner(false)
    }

    fn of_owner(&self, own: bool) -> Vec<Arc<str>> {
        let tasks = self.tasks.values().filter(|(_, place)| place.is_here() == own);
        tasks.map(|(task, _)| Arc::clone(&task.task_id)).collect()
    }

    /// How many tasks run here, and how many elsewhere.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.tasks.len() - self.foreign, self.foreign)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.by_item.is_empty() && self.guards_of_user.is_empty() && self.guards == 0
    }
}
