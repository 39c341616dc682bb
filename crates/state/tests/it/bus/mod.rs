//! The event bus over Redis: what crosses nodes, in every topology.

mod breaks;
mod cross;
mod large;
mod logs;
mod polls;
mod support;
