//! What an account may do: administrators everything, everybody else what the server's permissions say.

use antiphon_config::Permissions;

use crate::error::{AuthError, Result};
use crate::identity::Identity;

/// One permission, made by [`permission!`](crate::permission!).
#[derive(Clone, Copy, Debug)]
pub struct Permission {
    name: &'static str,
    granted: fn(&Permissions) -> bool,
}

/// The permission with this path in [`Permissions`], such as `permission!(features.channels)`; a name that does not
/// exist is an error of the compiler.
#[macro_export]
macro_rules! permission {
    ($group:ident.$field:ident) => {
        $crate::permissions::Permission::new(
            concat!(stringify!($group), ".", stringify!($field)),
            |permissions| permissions.$group.$field,
        )
    };
}

impl Permission {
    /// For [`permission!`](crate::permission!).
    #[doc(hidden)]
    pub const fn new(name: &'static str, granted: fn(&Permissions) -> bool) -> Self {
        Self { name, granted }
    }

    /// The dotted name.
    pub fn name(self) -> &'static str {
        self.name
    }
}

/// Whether the account has the permission.
pub fn has(identity: &Identity, permissions: &Permissions, permission: Permission) -> bool {
    identity.is_admin() || (permission.granted)(permissions)
}

/// Refuses accounts without the permission with [`AuthError::PermissionDenied`].
pub fn require(identity: &Identity, permissions: &Permissions, permission: Permission) -> Result<()> {
    if has(identity, permissions, permission) {
        Ok(())
    } else {
        Err(AuthError::PermissionDenied { permission: permission.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::testing::identity;

    #[test]
    fn administrators_may_everything_and_others_what_is_granted() {
        let mut permissions = Permissions::default();
        let channels = permission!(features.channels);
        assert_eq!(channels.name(), "features.channels");
        for (granted, role, allowed) in
            [(true, Role::User, true), (false, Role::User, false), (false, Role::Admin, true)]
        {
            permissions.features.channels = granted;
            assert_eq!(has(&identity("ada", role), &permissions, channels), allowed, "{granted} {role:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_permission() {
        let refused =
            require(&identity("ada", Role::User), &Permissions::default(), permission!(workspace.models))
                .unwrap_err();
        assert_eq!(refused.status(), 403);
        assert!(refused.to_string().contains("\"workspace.models\""));
    }
}
