//! Switches that only the environment can set.

use crate::registry::{section, variable};
use crate::rules::Bool;

section! {
    /// Switches that only the environment can set.
    pub struct Features, "Switches" {
        /// Lets everybody, not only administrators, see how many people are active.
        public_active_users: bool = variable("ENABLE_PUBLIC_ACTIVE_USERS_COUNT", Bool).or("true");
    }
    others {
        /// Allows plug-ins of any kind.
        variable("ENABLE_PLUGINS", Bool).or("true").reserved();
        /// Allows tools.
        variable("ENABLE_TOOLS", Bool).or("true").reserved();
        /// Allows functions.
        variable("ENABLE_FUNCTIONS", Bool).or("true").reserved();
        /// Allows tool servers.
        variable("ENABLE_TOOL_SERVERS", Bool).or("true").reserved();
    }
}
