//! The rig against the real servers that it starts.

mod standalone;
