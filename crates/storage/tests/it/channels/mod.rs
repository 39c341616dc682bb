//! Channels, their members and messages.

mod followed;
mod members;
mod talk;

use antiphon_storage::{
    Channel, ChannelItem, ChannelViewer, NewChannel, NewChannelMessage, NewGrant, Permission, Principal,
    Role, User,
};

use crate::support::Fixture;

fn viewer(user: &User) -> ChannelViewer<'_> {
    ChannelViewer { user_id: &user.id, is_admin: user.role == Role::Admin, group_ids: &[] }
}

fn grant(principal_id: &str, permission: Permission) -> NewGrant {
    NewGrant { principal_type: Principal::User, principal_id: principal_id.into(), permission }
}

fn named(name: &str) -> NewChannel {
    NewChannel { name: name.into(), ..NewChannel::default() }
}

fn text(content: &str) -> NewChannelMessage {
    NewChannelMessage { content: content.into(), ..NewChannelMessage::default() }
}

async fn open(fixture: &Fixture, owner: &User, grants: &[NewGrant]) -> Channel {
    fixture.db.channels().create_open(&owner.id, named("open"), grants).await.unwrap()
}

async fn listed(fixture: &Fixture, user: &User) -> Vec<ChannelItem> {
    fixture.db.channels().list(viewer(user)).await.unwrap()
}

fn ids(items: &[ChannelItem]) -> Vec<&str> {
    items.iter().map(|item| item.channel.id.as_str()).collect()
}
