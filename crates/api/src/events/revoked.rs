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
            // Some were missed: every socket of this node is looked at.
            Err(RecvError::Lagged(_)) => recheck(&app).await,
            Err(RecvError::Closed) => return,
        }
    }
}

async fn recheck(app: &App) {
    for socket in app.realtime.sockets() {
        if let Some(session) = socket.session::<Session>()
            && super::current(app, &session).await.is_none()
        {
            socket.disconnect(super::SIGNED_OUT);
        }
    }
}

async fn close(app: &App, user_id: &str, token_id: Option<&str>) {
    for sid in app.presence.sessions_of_user(user_id).await {
        let Some(session) = app.presence.session(&sid).await else { continue };
        if token_id.is_none_or(|token_id| *session.token_id == *token_id)
            && let Err(error) = app.realtime.disconnect(&sid, super::SIGNED_OUT).await
        {
            tracing::warn!(%error, "a socket of an ended session could not be closed; it closes with its next event");
        }
    }
}
