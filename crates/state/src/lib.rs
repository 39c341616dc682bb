//! Coordination between the parts of a node and, with Redis, between the nodes of a fleet.
//!
//! SQL is the truth; what lives here is fast, shared and may be lost. Each concept is one file with its memory form,
//! which is complete for a single node; calls that a fleet answers over the network are `async` already, and what
//! every request asks (revocation, settings) is answered from memory.

pub mod bus;
pub mod catch_up;
pub mod clock;
mod error;
mod exchange;
pub mod fingerprint;
pub mod limits;
mod lock;
mod membership;
mod mirror;
pub mod poll_relay;
pub mod presence;
pub mod published_settings;
pub mod redis;
pub mod reply_log;
pub mod revocation;
mod settings;
pub mod sign_ins;
pub mod tasks;

pub use bus::{BusOptions, RedisBus};
pub use clock::Clock;
pub use error::{Result, StateError};
pub use exchange::{Exchange, Listener};
pub use limits::Limits;
pub use lock::{Held, Locks};
pub use membership::{LeaseTimes, Membership};
pub use poll_relay::PollRelay;
pub use presence::Presence;
pub use reply_log::ReplyLogs;
pub use revocation::Revocations;
pub use settings::SettingsHandle;
pub use sign_ins::SignIns;
pub use tasks::Tasks;
