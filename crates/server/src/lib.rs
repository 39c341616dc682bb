//! The server: commands, wiring and the life of a node.
//!
//! [`Node::start`] puts one node together from its configuration; two nodes can run side by side in one process.

pub mod commands;
mod fleet;
mod layers;
mod listener;
mod local_model;
mod node;
mod options;
mod redis;
mod upkeep;

pub use node::Node;
