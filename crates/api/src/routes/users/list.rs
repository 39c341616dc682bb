//! Lists of accounts.

use super::read::UserInfo;
use crate::App;
use crate::http::{ApiError, ApiResult, Query};
use antiphon_storage::{Direction, User, UserOrder, UserQuery};
use axum::extract::State;
use serde::{Deserialize, Serialize};

/// Longest text that is looked for, in characters.
const MAX_QUERY_CHARS: usize = 200;

/// Most accounts in a list that has no pages.
const MAX_ALL: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    query: Option<String>,
    order_by: Option<String>,
    direction: Option<Direction>,
    page: Option<u32>,
}

impl ListQuery {
    fn checked(self) -> ApiResult<UserQuery> {
        if self.query.as_ref().is_some_and(|text| text.chars().count() > MAX_QUERY_CHARS) {
            let message = format!("The text to look for is longer than {MAX_QUERY_CHARS} characters.");
            return Err(ApiError::unprocessable("string_too_long", &["query", "query"], message));
        }
        let order = match self.order_by.as_deref() {
            None | Some("") => UserOrder::default(),
            Some(name) => UserOrder::parse(name).ok_or_else(|| {
                let message =
                    "Accounts are sorted by created_at, updated_at, last_active_at, name, email or role.";
                ApiError::unprocessable("enum", &["query", "order_by"], message)
            })?,
        };
        Ok(UserQuery {
            text: self.query,
            order,
            direction: self.direction.unwrap_or_default(),
            page: self.page.unwrap_or(1),
        })
    }
}

/// One account in the administrators' list.
#[derive(Serialize)]
pub(super) struct ListedUser {
    #[serde(flatten)]
    user: User,
    /// This server has no groups yet.
    group_ids: [String; 0],
}

/// A list of accounts, or a page of one, with the length of the whole.
#[derive(Serialize)]
pub(super) struct Users<T> {
    users: Vec<T>,
    total: i64,
}

/// `GET /api/v1/users/?query&order_by&direction&page`
pub(super) async fn page(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> ApiResult<axum::Json<Users<ListedUser>>> {
    let found = app.database.users().list(&query.checked()?).await?;
    let users = found.items.into_iter().map(|user| ListedUser { user, group_ids: [] }).collect();
    Ok(axum::Json(Users { users, total: found.total }))
}

/// `GET /api/v1/users/search?query&order_by&direction&page`: what everybody may know of the accounts found.
pub(super) async fn search(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> ApiResult<axum::Json<Users<UserInfo>>> {
    let found = app.database.users().list(&query.checked()?).await?;
    let users = infos(&app, found.items).await;
    Ok(axum::Json(Users { users, total: found.total }))
}

/// `GET /api/v1/users/all`: the first thousand, by name.
pub(super) async fn all(State(app): State<App>) -> ApiResult<axum::Json<Users<UserInfo>>> {
    let mut query = UserQuery {
        order: UserOrder::Name,
        direction: Direction::Ascending,
        page: 1,
        ..UserQuery::default()
    };
    let mut users = Vec::new();
    loop {
        let found = app.database.users().list(&query).await?;
        let last = found.items.is_empty();
        users.extend(infos(&app, found.items).await);
        if last
            || users.len() >= MAX_ALL
            || i64::try_from(users.len()).is_ok_and(|count| count >= found.total)
        {
            users.truncate(MAX_ALL);
            return Ok(axum::Json(Users { users, total: found.total }));
        }
        query.page += 1;
    }
}

async fn infos(app: &App, users: Vec<User>) -> Vec<UserInfo> {
    let mut infos = Vec::with_capacity(users.len());
    for user in users {
        infos.push(UserInfo::of(app, user).await);
    }
    infos
}
