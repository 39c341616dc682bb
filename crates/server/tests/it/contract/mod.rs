//! The contract of the reference server, as `testing/compat/contracts` has it, tested in both directions: what is
//! answered and emitted here has every recorded field with a recorded type, in the recorded order; and the tests send
//! what the reference's own web client was seen to send. Fields beyond the recorded ones are allowed.
//!
//! Where this server differs on purpose, [`exceptions`] says so and why.

mod absent;
mod access;
mod book;
mod browser;
mod document;
mod exceptions;
mod flows;
mod walk;
