//! Chats as the documents that clients know: built from rows, and taken apart into rows.
//!
//! A document carries the whole chat: small keys, a tree of messages and the branch that is shown. Clients send
//! parts of it back. It is never stored as such.

mod build;
mod input;
mod merge;
mod store;

pub use build::ChatDocument;
pub use input::ChatImport;
pub use store::{Documents, NewDocument};

/// Largest chat document that is accepted, in bytes of JSON.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
