//! `events:channel` and `join-channels`, and what the sockets of a channel are told.
//!
//! A socket is in the room of a channel only if it may be: it joins the rooms of its user's channels after
//! `user-join`, and leaves one when its user is taken out. So an event from a socket is authorised by its room alone,
//! without a look into SQL.

use crate::App;
use antiphon_auth::{Identity, Session, permission, permissions};
use antiphon_generation::audience::user_room;
use antiphon_realtime::{Ack, Emission, Socket};
use antiphon_storage::{Channel, ChannelViewer, Followed, Role};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Name of the event that carries everything about channels.
const EVENT: &str = "events:channel";

/// What every room of a channel begins with.
const ROOM: &str = "channel:";

/// Largest `data` of an event that is passed on to a channel, in bytes.
const MAX_RELAYED_BYTES: usize = 1024;

/// Longest id of a message in such an event, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The room of all sockets that follow a channel.
fn room(channel_id: &str) -> String {
    format!("{ROOM}{channel_id}")
}

/// Whether channels are on, and this account may use them.
pub(crate) fn may_use(app: &App, identity: &Identity) -> bool {
    let settings = app.settings();
    settings.features.channels
        && permissions::has(identity, &settings.permissions, permission!(features.channels))
}

/// The account, as far as access to channels depends on it. This server has no groups yet.
pub(crate) fn viewer(identity: &Identity) -> ChannelViewer<'_> {
    ChannelViewer { user_id: &identity.id, is_admin: identity.is_admin(), group_ids: &[] }
}

#[derive(Deserialize)]
struct ChannelEvent<'a> {
    #[serde(borrow)]
    channel_id: Cow<'a, str>,
    #[serde(borrow, default)]
    message_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Who did something, as the others in the channel see it.
#[derive(Serialize)]
struct Actor<'a> {
    id: &'a str,
    name: &'a str,
    role: Role,
}

impl<'a> From<&'a Identity> for Actor<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { id: &identity.id, name: &identity.name, role: identity.role }
    }
}

/// What a client said, passed on as it came.
#[derive(Serialize)]
struct Relayed<'a> {
    channel_id: &'a str,
    message_id: Option<&'a str>,
    data: &'a RawValue,
    user: Actor<'a>,
}

/// `events:channel {channel_id, message_id, data: {type, data?}}`: `typing` goes to the whole room, the sender
/// included; `last_read_at` is noted.
pub(super) async fn event(
    app: &App,
    socket: &Socket,
    session: &Session,
    arguments: &RawValue,
    ack: Option<Ack>,
) {
    if let Some(event) = parse(arguments) {
        act(app, socket, session, &event).await;
    }
    if let Some(ack) = ack {
        ack.send_empty();
    }
}

fn parse(arguments: &RawValue) -> Option<ChannelEvent<'_>> {
    let arguments: Vec<&RawValue> = serde_json::from_str(arguments.get()).ok()?;
    serde_json::from_str(arguments.first()?.get()).ok()
}

async fn act(app: &App, socket: &Socket, session: &Session, event: &ChannelEvent<'_>) {
    let room = room(&event.channel_id);
    let Ok(Kind { kind }) = serde_json::from_str(event.data.get()) else { return };
    if !socket.is_in(&room) || !may_use(app, &session.identity) {
        return;
    }
    match &*kind {
        "typing" => {
            let message_id = event.message_id.as_deref();
            if event.data.get().len() > MAX_RELAYED_BYTES
                || message_id.is_some_and(|id| id.len() > MAX_ID_BYTES)
            {
                return;
            }
            let relayed = Relayed {
                channel_id: &event.channel_id,
                message_id,
                data: event.data,
                user: Actor::from(&*session.identity),
            };
            send(app.realtime.to(room), &relayed).await;
        }
        "last_read_at" => app.read_marks().mark(session.user_id(), &event.channel_id),
        _ => tracing::debug!("an unknown event of a channel was ignored"),
    }
}

/// Puts the socket into the rooms of its user's channels.
pub(super) async fn join_all(app: &App, socket: &Socket, session: &Session) {
    if !may_use(app, &session.identity) {
        return;
    }
    match app.database.channels().followed(viewer(&session.identity)).await {
        Ok(followed) => join(app, socket, session, followed).await,
        Err(error) => {
            tracing::warn!(%error, "a socket follows no channels; it does after its next reconnect");
        }
    }
}

/// Puts the socket into the rooms of these channels.
async fn join(app: &App, socket: &Socket, session: &Session, followed: Followed) {
    let Followed { open, joined } = followed;
    let rooms: Vec<String> = open.iter().chain(&joined).map(|id| room(id)).collect();
    socket.join_all(rooms).await;
    if joined.is_empty() {
        return;
    }
    // Whoever was taken out of a channel while the socket joined was not in its room yet.
    let still = app.database.channels().joined_among(session.user_id(), &joined).await.unwrap_or_default();
    for id in joined.iter().filter(|id| !still.contains(*id)) {
        socket.leave(&room(id)).await;
    }
}

