//! Closes the sockets of revoked tokens, at once.

use crate::App;
use antiphon_auth::{AuthError, Session};
use antiphon_realtime::Socket;
use antiphon_state::catch_up::WHILE_CUT_OFF;
use antiphon_state::revocation::Revoked;
use antiphon_storage::PEOPLE_PER_LOOK;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Runs until `stop`: each revocation closes the sockets of its token, or of all tokens of its user.
pub async fn close_revoked(app: App, stop: CancellationToken) {
    let mut revocations = app.revocations.subscribe();
    // Whether sockets could not be checked yet, because the database was away.
    let mut owed = false;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = revocations.recv() => event,
            () = sleep(WHILE_CUT_OFF), if owed => Ok(Revoked::Anything),
        };
        match event {
            Ok(Revoked::Token { token_id, user_id }) => close(&app, &user_id, Some(&token_id)).await,
            Ok(Revoked::User { user_id, .. }) => close(&app, &user_id, None).await,
            Ok(Revoked::Changed { user_id }) => recheck(&app, &user_id).await,
            Ok(Revoked::Told { user_id }) => close_elsewhere(&app, &user_id).await,
            // Some were missed: every socket of this node is looked at.
            Ok(Revoked::Anything) | Err(RecvError::Lagged(_)) => {
                let checked = recheck_all(&app).await;
                if let Err(error) = &checked
                    && !owed
                {
                    tracing::warn!(
                        %error,
                        "Sockets could not be checked after messages of other nodes were missed, and are when the database answers \
                         again. What they do is checked all the same. Check the database."
                    );
                }
                owed = checked.is_err();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Closes the sockets of a user whose session does not hold any more.
async fn recheck(app: &App, user_id: &str) {
    for (socket, session) in signed_in(app) {
        if session.user_id() == user_id && super::current(app, &session).await.is_none() {
            socket.disconnect(super::SIGNED_OUT);
        }
    }
}

/// Closes all sockets whose session does not hold any more, after messages of other nodes were missed. The others are put into
/// the rooms that are theirs now. SQL is asked for many at a time.
///
/// Fails while the database is away; those whose token is known to be revoked are closed nevertheless.
async fn recheck_all(app: &App) -> Result<(), AuthError> {
    let begin = Instant::now();
    let all: Vec<_> = signed_in(app).collect();
    for some in all.chunks(PEOPLE_PER_LOOK) {
        let people: HashSet<&str> = some.iter().map(|(_, session)| session.user_id()).collect();
        let people: Vec<&str> = people.into_iter().collect();
        if let Err(error) = app.authenticator.look_ahead(&people).await {
            // One by one each would wait for the database in vain.
            let revoked = all.iter().filter(|(_, session)| app.authenticator.is_revoked(session));
            revoked.for_each(|(socket, _)| socket.disconnect(super::SIGNED_OUT));
            return Err(error);
        }
        let mut good = Vec::with_capacity(some.len());
        for (socket, session) in some {
            match super::current(app, session).await {
                None => socket.disconnect(super::SIGNED_OUT),
                Some(session) => good.push((socket.clone(), session)),
            }
        }
        super::channel::mend(app, &good).await;
    }
    tracing::debug!(sockets = all.len(), took = ?begin.elapsed(), "sockets were checked after messages of other nodes were missed");
    Ok(())
}

/// The sockets of this node that are somebody's.
fn signed_in(app: &App) -> impl Iterator<Item = (Socket, Arc<Session>)> {
    app.realtime.sockets().into_iter().filter_map(|socket| {
        let session = socket.session::<Session>()?;
        Some((socket, session))
    })
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
