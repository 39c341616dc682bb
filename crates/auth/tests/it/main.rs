//! Auth over a real SQLite database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a failure is the message")]

mod accounts;
mod signing_in;
