//! What runs: listed and stopped by chat or by task; helper questions and their settings.

mod tags;

use crate::App;
use crate::http::{Access, ApiError, ApiResult, Caller, Json, Path, Route};
use antiphon_config::settings::forms;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Vec<Route> {
    use Access::{Admin, User};
    vec![
        Route::get("/api/tasks", Admin, list),
        Route::post("/api/tasks/stop/{id}", Admin, stop),
        Route::get("/api/tasks/chat/{id}", User, of_chat),
        Route::post("/api/tasks/chat/{id}/stop", User, stop_chat),
        Route::get("/api/v1/tasks/config", User, config),
        Route::post("/api/v1/tasks/config/update", Admin, update_config),
        Route::post("/api/v1/tasks/tags/completions", User, tags::suggest),
    ]
}

/// `GET /api/tasks`: all tasks of the server.
async fn list(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(json!({ "tasks": app.tasks.list().await }))
}

/// `POST /api/tasks/stop/{id}`
async fn stop(State(app): State<App>, Path(id): Path<String>) -> ApiResult<axum::Json<Value>> {
    if !app.tasks.stop(&id).await {
        return Err(ApiError::not_found("No such task runs."));
    }
    Ok(axum::Json(json!({ "status": true, "message": format!("Task {id} stopped.") })))
}

/// `GET /api/tasks/chat/{id}`: the caller's tasks in a chat.
async fn of_chat(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> axum::Json<Value> {
    axum::Json(json!({ "task_ids": own_tasks(&app, &caller, &id).await }))
}

/// `POST /api/tasks/chat/{id}/stop`: any session of the user may stop what runs.
async fn stop_chat(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> axum::Json<Value> {
    let tasks = own_tasks(&app, &caller, &id).await;
    for task in &tasks {
        app.tasks.stop(task).await;
    }
    let message = match tasks.as_slice() {
        [] => "Nothing runs in this chat.".to_owned(),
        [task] => format!("Task {task} stopped."),
        tasks => format!("{} tasks stopped.", tasks.len()),
    };
    axum::Json(json!({ "status": !tasks.is_empty(), "message": message }))
}

async fn own_tasks(app: &App, caller: &Caller, chat_id: &str) -> Vec<Arc<str>> {
    let tasks = app.tasks.of_item(chat_id).await;
    tasks.into_iter().filter(|task| *task.user_id == *caller.user_id()).map(|task| task.task_id).collect()
}

/// `GET /api/v1/tasks/config`
async fn config(State(app): State<App>) -> axum::Json<Value> {
    axum::Json(forms::TASKS.fill(&app.settings()))
}

/// `POST /api/v1/tasks/config/update`
async fn update_config(State(app): State<App>, Json(form): Json<Value>) -> ApiResult<axum::Json<Value>> {
    let settings = app.settings.fill_in(forms::TASKS, &form).await?;
    Ok(axum::Json(forms::TASKS.fill(&settings)))
}
