//! The life of a reply: a question is stored, models answer, the sockets of its user are told, the message is kept.
//!
//! Start at [`Replies`]. One reply is [`reply`], what it has said is [`output`], when it is told is [`pace`].

mod afterwards;
pub mod audience;
mod error;
mod live;
mod orphans;
pub mod output;
pub mod pace;
pub mod prompt;
mod reply;
mod request;
mod service;
mod store;
mod suggestions;
mod writing;

pub use error::GenerationError;
pub use live::Live;
pub use orphans::Orphans;
pub use request::{Answer, Background, Place, ReplyRequest, Started};
pub use service::{MAX_ANSWERS, Replies};
