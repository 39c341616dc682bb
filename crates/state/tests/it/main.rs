//! Parts of the shared state used together, from several tasks at once, the bus of a fleet, and the way to real Redis servers.

#![cfg(test)]

mod bus;
mod concurrency;
mod limits;
mod lock;
mod presence;
mod redis;
mod revocation;
mod tasks;
