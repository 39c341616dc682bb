use super::*;
use crate::error::StateError;

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
    assert!(tasks.registry.lock().is_empty());
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