/// Puts sockets into the channels that their users follow, and takes them out of those that are their users' no more: whoever
/// changed that on another node may not have been heard. What is as it should be costs nothing but the one look into SQL.
pub(super) async fn mend(app: &App, sockets: &[(Socket, Session)]) {
    // Before the look, so that whoever is brought in after it is not taken out again.
    let present: Vec<HashSet<Arc<str>>> = sockets
        .iter()
        .map(|(socket, _)| socket.rooms().into_iter().filter(|room| room.starts_with(ROOM)).collect())
        .collect();
    let people: HashMap<&str, ChannelViewer<'_>> =
        sockets.iter().map(|(_, session)| (session.user_id(), viewer(&session.identity))).collect();
    let people: Vec<ChannelViewer<'_>> = people.into_values().collect();
    let followed = match app.database.channels().followed_by(&people).await {
        Ok(followed) => followed,
        Err(error) => {
            tracing::warn!(
                %error, sockets = sockets.len(),
                "the channels of sockets could not be checked after messages of other nodes were missed. Check the database; \
                 the next break of Redis or reconnect of the page checks again."
            );
            return;
        }
    };
    for ((socket, session), present) in sockets.iter().zip(present) {
        let Some(followed) = followed.get(session.user_id()) else { continue };
        let wanted: HashSet<String> =
            followed.open.iter().chain(&followed.joined).map(|id| room(id)).collect();
        for room in present.iter().filter(|room| !wanted.contains(&***room)) {
            socket.leave(room).await;
        }
        if !may_use(app, &session.identity) {
            continue;
        }
        let missing = |ids: &[String]| -> Vec<String> {
            ids.iter().filter(|id| !present.contains(room(id).as_str())).cloned().collect()
        };
        let missing = Followed { open: missing(&followed.open), joined: missing(&followed.joined) };
        if missing != Followed::default() {
            join(app, socket, session, missing).await;
        }
    }
}

/// Takes the socket out of all channels if its user may no longer use any.
pub(super) async fn leave_unless_allowed(app: &App, socket: &Socket, session: &Session) {
    if may_use(app, &session.identity) {
        return;
    }
    for room in socket.rooms().iter().filter(|room| room.starts_with(ROOM)) {
        socket.leave(room).await;
    }
}

/// Something about a message, with who did it and where.
#[derive(Serialize)]
struct Envelope<'a, T> {
    channel_id: &'a str,
    message_id: &'a str,
    data: Body<'a, T>,
    user: Actor<'a>,
    channel: &'a Channel,
}

#[derive(Serialize)]
struct Body<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a T,
}

/// Tells everybody who follows a channel what `identity` did with one of its messages.
pub(crate) async fn tell<T: Serialize + Sync>(
    app: &App,
    channel: &Channel,
    message_id: &str,
    kind: &str,
    data: &T,
    identity: &Identity,
) {
    let envelope = Envelope {
        channel_id: &channel.id,
        message_id,
        data: Body { kind, data },
        user: identity.into(),
        channel,
    };
    send(app.realtime.to(room(&channel.id)), &envelope).await;
}

/// Puts the sockets of these people into the room of a channel, on every node.
pub(crate) async fn bring_in(app: &App, channel_id: &str, user_ids: &[String]) {
    let room = room(channel_id);
    for user_id in user_ids {
        for sid in app.presence.sessions_of_user(user_id).await {
            if let Err(error) = app.realtime.join(&sid, &room).await {
                tracing::warn!(%error, "a socket did not join a new channel; it does after its next reconnect");
            }
        }
    }
}

/// Takes the sockets of these people out of the room of a channel, on every node.
pub(crate) async fn take_out(app: &App, channel_id: &str, user_ids: &[String]) {
    let room = room(channel_id);
    for user_id in user_ids {
        for sid in app.presence.sessions_of_user(user_id).await {
            if let Err(error) = app.realtime.leave(&sid, &room).await {
                tracing::warn!(
                    %error,
                    "a socket could not be taken out of a channel; close the sessions of its user if it must not follow it"
                );
            }
        }
    }
}

/// Tells these people that there is a channel for them which was not in their lists.
pub(crate) async fn tell_created(app: &App, user_ids: &[String]) {
    let mut rooms = user_ids.iter().map(|user_id| user_room(user_id));
    let Some(first) = rooms.next() else { return };
    let emission = rooms.fold(app.realtime.to(first), Emission::to);
    send(emission, &json!({ "data": { "type": "channel:created" } })).await;
}

async fn send<T: Serialize + Sync>(emission: Emission<'_>, payload: &T) {
    if let Err(error) = emission.emit(EVENT, payload).await
        && !error.is_told_by_bus()
    {
        tracing::warn!(%error, "an event of a channel did not reach everybody; who missed it sees it with the next reload");
    }
}
