//! Parts of the shared state used together, from several tasks at once, and the way to real Redis servers.

#![cfg(test)]

mod concurrency;
mod redis;
