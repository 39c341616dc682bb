//! What sockets say and are told: one file per subject.
//!
//! Every event is checked for its room, whatever the client claims. A socket without identity may only join.

pub(crate) mod channel;
mod chat;
mod heartbeat;
mod join;
mod revoked;
mod usage;

pub use chat::follow_presence;
pub(crate) use chat::is_saved;
pub use revoked::close_revoked;

use crate::App;
use antiphon_auth::{AuthError, Session};
use antiphon_generation::audience::EVENT;
use antiphon_realtime::{Ack, Application, DisconnectReason, Emission, Socket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Why a socket is closed whose token is no longer good.
pub(crate) const SIGNED_OUT: &str = "signed out";

/// The application behind the sockets.
pub struct Events {
    app: App,
}

impl Events {
    /// Handlers that act on `app`.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl Application for Events {
    async fn connected(&self, socket: &Socket, auth: Option<&RawValue>) {
        join::connected(&self.app, socket, auth).await;
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: &RawValue, ack: Option<Ack>) {
        if name == "user-join" {
            join::user_join(&self.app, socket, arguments, ack).await;
            return;
        }
        // Everything else needs an identity that is still good.
        let Some(session) = socket.session::<Session>() else {
            socket.disconnect("not signed in");
            return;
        };
        let Some(session) = current(&self.app, &session).await else {
            socket.disconnect(SIGNED_OUT);
            return;
        };
        match name {
            "heartbeat" => heartbeat::heartbeat(&self.app, socket, &session).await,
            "usage" => usage::usage(&self.app, socket, arguments).await,
            "join-channels" => join::join_channels(&self.app, socket, &session, ack).await,
            "events:channel" => channel::event(&self.app, socket, &session, arguments, ack).await,
            "events:chat" => chat::event(&self.app, socket, &session, arguments, ack).await,
            _ => tracing::debug!(name, "an unknown socket event was ignored"),
        }
    }

    async fn disconnected(&self, socket: &Socket, _: DisconnectReason) {
        join::disconnected(&self.app, socket).await;
    }
}

/// The first argument of an event, if it has the expected form.
fn first<T: DeserializeOwned>(arguments: &RawValue) -> Option<T> {
    let arguments: Vec<&RawValue> = serde_json::from_str(arguments.get()).ok()?;
    serde_json::from_str(arguments.first()?.get()).ok()
}

/// The session of a socket's token, if it may use sockets: a session token of an active account.
async fn identify(app: &App, token: &str) -> Option<Arc<Session>> {
    let session = app.authenticator.authenticate_token(token).await.ok()?;
    session.require_user().ok()?;
    Some(Arc::new(session))
}

/// The session of a socket as it is now, if it still holds. While the database is away, what was known goes on.
async fn current(app: &App, session: &Session) -> Option<Session> {
    match app.authenticator.revalidate(session).await {
        Ok(session) => session.require_user().is_ok().then_some(session),
        Err(AuthError::Unavailable | AuthError::Busy) => Some(session.clone()),
        Err(_) => None,
    }
}

/// Acknowledges an event. Nothing can be done for a client that is gone.
fn answer<T: Serialize>(ack: Ack, value: &T) {
    if let Err(error) = ack.send(value) {
        tracing::debug!(%error, "an event could not be acknowledged");
    }
}

/// Sends an envelope of `events`.
pub(crate) async fn tell<T: Serialize + Sync>(emission: Emission<'_>, envelope: &T) {
    if let Err(error) = emission.emit(EVENT, envelope).await
        && !error.is_told_by_bus()
    {
        tracing::warn!(%error, "an event did not reach everybody; who missed it sees it with the next reload");
    }
}
