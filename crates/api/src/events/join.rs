//! Who a socket is: from the token of its connect packet, or of `user-join` later.

use super::{answer, channel, current, first, identify};
use crate::App;
use antiphon_auth::Session;
use antiphon_generation::audience::user_room;
use antiphon_realtime::{Ack, Socket};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;

#[derive(Deserialize)]
struct Auth {
    token: Option<String>,
}

#[derive(Deserialize)]
struct UserJoin {
    auth: Option<Auth>,
}

/// A socket connected. Without a good token it stays, without identity and rooms.
pub(super) async fn connected(app: &App, socket: &Socket, auth: Option<&RawValue>) {
    let token =
        auth.and_then(|auth| serde_json::from_str::<Auth>(auth.get()).ok()).and_then(|auth| auth.token);
    if let Some(token) = token
        && let Some(session) = identify(app, &token).await
    {
        adopt(app, socket, &session).await;
    }
}

/// `user-join {auth: {token}}`: acknowledged with `{id, name}`, or with nothing when the token is not good.
pub(super) async fn user_join(app: &App, socket: &Socket, arguments: &RawValue, ack: Option<Ack>) {
    let token = first::<UserJoin>(arguments).and_then(|join| join.auth).and_then(|auth| auth.token);
    let session = match token {
        Some(token) => identify(app, &token).await,
        None => None,
    };
    let Some(session) = session else {
        if let Some(ack) = ack {
            ack.send_empty();
        }
        return;
    };
    adopt(app, socket, &session).await;
    channel::join_all(app, socket, &session).await;
    if let Some(ack) = ack {
        answer(ack, &json!({ "id": session.identity.id, "name": session.identity.name }));
    }
}

/// `join-channels {auth: {token}}`: there are channels which were not there at `user-join`. The token that the socket
/// was opened with counts, whatever comes with the event.
pub(super) async fn join_channels(app: &App, socket: &Socket, session: &Session, ack: Option<Ack>) {
    channel::join_all(app, socket, session).await;
    if let Some(ack) = ack {
        ack.send_empty();
    }
}

/// The socket is gone.
pub(super) async fn disconnected(app: &App, socket: &Socket) {
    if let Some(left) = app.presence.disconnect(socket.sid()).await {
        for chat_id in &left.chat_ids {
            super::chat::tell_presence(app, chat_id).await;
        }
    }
    if let Some(session) = socket.session::<Session>() {
        app.read_marks().leave(session.user_id()).await;
    }
}

/// Gives the socket the identity of `session` and the room of its user.
async fn adopt(app: &App, socket: &Socket, session: &Arc<Session>) {
    let identity = &session.identity;
    if let Some(before) = socket.session::<Session>() {
        if before.identity.id == identity.id && before.token_id() == session.token_id() {
            return;
        }
        // The same tab signed in as somebody else: nothing of the first account may reach it any more.
        for room in socket.rooms() {
            if room.as_ref() != socket.sid() {
                socket.leave(&room).await;
            }
        }
        disconnected(app, socket).await;
    }
    let token_id = session.token_id().unwrap_or_default();
    if let Err(error) = app.presence.connect(socket.sid(), &identity.id, &identity.name, token_id).await {
        tracing::warn!(%error, "a socket is not counted among those present; it works all the same");
    }
    socket.set_session(session.clone());
    socket.set_authenticated(true);
    socket.join(&user_room(&identity.id)).await;
    // A token that was revoked while the socket joined was not among those to close yet.
    if current(app, session).await.is_none() {
        socket.disconnect(super::SIGNED_OUT);
    }
}
