//! How often a node looks into SQL for what other nodes have changed.
//!
//! Messages tell of changes at once, but may be lost; so whoever mirrors something looks for itself too.

use std::time::Duration;

/// Pause between two looks while other nodes cannot be heard.
pub const WHILE_CUT_OFF: Duration = Duration::from_secs(1);

/// The same while they can, for what one of them could not publish.
pub const AT_REST: Duration = Duration::from_secs(10);

/// The pause after a look, for a node that is cut off from the others or not.
pub fn pause(cut_off: bool) -> Duration {
    if cut_off { WHILE_CUT_OFF } else { AT_REST }
}
