//! The handle of one Socket.IO socket.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

use crate::acks::{AckTable, CallError};
use crate::engine::{Engine, PushOutcome};
use crate::error::EmitError;
use crate::frame::Frame;
use crate::node::{self, Node};
use crate::packet;
use crate::reason::DisconnectReason;
use crate::rooms::{Gate, Member};
use crate::sid::Sid;

/// What is kept of the request that opened a connection.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) remote: Option<IpAddr>,
    pub(crate) headers: HeaderMap,
}

/// A socket's state.
pub(crate) struct SocketInner {
    pub(crate) node: Arc<Node>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) sid: Sid,
    handshake: Arc<Handshake>,
    rooms: Mutex<RoomList>,
    session: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    pub(crate) acks: Mutex<AckTable>,
}

#[derive(Default)]
struct RoomList {
    names: Vec<Arc<str>>,
    closed: bool,
}

/// One client's socket on this node: a cheap handle, to be cloned freely.
#[derive(Clone)]
pub struct Socket(pub(crate) Arc<SocketInner>);

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Socket").field(&self.0.sid).finish()
    }
}

impl Socket {
    pub(crate) fn new(node: Arc<Node>, engine: Arc<Engine>, sid: Sid, handshake: Arc<Handshake>) -> Self {
        Self(Arc::new(SocketInner {
            node,
            engine,
            sid,
            handshake,
            rooms: Mutex::default(),
            session: Mutex::default(),
            acks: Mutex::default(),
        }))
    }

    /// Its id, which the client knows too.
    pub fn sid(&self) -> &str {
        self.0.sid.as_str()
    }

    /// The peer's address. Behind a proxy it is the proxy's; see [`Socket::header`].
    pub fn remote(&self) -> Option<IpAddr> {
        self.0.handshake.remote
    }

    /// A header of the request that opened the connection, if it is one of the kept ones
    /// ([`crate::RealtimeConfig::kept_headers`]).
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.0.handshake.headers.get(name)?.to_str().ok()
    }

    /// Keeps the application's data for this socket; replaces what was there.
    pub fn set_session(&self, session: Arc<dyn Any + Send + Sync>) {
        *self.0.session.lock() = Some(session);
    }

    /// The application's data, if there is any of this type.
    pub fn session<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.session.lock().clone()?.downcast().ok()
    }

    /// Removes the application's data.
    pub fn clear_session(&self) {
        *self.0.session.lock() = None;
    }

    /// Marks the socket as one with (or without) identity: it sets the limits that apply to it.
    pub fn set_authenticated(&self, authenticated: bool) {
        self.0.node.set_authenticated(&self.0.engine, authenticated);
    }

    /// Whether the socket is marked as one with identity.
    pub fn is_authenticated(&self) -> bool {
        self.0.engine.authenticated.load(Ordering::Relaxed)
    }

    /// Whether the socket can still get events.
    pub fn is_connected(&self) -> bool {
        !self.0.rooms.lock().closed && self.0.engine.ending().is_none()
    }

    /// Joins a room. Done when events for it arrive here; false when the socket is gone.
    pub async fn join(&self, room: &str) -> bool {
        let Some(gate) = self.add_to_room(room) else { return false };
        if let Some(gate) = gate {
            self.0.node.rooms.open(&*self.0.node.bus, room, &gate).await;
        }
        true
    }

    /// Joins several rooms at once; the bus is told about all of them together.
    pub async fn join_all<I>(&self, rooms: I) -> bool
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut gates = Vec::new();
        for room in rooms {
            match self.add_to_room(room.as_ref()) {
                None => return false,
                Some(None) => {}
                Some(Some(gate)) => gates.push((room, gate)),
            }
        }
        let open =
            gates.iter().map(|(room, gate)| self.0.node.rooms.open(&*self.0.node.bus, room.as_ref(), gate));
        futures_util::future::join_all(open).await;
        true
    }

    /// The part of a join that takes effect at once. `None` when the socket is gone.
    #[expect(clippy::option_option, reason = "outer: alive or not; inner: whether the bus has to be told")]
    pub(crate) fn add_to_room(&self, room: &str) -> Option<Option<Arc<Gate>>> {
        let node = &self.0.node;
        let mut list = self.0.rooms.lock();
        if list.closed {
            return None;
        }
        if list.names.iter().any(|name| &**name == room) {
            // The first join may still be waiting for the bus.
            return Some(node.rooms.gate(room));
        }
        let member = Member { engine: self.0.engine.clone(), socket: self.0.clone() };
        let (name, gate) = node.rooms.add(room, member);
        list.names.push(name);
        Some(gate)
    }

    /// Leaves a room.
    pub async fn leave(&self, room: &str) {
        if let Some(gate) = self.remove_from_room(room) {
            self.0.node.rooms.close(&*self.0.node.bus, room, &gate).await;
        }
    }

    /// The part of leaving that takes effect at once. Gives the gate when the bus has to be told.
    pub(crate) fn remove_from_room(&self, room: &str) -> Option<Arc<Gate>> {
        let mut list = self.0.rooms.lock();
        if list.closed {
            return None;
        }
        let position = list.names.iter().position(|name| &**name == room)?;
        list.names.swap_remove(position);
        self.0.node.rooms.remove(room, &self.0)
    }

    /// The rooms it is in, or was in when it went away. Its own sid is not listed.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.0.rooms.lock().names.clone()
    }

    /// Whether it is in this room.
    pub fn is_in(&self, room: &str) -> bool {
        self.0.rooms.lock().names.iter().any(|name| &**name == room)
    }

    /// Leaves all rooms for good; later joins fail. Gives the rooms that the bus has to be told about.
    pub(crate) fn leave_all(&self) -> Vec<(Arc<str>, Arc<Gate>)> {
        let mut list = self.0.rooms.lock();
        if std::mem::replace(&mut list.closed, true) {
            return Vec::new();
        }
        let remove = |name: &Arc<str>| Some((name.clone(), self.0.node.rooms.remove(name, &self.0)?));
        list.names.iter().filter_map(remove).collect()
    }

    /// Sends an event to this socket. One that is gone, or too slow, gets nothing.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, payload: &T) -> Result<(), EmitError> {
        let arguments = node::encode_arguments(payload)?;
        let frame = packet::event(event, &arguments, None, 0);
        node::check_size(&frame, &self.0.node.config)?;
        self.push(&frame);
        Ok(())
    }

    /// Sends an event and waits for the client's acknowledgement.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        event: &str,
        payload: &T,
        time_limit: Duration,
    ) -> Result<Vec<Value>, CallError> {
        let arguments = node::encode_arguments(payload)?;
        self.0.node.call_here(self, event, &arguments, time_limit).await
    }

    /// Disconnects the client: it gets what is queued, `41`, and the connection is closed.
    ///
    /// Events it sent that still wait are not handled. `why` is for the log.
    pub fn disconnect(&self, why: &'static str) {
        self.0.engine.end(DisconnectReason::ServerDisconnect(why));
    }

    pub(crate) fn push(&self, frame: &Frame) -> bool {
        self.push_all(frame, &[])
    }

    pub(crate) fn push_all(&self, first: &Frame, more: &[Frame]) -> bool {
        self.0.engine.push(first, more, &self.0.node.config) == PushOutcome::Queued
    }
}
