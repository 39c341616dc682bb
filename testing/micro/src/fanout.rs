//! One event to the sockets of a room: encoded once, queued for each, written by each socket's own task.
//!
//! The sockets are real websockets of a real node; only their transport is in memory and takes everything at once, so
//! that the system calls are not part of the figure.

use crate::measure::Runner;
use crate::packets::client_frame;
use antiphon_realtime::{Ack, Application, DisconnectReason, MemoryBus, Realtime, RealtimeConfig, Socket};
use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use serde_json::value::RawValue;
use std::io::{IoSlice, Result as IoResult, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const ROOM: &str = "channel:0b5b2c0e-8c0f-4c55-9b8e-8d2e6f0f8d11";

/// Rounds of all tasks that a delivery may take; one is enough in practice.
const MAX_ROUNDS: usize = 10_000;

/// Rounds without a byte after which everything is written.
const QUIET_ROUNDS: usize = 32;

/// The handshake of a websocket client.
const UPGRADE: &str = "GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Puts every socket into the room.
struct Members;

impl Application for Members {
    async fn connected(&self, socket: &Socket, _: Option<&RawValue>) {
        socket.set_authenticated(true);
        socket.join(ROOM).await;
    }

    async fn event(&self, _: &Socket, _: &str, _: &RawValue, _: Option<Ack>) {}

    async fn disconnected(&self, _: &Socket, _: DisconnectReason) {}
}

/// A client that has said all it has to say, and reads whatever comes.
struct Client {
    to_say: Vec<u8>,
    heard: Arc<AtomicUsize>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        if self.to_say.is_empty() {
            return Poll::Pending;
        }
        let count = self.to_say.len().min(buffer.remaining());
        buffer.put_slice(&self.to_say[..count]);
        self.to_say.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        self.heard.fetch_add(bytes.len(), Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<IoResult<usize>> {
        let count = slices.iter().map(|slice| slice.len()).sum();
        self.heard.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A room with its sockets.
struct Room {
    realtime: Realtime,
    /// Bytes that all clients have been sent.
    heard: Arc<AtomicUsize>,
    /// Bytes of one event on the wire.
    event: usize,
    members: usize,
}

impl Room {
    async fn with(members: usize) -> Result<Self> {
        let realtime = Realtime::new(RealtimeConfig::default(), Arc::new(MemoryBus::new()));
        realtime.serve(Arc::new(Members));
        let heard = Arc::new(AtomicUsize::new(0));
        for _ in 0..members {
            let to_say = [UPGRADE.as_bytes(), &client_frame("40")].concat();
            connect(&realtime, Client { to_say, heard: heard.clone() });
        }
        let mut room = Self { realtime, heard, event: 0, members };
        room.wait("all sockets are in the room", |room| room.realtime.sockets_in(ROOM).len() == members)
            .await?;
        let before = room.settled().await;
        room.emit().await?;
        room.event = (room.settled().await - before) / members;
        ensure!(room.event > 0, "the clients were sent nothing");
        Ok(room)
    }

    /// Bytes heard once no task has anything to do any more.
    async fn settled(&self) -> usize {
        let (mut heard, mut quiet) = (self.heard.load(Ordering::Relaxed), 0);
        while quiet < QUIET_ROUNDS {
            tokio::task::yield_now().await;
            let now = self.heard.load(Ordering::Relaxed);
            quiet = if now == heard { quiet + 1 } else { 0 };
            heard = now;
        }
        heard
    }

    async fn emit(&self) -> Result<()> {
        let event = json!({ "channel_id": ROOM, "data": { "type": "typing", "data": { "typing": true } } });
        let queued = self.realtime.to(ROOM).emit("events:channel", &event).await?;
        ensure!(queued == self.members, "{queued} of {} sockets were reached", self.members);
        Ok(())
    }

    /// Sends events, one after the other, until each is written to every socket.
    async fn deliver(&self, events: u32) -> Result<()> {
        let wanted = self.heard.load(Ordering::Relaxed) + self.event * self.members * events as usize;
        for _ in 0..events {
            self.emit().await?;
        }
        self.wait("everything is written", |room| room.heard.load(Ordering::Relaxed) >= wanted).await
    }

    async fn wait(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            if is_so(self) {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        anyhow::bail!("not so after {MAX_ROUNDS} rounds: {what}")
    }
}

/// Serves one connection as the server's listener does.
fn connect(realtime: &Realtime, client: Client) {
    let router = realtime.router::<()>();
    let service =
        service_fn(move |request: hyper::Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(client), service).with_upgrades());
}

pub(crate) fn run<W: Write>(runtime: &Runtime, runner: &mut Runner<W>) -> Result<()> {
    for members in [1_u32, 100, 1000] {
        for (kind, events) in [("event", 1), ("burst-of-16", 16)] {
            let name = format!("fanout/{kind}-to-{members}");
            if !runner.wants(&name) {
                continue;
            }
            let room = runtime
                .block_on(Room::with(usize::try_from(members)?))
                .with_context(|| format!("preparing {name}"))?;
            runner.run(&name, "delivery", members * events, || runtime.block_on(room.deliver(events)))?;
        }
    }
    Ok(())
}
