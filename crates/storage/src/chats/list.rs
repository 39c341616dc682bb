//! Lists of chats.

use super::{ChatItem, Chats, ITEM_COLUMNS};
use crate::{
    Direction, Result,
    page::offset,
    sql::{LIKE_SPELLINGS, Statement, like_patterns},
};

/// Rows of one page of a list of chats.
pub const CHATS_PER_PAGE: i64 = 60;

/// Most pinned chats that are listed.
const MAX_PINNED: i64 = 500;

/// Which chats the main list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChatQuery {
    /// Page, from 1.
    pub page: u32,
    /// Also pinned chats, which usually have a list of their own.
    pub include_pinned: bool,
    /// Also chats that lie in folders.
    pub include_folders: bool,
}

/// What a list of chats is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChatOrder {
    /// When it was last changed.
    #[default]
    UpdatedAt,
    /// When it was made.
    CreatedAt,
    /// Title, without case.
    Title,
}

impl ChatOrder {
    /// The order with the name that requests use (`updated_at`, `created_at`, `title`), if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "updated_at" => Self::UpdatedAt,
            "created_at" => Self::CreatedAt,
            "title" => Self::Title,
            _ => return None,
        })
    }

    fn sql(self) -> &'static str {
        match self {
            Self::UpdatedAt => "chats.updated_at",
            Self::CreatedAt => "chats.created_at",
            Self::Title => "lower(chats.title)",
        }
    }
}

/// Which chats of the archive to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchivedQuery {
    /// Only chats whose title contains this.
    pub text: Option<String>,
    /// What to sort by.
    pub order: ChatOrder,
    /// Which way.
    pub direction: Direction,
    /// Page, from 1.
    pub page: u32,
}

impl Chats {
    /// One page of the main list: neither archived nor, unless asked for, pinned or in folders; newest first.
    pub async fn list(&self, user_id: &str, query: &ChatQuery) -> Result<Vec<ChatItem>> {
        let pinned = if query.include_pinned { "" } else { " AND pinned = FALSE" };
        let folders = if query.include_folders { "" } else { " AND folder_id IS NULL" };
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS} FROM chats WHERE user_id = $1 AND archived = FALSE{pinned}{folders} \
             ORDER BY updated_at DESC, id LIMIT $2 OFFSET $3"
        ))
        .bind(user_id)
        .bind(CHATS_PER_PAGE)
        .bind(offset(query.page, CHATS_PER_PAGE));
        self.items(statement).await
    }

    /// Pinned chats that are not archived, newest first; at most 500.
    pub async fn list_pinned(&self, user_id: &str) -> Result<Vec<ChatItem>> {
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS} FROM chats WHERE user_id = $1 AND archived = FALSE AND pinned = TRUE \
             ORDER BY updated_at DESC, id LIMIT $2"
        ))
        .bind(user_id)
        .bind(MAX_PINNED);
        self.items(statement).await
    }

    /// One page of the archive.
    pub async fn list_archived(&self, user_id: &str, query: &ArchivedQuery) -> Result<Vec<ChatItem>> {
        let text = query.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let (condition, patterns) = match text {
            None => (String::new(), Vec::new()),
            Some(text) => {
                let tests: Vec<String> = (0..LIKE_SPELLINGS)
                    .map(|number| self.database.dialect().like("title", &format!("${}", number + 4)))
                    .collect();
                (format!(" AND ({})", tests.join(" OR ")), like_patterns(text).to_vec())
            }
        };
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS} FROM chats WHERE user_id = $1 AND archived = TRUE{condition} \
             ORDER BY {} {}, id LIMIT $2 OFFSET $3",
            query.order.sql(),
            query.direction.sql()
        ))
        .bind(user_id)
        .bind(CHATS_PER_PAGE)
        .bind(offset(query.page, CHATS_PER_PAGE))
        .bind_all(patterns.iter().map(Into::into));
        self.items(statement).await
    }

    /// One page of the chats in a folder that are not archived, newest first.
    pub async fn list_in_folder(&self, user_id: &str, folder_id: &str, page: u32) -> Result<Vec<ChatItem>> {
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS} FROM chats WHERE user_id = $1 AND folder_id = $2 AND archived = FALSE \
             ORDER BY updated_at DESC, id LIMIT $3 OFFSET $4"
        ))
        .bind(user_id)
        .bind(folder_id)
        .bind(CHATS_PER_PAGE)
        .bind(offset(page, CHATS_PER_PAGE));
        self.items(statement).await
    }

    /// One page of the chats with this tag that are not archived, newest first.
    pub async fn list_by_tag(&self, user_id: &str, tag_id: &str, page: u32) -> Result<Vec<ChatItem>> {
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS} FROM chat_tags JOIN chats ON chats.id = chat_tags.chat_id \
             WHERE chat_tags.user_id = $1 AND chat_tags.tag_id = $2 AND chats.archived = FALSE \
             ORDER BY chats.updated_at DESC, chats.id LIMIT $3 OFFSET $4"
        ))
        .bind(user_id)
        .bind(tag_id)
        .bind(CHATS_PER_PAGE)
        .bind(offset(page, CHATS_PER_PAGE));
        self.items(statement).await
    }

    /// Ids of all chats of a user in the order of their ids, after this one, at most 1,000: for exports.
    pub async fn ids(&self, user_id: &str, after: Option<&str>) -> Result<Vec<String>> {
        let statement =
            Statement::new("SELECT id FROM chats WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT 1000")
                .bind(user_id)
                .bind(after.unwrap_or_default());
        self.database.read(statement).await?.iter().map(|row| row.text("id")).collect()
    }

    async fn items(&self, statement: Statement) -> Result<Vec<ChatItem>> {
        self.database.read(statement).await?.iter().map(ChatItem::from_row).collect()
    }
}
