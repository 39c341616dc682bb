//! What every route shares: errors, checked bodies, the route table and its guard.

pub mod error;
mod faults;
pub mod guard;
pub mod json;
mod path;
pub mod table;

pub use error::ApiError;
pub use guard::Caller;
pub use json::{Json, Query};
pub use path::Path;
pub use table::{Access, Route};

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;
