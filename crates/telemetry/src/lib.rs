//! Logs of the server: their set-up, and the names that logs and metrics use.
//!
//! Code logs with `tracing`. A line of the plain form is
//!
//! ```text
//! 2026-11-24T04:27:11.123456Z WARNING:antiphon_state::link:Redis does not answer. topology=sentinel
//! ```
//!
//! The part `LEVEL:logger:message` is that of Python's logging, so that commands which search the logs of the
//! reference server find the same lines here. The logger is the event's target; an event that must appear under a
//! name of the reference says so: `tracing::debug!(target: names::SOCKET_LOGGER, "…")`.

mod causes;
mod line;
pub mod names;
mod rate_limited;
mod setup;

pub use causes::{causes, with_causes};
pub use rate_limited::RateLimited;
pub use setup::{TelemetryError, init, subscriber};
