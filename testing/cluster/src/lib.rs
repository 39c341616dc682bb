//! Real servers for tests: Redis in every topology, plain and with TLS, ways to break them, nodes of Antiphon and a balancer.
//!
//! A [`Fleet`] is any number of `antiphon serve` processes, and a [`Balancer`] is nginx in front of them, round robin.
//!
//! A [`Rig`] is one Redis topology on ports that the system chose, in a temporary folder. Everything a rig starts is ended,
//! by process id, when it is dropped; and also when the process that started it is killed.
//!
//! ```no_run
//! # async fn example() -> antiphon_cluster::Result<()> {
//! use antiphon_cluster::{Kind, Rig};
//! let rig = Rig::start(Kind::Standalone, false).await?;
//! let variables = rig.variables(); // REDIS_URL and so on, as an operator would set them
//! rig.master().await?.freeze()?;
//! # Ok(())
//! # }
//! ```

mod balancer;
mod certificates;
mod error;
mod failure;
mod fleet;
mod ground;
mod http;
mod node;
mod options;
mod ports;
mod process;
mod proxy;
mod resp;
mod rig;
mod server;
mod wait;

pub use balancer::Balancer;
pub use certificates::Certificates;
pub use error::{Error, Result};
pub use failure::Failure;
pub use fleet::Fleet;
pub use node::Node;
pub use options::{Kind, Options};
pub use proxy::{Direction, Proxy};
pub use rig::{Broken, Rig, SlotMove};
pub use server::Server;
pub use wait::wait_until;
