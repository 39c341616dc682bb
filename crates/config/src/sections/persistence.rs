//! How the settings in SQL and the environment go together.

use crate::registry::{section, variable};
use crate::rules::Bool;

section! {
    /// How the settings in SQL and the environment go together.
    pub struct Persistence, "Stored settings" {
        /// Keeps settings in SQL, where they win over the environment after the first start.
        enabled: bool = variable("ENABLE_PERSISTENT_CONFIG", Bool).or("true");
        /// Deletes the stored settings at the start, so that the environment seeds them again.
        reset_on_start: bool = variable("RESET_CONFIG_ON_START", Bool).or("false");
        /// Keeps the settings of sign-in through a provider (`oauth.…`) in SQL too, and lets administrators change them. Otherwise
        /// each start takes them from the environment.
        oauth: bool = variable("ENABLE_OAUTH_PERSISTENT_CONFIG", Bool).or("false");
    }
}
