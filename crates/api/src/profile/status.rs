//! The status that somebody shows, while it lasts.

use antiphon_auth::Profile;
use antiphon_storage::{ChannelPerson, User};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// The status of a profile; empty once it is over.
    pub(crate) fn of_profile(profile: &Profile) -> Self {
        Self {
            emoji: profile.status_emoji.clone(),
            message: profile.status_message.clone(),
            expires_at: profile.status_expires_at,
        }
        .while_it_lasts()
    }

    /// The status of an account; empty once it is over.
    pub(crate) fn of(user: &User) -> Self {
        Self {
            emoji: user.status_emoji.clone(),
            message: user.status_message.clone(),
            expires_at: user.status_expires_at,
        }
        .while_it_lasts()
    }

    /// The status of somebody in a channel; empty once it is over.
    pub(crate) fn of_person(person: &ChannelPerson) -> Self {
        Self {
            emoji: person.status_emoji.clone(),
            message: person.status_message.clone(),
            expires_at: person.status_expires_at,
        }
        .while_it_lasts()
    }

    fn while_it_lasts(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if self.expires_at.is_some_and(|end| end <= now) { Self::default() } else { self }
    }
}
