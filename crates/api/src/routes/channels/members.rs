//! Who is in a channel.

use super::answer::Member;
use super::create::check_groups;
use super::{check_on, find};
use crate::App;
use crate::events::channel::{bring_in, take_out, tell_created};
use crate::http::{ApiError, ApiResult, Caller, Json, Path, Query};
use antiphon_storage::{ChannelKind, ChannelView, Direction, MAX_MEMBERS, PersonOrder, PersonQuery};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest text that is looked for, in characters.
const MAX_QUERY_CHARS: usize = 200;

#[derive(Deserialize)]
pub(super) struct PageQuery {
    query: Option<String>,
    order_by: Option<String>,
    direction: Option<String>,
    page: Option<u32>,
}

impl PageQuery {
    fn checked(self) -> ApiResult<PersonQuery> {
        if self.query.as_ref().is_some_and(|text| text.chars().count() > MAX_QUERY_CHARS) {
            let message = format!("The text to look for is longer than {MAX_QUERY_CHARS} characters.");
            return Err(ApiError::unprocessable("string_too_long", &["query", "query"], message));
        }
        let order = match self.order_by.as_deref() {
            None | Some("") => PersonOrder::default(),
            Some(name) => PersonOrder::parse(name).ok_or_else(|| {
                let message = "Members are sorted by name, email, role, last_active_at or created_at.";
                ApiError::unprocessable("enum", &["query", "order_by"], message)
            })?,
        };
        let direction = match self.direction.as_deref() {
            None | Some("" | "asc") => Direction::Ascending,
            Some("desc") => Direction::Descending,
            Some(_) => {
                let message = "The direction is asc or desc.";
                return Err(ApiError::unprocessable("enum", &["query", "direction"], message));
            }
        };
        Ok(PersonQuery { text: self.query, order, direction, page: self.page.unwrap_or(1) })
    }
}

#[derive(Serialize)]
pub(super) struct Members {
    users: Vec<Member>,
    total: i64,
}

/// `GET /api/v1/channels/{id}/members?query&order_by&direction&page`: of an open channel, everybody who may read it.
pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> ApiResult<axum::Json<Members>> {
    let view = find(&app, &caller, &id).await?;
    let found = app.database.channels().people(&id, view.channel.kind, &query.checked()?).await?;
    let mut users = Vec::with_capacity(found.items.len());
    for person in found.items {
        users.push(Member::of(&app, person).await);
    }
    Ok(axum::Json(Members { users, total: found.total }))
}

#[derive(Deserialize)]
pub(super) struct ActiveForm {
    is_active: bool,
}

/// `POST /api/v1/channels/{id}/members/active {is_active}`: shows the channel in the caller's list, or hides it.
pub(super) async fn set_active(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<ActiveForm>,
) -> ApiResult<axum::Json<bool>> {
    let view = find(&app, &caller, &id).await?;
    if view.channel.kind == ChannelKind::Open {
        return Err(ApiError::bad_request("Only group and direct channels can be hidden."));
    }
    Ok(axum::Json(app.database.channels().set_active(caller.user_id(), &id, form.is_active).await?))
}

#[derive(Deserialize)]
pub(super) struct AddForm {
    #[serde(default)]
    user_ids: Vec<String>,
    #[serde(default)]
    group_ids: Vec<String>,
}

/// `POST /api/v1/channels/{id}/update/members/add {user_ids}`: gives those who were not in the channel before.
pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<AddForm>,
) -> ApiResult<axum::Json<Value>> {
    let view = group(&app, &caller, &id).await?;
    check_manager(&caller, &view)?;
    check_groups(Some(&form.group_ids))?;
    let added = app.database.channels().add_members(&id, &form.user_ids).await?;
    bring_in(&app, &id, &added).await;
    tell_created(&app, &added).await;
    let added: Vec<Value> =
        added.iter().map(|user_id| json!({ "channel_id": id, "user_id": user_id })).collect();
    Ok(axum::Json(Value::Array(added)))
}

#[derive(Deserialize)]
pub(super) struct RemoveForm {
    #[serde(default)]
    user_ids: Vec<String>,
}

/// `POST /api/v1/channels/{id}/update/members/remove {user_ids}`: says how many were removed.
///
/// Everybody may leave but who made the channel. The sockets of who is removed follow the channel no longer.
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(form): Json<RemoveForm>,
) -> ApiResult<axum::Json<usize>> {
    let view = group(&app, &caller, &id).await?;
    if form.user_ids.len() > MAX_MEMBERS {
        let message = format!("At most {MAX_MEMBERS} members are removed at once.");
        return Err(ApiError::too_large(message));
    }
    if form.user_ids != [caller.user_id()] {
        check_manager(&caller, &view)?;
    }
    if form.user_ids.contains(&view.channel.user_id) {
        return Err(ApiError::bad_request("Who made a channel stays in it."));
    }
    let removed = app.database.channels().remove_members(&id, &form.user_ids).await?;
    take_out(&app, &id, &removed).await;
    Ok(axum::Json(removed.len()))
}

/// The group channel, which the caller is in.
async fn group(app: &App, caller: &Caller, id: &str) -> ApiResult<ChannelView> {
    check_on(app, caller)?;
    let view = find(app, caller, id).await?;
    if view.channel.kind != ChannelKind::Group {
        return Err(ApiError::bad_request("Only group channels have members that come and go."));
    }
    Ok(view)
}

fn check_manager(caller: &Caller, view: &ChannelView) -> ApiResult<()> {
    if view.is_manager || caller.identity.is_admin() {
        return Ok(());
    }
    Err(ApiError::forbidden("Only who manages a channel changes who is in it."))
}
