//! Who is told about a reply, and the envelope its events travel in.

use antiphon_realtime::{EmitError, Realtime};
use serde::Serialize;

/// Name of the Socket.IO event that carries everything about chats.
pub const EVENT: &str = "events";

/// The room of all sockets of a user.
pub fn user_room(user_id: &str) -> String {
    format!("user:{user_id}")
}

/// The room of all sockets that have a chat open.
pub fn chat_room(chat_id: &str) -> String {
    format!("chat:{chat_id}")
}

/// `{chat_id, message_id, data: {type, data}}`, as the web client expects it.
#[derive(Serialize)]
struct Envelope<'a, T> {
    chat_id: &'a str,
    message_id: &'a str,
    data: Body<'a, T>,
}

#[derive(Serialize)]
struct Body<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

/// The same for everybody who has the chat open: marked as shared, with the user whose turn it is.
#[derive(Serialize)]
struct SharedEnvelope<'a, T> {
    chat_id: &'a str,
    message_id: &'a str,
    user_id: &'a str,
    shared: bool,
    data: Body<'a, T>,
}

/// The sockets that follow one reply.
#[derive(Clone)]
pub struct Audience {
    realtime: Realtime,
    user_id: String,
    user_room: String,
    chat_id: String,
    message_id: String,
}

impl Audience {
    /// The sockets of `user_id`, for the reply `message_id` of `chat_id`.
    pub fn new(realtime: Realtime, user_id: &str, chat_id: &str, message_id: &str) -> Self {
        Self {
            realtime,
            user_id: user_id.to_owned(),
            user_room: user_room(user_id),
            chat_id: chat_id.to_owned(),
            message_id: message_id.to_owned(),
        }
    }

    /// Tells all sockets of the user.
    pub async fn tell<T: Serialize + Sync>(&self, kind: &str, data: &T) {
        self.send(kind, Some(data)).await;
    }

    /// Tells all sockets of the user an event without data.
    pub async fn tell_bare(&self, kind: &str) {
        self.send::<()>(kind, None).await;
    }

    /// Tells everybody who has the chat open, but the socket that caused it.
    pub async fn tell_viewers<T: Serialize + Sync>(&self, kind: &str, data: &T, except: Option<&str>) {
        let envelope = SharedEnvelope {
            chat_id: &self.chat_id,
            message_id: &self.message_id,
            user_id: &self.user_id,
            shared: true,
            data: Body { kind, data: Some(data) },
        };
        let mut target = self.realtime.to(chat_room(&self.chat_id));
        if let Some(sid) = except {
            target = target.except(sid);
        }
        report(target.emit(EVENT, &envelope).await);
    }

    async fn send<T: Serialize + Sync>(&self, kind: &str, data: Option<&T>) {
        let envelope =
            Envelope { chat_id: &self.chat_id, message_id: &self.message_id, data: Body { kind, data } };
        report(self.realtime.to(&self.user_room).emit(EVENT, &envelope).await);
    }
}

/// An event that did not reach everybody is no fault of the reply: who missed it reads the chat.
fn report(sent: Result<usize, EmitError>) {
    if let Err(error) = sent
        && !error.is_told_by_bus()
    {
        tracing::warn!(%error, "an event of a reply did not reach every node; who missed it sees it with the next reload");
    }
}
