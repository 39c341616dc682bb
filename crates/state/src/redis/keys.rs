//! Names that this layer itself uses at Redis, and the rule for the prefix of all names.

use std::sync::Arc;

use super::options::{Reach, RedisOptions};

/// The start of every key: the prefix, in a cluster in braces, so that all keys of the fleet that need it share one slot.
///
/// Type: text before the first `:`.
pub fn prefix(options: &RedisOptions) -> String {
    match options.reach {
        Reach::Cluster(_) => format!("{{{}}}", options.prefix),
        Reach::Standalone(_) | Reach::Sentinel(_) => options.prefix.to_string(),
    }
}

/// The private channel by which a node's subscription proves itself. A channel, so there is nothing to expire.
pub(crate) fn nonce_channel(options: &RedisOptions, node: &str) -> Arc<str> {
    format!("{}:antiphon:nonce:{node}", options.prefix).into()
}
