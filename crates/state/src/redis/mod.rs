//! The way to Redis or Valkey: standalone, through Sentinel, or a cluster, plain or with TLS.
//!
//! [`Connections`] holds everything a node needs: a link for commands per role and one subscription. Every link is
//! supervised: a server that is dead, frozen, demoted or cut off is noticed within about a second, its connection is
//! dropped before another is made, and calls wait for the next one inside of their own deadline. Nothing here hangs, and
//! the number of connections is a constant.
//!
//! ```text
//! options ── dial ── connection ── supervisor ─┬─ route ── link (Redis)
//!                                  sentinel ───┤
//!                                  cluster ────┴─ subscription (Subscriber, Events)
//! ```

mod backoff;
mod cluster;
mod connection;
mod connections;
mod dial;
mod endpoint;
mod error;
mod events;
mod keys;
mod ledger;
mod link;
mod options;
mod proof;
mod reply;
mod request;
mod route;
mod script;
mod sentinel;
mod slot;
mod slot_map;
mod socket_options;
mod status;
mod stream;
mod subscription;
mod supervisor;
mod tls;

pub use connections::Connections;
pub use endpoint::Endpoint;
pub use error::{RedisError, Result, TlsFault, Variables};
pub use events::{Event, Events, MAX_WAITING};
pub use keys::prefix;
pub use link::{MAX_CALLS, Redis};
pub use options::{Credentials, NodeOptions, Reach, RedisOptions, Role, SentinelOptions};
pub use redis::{Cmd, FromRedisValue, Value, cmd};
pub use reply::Code;
pub use request::{Batch, Repeat};
pub use script::Script;
pub use status::{LinkStatus, Status, Totals};
pub use subscription::Subscriber;
