//! Closes the sockets of revoked tokens, at once.

use crate::App;
use antiphon_auth::Session;
use antiphon_state::revocation::Revoked;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// Runs until `stop`: each revocation closes the sockets of its token, or of all tokens of its user.
pub async fn close_revoked(app: App, stop: CancellationToken) {
    let mut revocations = app.revocations.subscribe();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = revocations.recv() => event,
        };
        match event {
            Ok(Revoked::Token { token_id, user_id }) => close(&app, &user_id, Some(&token_id)).await,
            Ok(Revoked::User { user_id, .. }) => close(&app, &user_id, None).await,
            Ok(Revoked::Changed { user_id }) => recheck(&app, Some(&user_id)).await,
            Ok(Revoked::Told { user_id }) => close_elsewhere(&app, &user_id).await,
            // Some were missed: every socket of this node is looked at.
            Ok(Revoked::Anything) | Err(RecvError::Lagged(_)) => recheck(&app, None).await,
            Err(RecvError::Closed) => return,
        }
    }
}

/// Closes the sockets of a user, or of everybody, whose session does not hold any more. After messages of other nodes were
/// missed, the others are put into the rooms that are theirs now.
async fn recheck(app: &App, user_id: Option<&str>) {
    for socket in app.realtime.sockets() {
        let Some(session) = socket.session::<Session>() else { continue };
        if user_id.is_some_and(|user_id| session.user_id() != user_id) {
            continue;
        }
        match super::current(app, &session).await {
            None => socket.disconnect(super::SIGNED_OUT),
            Some(session) if user_id.is_none() => super::channel::mend(app, &socket, &session).await,
            Some(_) => {}
        }
    }
}

/// Closes the sockets of a user at servers of another kind, of all devices: whose token is whose is not known here. Those with a
/// good token come back.
async fn close_elsewhere(app: &App, user_id: &str) {
    for sid in app.presence.other_sessions_of_user(user_id).await {
        if let Err(error) = app.realtime.disconnect(&sid, super::SIGNED_OUT).await {
            tracing::warn!(
                %error,
                "a socket at another server was not told to close; that server closes it within 30 s, when it checks its token again"
            );
        }
    }
}

/// Closes the sockets of a token, or of a user, on this node; every node hears of it and does the same.
async fn close(app: &App, user_id: &str, token_id: Option<&str>) {
    for sid in app.presence.sessions_of_user(user_id).await {
        let Some(socket) = app.realtime.socket(&sid) else { continue };
        let Some(session) = app.presence.session(&sid).await else { continue };
        if token_id.is_none_or(|token_id| *session.token_id == *token_id) {
            socket.disconnect(super::SIGNED_OUT);
        }
    }
}
