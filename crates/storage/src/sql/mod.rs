//! The thin layer over sqlx that lets one code base speak to SQLite and PostgreSQL.
//!
//! `sqlx::Any` was tried first and does not hold: it refuses SQLite columns declared `BOOLEAN`, and its
//! drivers are installed process-wide. So a [`Statement`] is SQL text with `$1` placeholders (both databases
//! take them) and typed values, a [`Row`] reads columns by name, and a [`Connection`] is one of either
//! database. The rules that make one text do for both:
//!
//! - columns are `TEXT`, `BIGINT` or `BOOLEAN`; JSON is `TEXT` on both, so that what was written is what is
//!   read, and a value passes through without being parsed;
//! - lists of values are passed as one JSON array and unfolded by [`Dialect::unfold`], so that the text of a
//!   statement does not depend on the length of the list and its prepared form is reused;
//! - what truly differs is a method of [`Dialect`].

mod connection;
mod dialect;
mod row;
mod statement;

pub(crate) use connection::{Backend, Connection, Transaction, bounded};
pub(crate) use dialect::{Dialect, LIKE_SPELLINGS, like_patterns};
pub(crate) use row::Row;
pub(crate) use statement::{Statement, Value};
