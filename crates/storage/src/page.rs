//! Pages and directions of lists.

use serde::{Deserialize, Serialize};

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smallest first.
    #[serde(rename = "asc")]
    Ascending,
    /// Largest first.
    #[default]
    #[serde(rename = "desc")]
    Descending,
}

impl Direction {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// One page of a list and the length of the whole list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// How many rows all pages have.
    pub total: i64,
}

/// Highest page number that is answered; later pages are empty. Keeps offsets small.
pub const MAX_PAGE: u32 = 100_000;

/// Offset of the first row of a 1-based page; page 0 counts as page 1.
pub(crate) fn offset(page: u32, per_page: i64) -> i64 {
    i64::from(page.clamp(1, MAX_PAGE) - 1) * per_page
}
