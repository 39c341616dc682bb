//! Roles that a provider gives (`ENABLE_OAUTH_ROLE_MANAGEMENT`).

use antiphon_config::{OAuth, OAuthSettings};
use antiphon_oidc::Person;
use antiphon_storage::Role;
use serde_json::Value;

/// What a provider says about somebody's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing: the role stays, or is the usual one.
    Nothing,
    /// This role.
    Role(Role),
    /// Roles of which none may sign in here.
    None,
}

/// The role that the provider gives to a person.
pub(super) fn given(oauth: &OAuthSettings, environment: &OAuth, person: &Person) -> Given {
    if !oauth.role_management {
        return Given::Nothing;
    }
    let roles = match person.claim(&oauth.roles_claim) {
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(roles)) => environment.split_roles(roles),
        Some(Value::Number(role)) => vec![role.to_string()],
        _ => Vec::new(),
    };
    if roles.is_empty() {
        return Given::Nothing;
    }
    let named = |names: Vec<String>| names.iter().any(|name| roles.contains(name));
    let allowed = oauth.allowed_role_names(environment);
    if named(oauth.admin_role_names(environment)) {
        Given::Role(Role::Admin)
    } else if allowed.iter().any(|name| name == "*") || named(allowed) {
        Given::Role(Role::User)
    } else {
        Given::None
    }
}
