//! What the application provides: three callbacks.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::acks::Ack;
use crate::reason::DisconnectReason;
use crate::socket::Socket;

/// The callbacks of one kind of server.
///
/// For one socket they run one after the other: `connected`, then its events in order, then `disconnected`.
/// An event that needs long should start a task of its own. A callback that panics or exceeds
/// the handler time limit is logged and ends; the socket lives on.
pub trait Application: Send + Sync + 'static {
    /// A socket joined. `auth` is the object of its CONNECT packet, if any.
    ///
    /// The client knows its sid already; events it sends meanwhile wait.
    fn connected(&self, socket: &Socket, auth: Option<&RawValue>) -> impl Future<Output = ()> + Send;

    /// A client sent an event. `arguments` is the JSON array of what followed its name.
    ///
    /// Dropping `ack` sends no acknowledgement.
    fn event(
        &self,
        socket: &Socket,
        name: &str,
        arguments: &RawValue,
        ack: Option<Ack>,
    ) -> impl Future<Output = ()> + Send;

    /// A socket is gone: it has left all rooms and gets nothing any more. [`Socket::rooms`] still says where it was.
    fn disconnected(&self, socket: &Socket, reason: DisconnectReason) -> impl Future<Output = ()> + Send;
}

/// One callback to make, with all it needs.
pub(crate) enum Work {
    Connected(Option<Box<RawValue>>),
    Event { name: String, arguments: Box<RawValue>, ack: Option<Ack> },
    Disconnected(DisconnectReason),
}

impl Work {
    /// Bytes held while it waits.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Connected(auth) => auth.as_ref().map_or(0, |auth| auth.get().len()),
            Self::Event { name, arguments, .. } => name.len() + arguments.get().len(),
            Self::Disconnected(_) => 0,
        }
    }

    /// What to call it in the log.
    fn label(&self) -> &str {
        match self {
            Self::Connected(_) => "connected",
            Self::Event { name, .. } => name,
            Self::Disconnected(_) => "disconnected",
        }
    }
}

/// [`Application`] behind a pointer.
pub(crate) trait Handlers: Send + Sync {
    /// Makes one callback, within `limit` and without letting a panic through.
    fn run(self: Arc<Self>, socket: Socket, work: Work, limit: Duration) -> BoxFuture<'static, ()>;
}

impl<A: Application> Handlers for A {
    fn run(self: Arc<Self>, socket: Socket, mut work: Work, limit: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let callback = async {
                match &mut work {
                    Work::Connected(auth) => self.connected(&socket, auth.as_deref()).await,
                    Work::Event { name, arguments, ack } => {
                        self.event(&socket, name, arguments, ack.take()).await;
                    }
                    Work::Disconnected(reason) => self.disconnected(&socket, *reason).await,
                }
            };
            let outcome = tokio::time::timeout(limit, AssertUnwindSafe(callback).catch_unwind()).await;
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::error!(
                    sid = socket.sid(),
                    event = work.label(),
                    "A socket event handler panicked. The event was dropped and the socket goes on. This is a \
                     fault of the server: report it with the lines above."
                ),
                Err(_) => tracing::error!(
                    sid = socket.sid(),
                    event = work.label(),
                    "A socket event handler took longer than {limit:?} and was stopped. Look for a slow database \
                     or model service at this time."
                ),
            }
        })
    }
}
