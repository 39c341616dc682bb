//! Variables that the caller's prompts may name.

use super::settings::{VARIABLES, object};
use crate::App;
use crate::http::{ApiError, ApiResult, Caller, Json};
use crate::routes::limits::check_size;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most that the variables of an account take as JSON, in bytes.
const MAX_VARIABLES_BYTES: usize = 64 * 1024;

/// Most variables of an account.
const MAX_VARIABLES: usize = 500;

/// Values by name.
#[derive(Serialize, Deserialize)]
pub(super) struct Variables {
    variables: Map<String, Value>,
}

/// `GET /api/v1/users/user/variables`
pub(super) async fn read(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Variables>> {
    let mut settings = object(app.database.users().settings(caller.user_id()).await?);
    Ok(axum::Json(Variables { variables: object(settings.remove(VARIABLES)) }))
}

/// `POST /api/v1/users/user/variables/update {variables}`: replaces all of them.
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<Variables>,
) -> ApiResult<axum::Json<Variables>> {
    if form.variables.len() > MAX_VARIABLES {
        return Err(ApiError::too_large(format!("An account keeps at most {MAX_VARIABLES} variables.")));
    }
    let variables = Value::Object(form.variables);
    check_size("variables of an account", &variables, MAX_VARIABLES_BYTES)?;
    let _lock = app.user_locks().lock(caller.user_id()).await;
    let mut settings = object(app.database.users().settings(caller.user_id()).await?);
    settings.insert(VARIABLES.to_owned(), variables.clone());
    app.database.users().set_settings(caller.user_id(), &Value::Object(settings)).await?;
    Ok(axum::Json(Variables { variables: object(Some(variables)) }))
}
