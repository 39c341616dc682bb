//! What an account may do at all.

use serde::{Deserialize, Serialize};

/// The role of an account, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signed up, waits for an administrator.
    Pending,
    /// May use the server.
    User,
    /// May administer the server.
    Admin,
}
