//! `events:chat {chat_id, data: {type, data?}}`: joining, leaving, typing and reading a chat.

use super::{EVENT, answer, first, tell};
use crate::App;
use antiphon_auth::Session;
use antiphon_generation::audience::{chat_room, user_room};
use antiphon_realtime::{Ack, Socket};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
struct ChatEvent {
    chat_id: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

pub(super) async fn event(
    app: &App,
    socket: &Socket,
    session: &Session,
    arguments: &RawValue,
    ack: Option<Ack>,
) {
    let done = match first::<ChatEvent>(arguments) {
        Some(event) if is_saved(&event.chat_id) => act(app, socket, session, &event).await,
        _ => Some(false),
    };
    if let (Some(done), Some(ack)) = (done, ack) {
        answer(ack, &done);
    }
}

/// Whether the id can belong to a stored chat.
pub(crate) fn is_saved(chat_id: &str) -> bool {
    !["temporary:", "local:", "channel:"].iter().any(|prefix| chat_id.starts_with(prefix))
}

/// Does what the event asks; none where no acknowledgement is given.
async fn act(app: &App, socket: &Socket, session: &Session, event: &ChatEvent) -> Option<bool> {
    let chat_id = event.chat_id.as_str();
    let room = chat_room(chat_id);
    match event.data.kind.as_str() {
        "join" => {
            if !owns(app, session, chat_id).await {
                return Some(false);
            }
            if app.presence.open_chat(socket.sid(), chat_id).await.is_err() {
                return Some(false);
            }
            socket.join(&room).await;
            tell_presence(app, chat_id).await;
            Some(true)
        }
        "leave" => {
            socket.leave(&room).await;
            if app.presence.close_chat(socket.sid(), chat_id).await {
                tell_presence(app, chat_id).await;
            }
            Some(true)
        }
        "typing" => {
            if !socket.is_in(&room) {
                return Some(false);
            }
            let identity = &session.identity;
            let typing = event.data.data["typing"].as_bool().unwrap_or_default();
            let envelope = json!({
                "chat_id": chat_id, "user_id": identity.id, "user": { "id": identity.id, "name": identity.name },
                "shared": true, "data": { "type": "typing", "data": { "typing": typing } },
            });
            tell(app.realtime.to(&room).except(socket.sid()), &envelope).await;
            Some(true)
        }
        "last_read_at" => {
            mark_read(app, session, chat_id).await;
            None
        }
        _ => Some(false),
    }
}

async fn owns(app: &App, session: &Session, chat_id: &str) -> bool {
    let owner = app.database.chats().owner(chat_id).await;
    owner.is_ok_and(|owner| owner.as_deref() == Some(session.user_id()))
}

async fn mark_read(app: &App, session: &Session, chat_id: &str) {
    let user_id = &session.identity.id;
    let marked = app.database.chats().set_last_read_at(user_id, chat_id, app.now()).await;
    let Some(at) = marked.unwrap_or_default() else { return };
    let envelope = json!({
        "chat_id": chat_id,
        "data": { "type": "chat:list", "data": { "chat_id": chat_id, "last_read_at": at, "folder_unread_counts": {} } },
    });
    tell(app.realtime.to(user_room(user_id)), &envelope).await;
}

/// Tells the sockets of this node that have the chat open who else has. The other nodes do the same once they know, so that
/// what each socket is told last is what its node knows last.
pub(super) async fn tell_presence(app: &App, chat_id: &str) {
    let users: Vec<Value> = app
        .presence
        .participants(chat_id)
        .await
        .into_iter()
        .map(|participant| json!({ "id": participant.id, "name": participant.name }))
        .collect();
    if users.is_empty() {
        return;
    }
    let envelope = json!({
        "chat_id": chat_id, "shared": true, "data": { "type": "chat:presence", "data": { "users": users } },
    });
    for socket in app.realtime.sockets_in(&chat_room(chat_id)) {
        if let Err(error) = socket.emit(EVENT, &envelope) {
            tracing::debug!(%error, "a socket is not told who has the chat open; it is when that changes");
        }
    }
}

/// Tells the sockets of this node when the participants of their chats changed on another node, until `stop`.
pub async fn follow_presence(app: App, stop: CancellationToken) {
    let mut changes = app.presence.changes();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = changes.recv() => next,
        };
        match next {
            Ok(chat_id) => tell_presence(&app, &chat_id).await,
            Err(RecvError::Lagged(_)) => {
                for chat_id in app.presence.chats_here() {
                    tell_presence(&app, &chat_id).await;
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}
