//! The realtime layer over real TCP connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as the tests themselves do"
)]

mod acks;
mod events;
mod fleet;
mod fuzz;
mod handshake;
mod heartbeat;
mod hostile;
mod lifecycle;
mod limits;
mod origin;
mod polling;
mod protocol;
mod rooms;
mod slow;
mod support;
