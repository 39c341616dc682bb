//! Finds variables that look like ours but are not.

use super::spelling::nearest;
use super::variable::Entry;
use crate::environment::{Environment, is_service_link};
use crate::notice::Notice;

/// Families of names in which an unknown name is most likely a slip.
const FAMILIES: [&str; 3] = ["REDIS_", "WEBSOCKET_", "WEBUI_"];

/// Notices for set variables of these families that the registry does not know.
pub(crate) fn unknown_names(environment: &Environment, entries: &[Entry]) -> Vec<Notice> {
    environment
        .iter()
        .filter(|(name, _)| FAMILIES.iter().any(|family| name.starts_with(family)))
        .filter(|(name, _)| !entries.iter().any(|entry| entry.name == *name))
        .filter(|(name, text)| !is_service_link(name, text))
        .map(|(name, _)| {
            let text = match nearest(name, entries.iter().map(|entry| entry.name)) {
                Some(known) => format!("this variable is not known and has no effect. Did you mean {known}?"),
                None => "this variable is not known and has no effect. Remove it, or look for its name in the reference.".to_owned(),
            };
            Notice::warning(name, text)
        })
        .collect()
}
