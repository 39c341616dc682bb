//! The way to Redis against real servers, and every way it breaks.
//!
//! Each test prints the seconds to recovery; `cargo test -p antiphon-state -- --nocapture redis` shows them.

mod breaks;
mod cluster;
mod limits;
mod log;
mod sentinel;
mod soak;
mod standalone;
pub(crate) mod support;
mod tls;
mod versions;
