//! The registry: every variable is declared once, and reading, reports and reference are made from the declaration.
//!
//! A section declares its variables with the `section!` macro (process configuration) or the `settings!` macro
//! (settings that live in SQL after the first start). One row is one variable: its doc comment is both the
//! documentation of the field and the description in `docs/reference/environment.md`.

mod macros;
mod reader;
pub(crate) mod reference;
pub(crate) mod report;
mod spelling;
mod unknown;
mod variable;

pub(crate) use macros::{section, settings};
pub(crate) use reader::Reader;
pub(crate) use unknown::unknown_names;
pub(crate) use variable::{Entry, setting, typed, variable};
