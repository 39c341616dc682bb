//! What every route shares: errors, checked bodies, the route table and its guard.

pub(crate) mod error;
mod faults;
pub(crate) mod guard;
pub(crate) mod json;
mod object;
pub(crate) mod own_address;
mod path;
mod reserved;
pub(crate) mod table;
pub(crate) mod unread;

pub use error::ApiError;
pub(crate) use guard::Caller;
pub(crate) use json::{Json, Query};
pub(crate) use path::Path;
pub use table::{Access, Route};

/// What a handler returns.
pub(crate) type ApiResult<T> = Result<T, ApiError>;
