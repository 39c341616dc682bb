//! The event bus over Redis: what crosses nodes, in every topology.

mod breaks;
mod cross;
mod polls;
mod support;
