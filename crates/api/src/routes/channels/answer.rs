//! How channels and the people in them are shown.

use crate::App;
use crate::profile::Status;
use antiphon_storage::{Channel, ChannelItem, ChannelPerson, Role};
use serde::Serialize;

/// Somebody in a channel, in short.
#[derive(Serialize)]
pub(super) struct Person {
    id: String,
    name: String,
    is_active: bool,
    #[serde(flatten)]
    status: Status,
}

impl Person {
    async fn of(app: &App, person: ChannelPerson) -> Self {
        Self {
            is_active: app.presence.is_online(&person.id).await,
            status: Status::of_person(&person, app.now()),
            id: person.id,
            name: person.name,
        }
    }
}

/// The people of a channel that is for its members.
#[derive(Default, Serialize)]
pub(super) struct People {
    user_ids: Option<Vec<String>>,
    users: Option<Vec<Person>>,
}

impl People {
    pub(super) async fn of(app: &App, people: Option<Vec<ChannelPerson>>) -> Self {
        let Some(people) = people else { return Self::default() };
        let user_ids = people.iter().map(|person| person.id.clone()).collect();
        let mut users = Vec::with_capacity(people.len());
        for person in people {
            users.push(Person::of(app, person).await);
        }
        Self { user_ids: Some(user_ids), users: Some(users) }
    }
}

/// A channel in the list.
#[derive(Serialize)]
pub(super) struct ListedChannel {
    #[serde(flatten)]
    item: ChannelItem,
    /// Muting comes with a later release.
    is_channel_muted: bool,
    #[serde(flatten)]
    people: People,
}

impl ListedChannel {
    pub(super) async fn of(app: &App, mut item: ChannelItem) -> Self {
        let people = People::of(app, item.people.take()).await;
        Self { item, is_channel_muted: false, people }
    }
}

/// A channel that is opened.
#[derive(Serialize)]
pub(super) struct OpenedChannel {
    #[serde(flatten)]
    pub(super) channel: Channel,
    pub(super) is_manager: bool,
    pub(super) write_access: bool,
    pub(super) user_count: i64,
    /// Muting comes with a later release.
    pub(super) is_channel_muted: bool,
    #[serde(flatten)]
    pub(super) people: People,
    /// Unix nanoseconds.
    pub(super) last_read_at: Option<i64>,
    pub(super) unread_count: i64,
}

/// Somebody in the list of a channel's people.
#[derive(Serialize)]
pub(super) struct Member {
    id: String,
    name: String,
    email: String,
    role: Role,
    profile_image_url: String,
    presence_state: Option<String>,
    #[serde(flatten)]
    status: Status,
    is_active: bool,
}

impl Member {
    pub(super) async fn of(app: &App, person: ChannelPerson) -> Self {
        Self {
            is_active: app.presence.is_online(&person.id).await,
            status: Status::of_person(&person, app.now()),
            // The picture itself may be large and is the same on every page.
            profile_image_url: format!("/api/v1/users/{}/profile/image", person.id),
            id: person.id,
            name: person.name,
            email: person.email,
            role: person.role,
            presence_state: person.presence_state,
        }
    }
}
