//! The status that somebody shows, while it lasts.

use antiphon_auth::Profile;
use antiphon_storage::{ChannelPerson, User};
use serde::Serialize;

/// Emoji and text, and when they end (Unix seconds).
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    #[serde(rename = "status_emoji")]
    pub(crate) emoji: Option<String>,
    #[serde(rename = "status_message")]
    pub(crate) message: Option<String>,
    #[serde(rename = "status_expires_at")]
    pub(crate) expires_at: Option<i64>,
}

impl Status {
    /// The status of a profile; empty once it is over. `now`: Unix seconds.
    pub(crate) fn of_profile(profile: &Profile, now: i64) -> Self {
        Self {
            emoji: profile.status_emoji.clone(),
            message: profile.status_message.clone(),
            expires_at: profile.status_expires_at,
        }
        .while_it_lasts(now)
    }

    /// The status of an account; empty once it is over. `now`: Unix seconds.
    pub(crate) fn of(user: &User, now: i64) -> Self {
        Self {
            emoji: user.status_emoji.clone(),
            message: user.status_message.clone(),
            expires_at: user.status_expires_at,
        }
        .while_it_lasts(now)
    }

    /// The status of somebody in a channel; empty once it is over. `now`: Unix seconds.
    pub(crate) fn of_person(person: &ChannelPerson, now: i64) -> Self {
        Self {
            emoji: person.status_emoji.clone(),
            message: person.status_message.clone(),
            expires_at: person.status_expires_at,
        }
        .while_it_lasts(now)
    }

    fn while_it_lasts(self, now: i64) -> Self {
        if self.expires_at.is_some_and(|end| end <= now) { Self::default() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_ends_at_its_second_and_without_one_never() {
        let shown = |expires_at, now| {
            let status = Status { emoji: Some("🌴".to_owned()), message: None, expires_at };
            status.while_it_lasts(now).emoji.is_some()
        };
        assert!(shown(Some(1000), 999) && !shown(Some(1000), 1000) && shown(None, i64::MAX));
    }
}
