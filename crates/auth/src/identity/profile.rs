//! What a person shows of themselves. Pages ask for it at every load, so it is kept beside the identity.

use antiphon_storage::User;

/// Largest profile that is kept in memory, in bytes of text: uploaded pictures are often larger, their paths are not.
pub const MAX_PROFILE_BYTES: usize = 2 * 1024;

/// The part of an account that its owner writes for others to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Picture: a `data:` URL or a path.
    pub profile_image_url: String,
    /// About the person.
    pub bio: Option<String>,
    /// Free text.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// Emoji of the status.
    pub status_emoji: Option<String>,
    /// Text of the status.
    pub status_message: Option<String>,
    /// When the status ends, in Unix seconds.
    pub status_expires_at: Option<i64>,
}

impl Profile {
    /// The profile, if it is small enough to be kept.
    pub(crate) fn into_kept(self) -> Option<Box<Self>> {
        (self.bytes() <= MAX_PROFILE_BYTES).then(|| Box::new(self))
    }

    fn bytes(&self) -> usize {
        let optional =
            [&self.bio, &self.gender, &self.date_of_birth, &self.status_emoji, &self.status_message];
        self.profile_image_url.len() + optional.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        Self {
            profile_image_url: user.profile_image_url,
            bio: user.bio,
            gender: user.gender,
            date_of_birth: user.date_of_birth,
            status_emoji: user.status_emoji,
            status_message: user.status_message,
            status_expires_at: user.status_expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_kept_unless_it_is_large() {
        let small =
            Profile { profile_image_url: "/user.png".into(), bio: Some("Hi".into()), ..Profile::default() };
        assert_eq!(small.clone().into_kept().as_deref(), Some(&small));
        let bio = Some("x".repeat(MAX_PROFILE_BYTES - "/user.png".len()));
        assert!(Profile { bio: bio.clone(), ..small.clone() }.into_kept().is_some());
        assert!(Profile { bio, gender: Some("y".into()), ..small }.into_kept().is_none());
    }
}
