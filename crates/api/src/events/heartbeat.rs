//! `heartbeat {}`: the person is still there.

use super::channel;
use crate::App;
use antiphon_auth::Session;
use antiphon_realtime::Socket;

pub(super) async fn heartbeat(app: &App, socket: &Socket, session: &Session) {
    app.presence.seen(socket.sid()).await;
    app.activity.touch(&session.identity.id);
    // Settings may have changed since the socket joined.
    channel::leave_unless_allowed(app, socket, session).await;
}
