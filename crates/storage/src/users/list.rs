//! The list of accounts as administrators see it.

use super::{USER_COLUMNS, User, Users};
use crate::{
    Direction, Page, Result,
    page::offset,
    sql::{LIKE_SPELLINGS, Statement, like_patterns},
};

/// Rows of one page of the list of accounts.
pub const USERS_PER_PAGE: i64 = 30;

/// What the list of accounts is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// When the account was made.
    #[default]
    CreatedAt,
    /// Display name, without case.
    Name,
    /// E-mail address.
    Email,
    /// Role.
    Role,
    /// When the account was last seen.
    LastActiveAt,
    /// When the account was changed.
    UpdatedAt,
}

impl UserOrder {
    /// The order with the name that requests use (`created_at`, `name`, …), if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "created_at" => Self::CreatedAt,
            "name" => Self::Name,
            "email" => Self::Email,
            "role" => Self::Role,
            "last_active_at" => Self::LastActiveAt,
            "updated_at" => Self::UpdatedAt,
            _ => return None,
        })
    }

    fn sql(self) -> &'static str {
        match self {
            Self::CreatedAt => "users.created_at",
            Self::Name => "lower(users.name)",
            Self::Email => "users.email",
            Self::Role => "users.role",
            Self::LastActiveAt => "users.last_active_at",
            Self::UpdatedAt => "users.updated_at",
        }
    }
}

/// Which accounts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// Only accounts whose name or e-mail address contains this.
    pub text: Option<String>,
    /// What to sort by.
    pub order: UserOrder,
    /// Which way.
    pub direction: Direction,
    /// Page, from 1.
    pub page: u32,
}

impl Users {
    /// One page of accounts.
    pub async fn list(&self, query: &UserQuery) -> Result<Page<User>> {
        let text = query.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let (condition, patterns) = match text {
            None => ("TRUE".to_owned(), Vec::new()),
            Some(text) => {
                let dialect = self.database.dialect();
                let tests: Vec<String> = (1..=LIKE_SPELLINGS)
                    .flat_map(|number| {
                        let placeholder = format!("${number}");
                        [dialect.like("users.name", &placeholder), dialect.like("users.email", &placeholder)]
                    })
                    .collect();
                (format!("({})", tests.join(" OR ")), like_patterns(text).to_vec())
            }
        };
        let first_free = patterns.len() + 1;
        let select = format!(
            "SELECT {USER_COLUMNS} FROM users WHERE {condition} ORDER BY {order} {direction}, users.id \
             LIMIT ${first_free} OFFSET ${}",
            first_free + 1,
            order = query.order.sql(),
            direction = query.direction.sql(),
        );
        let values = || patterns.iter().map(Into::into);
        let count = Statement::new(format!("SELECT count(*) AS total FROM users WHERE {condition}"));
        let total = match self.database.read_one(count.bind_all(values())).await? {
            Some(row) => row.int("total")?,
            None => 0,
        };
        let select = Statement::new(select)
            .bind_all(values())
            .bind(USERS_PER_PAGE)
            .bind(offset(query.page, USERS_PER_PAGE));
        let rows = self.database.read(select).await?;
        Ok(Page { items: rows.iter().map(User::from_row).collect::<Result<_>>()?, total })
    }
}
