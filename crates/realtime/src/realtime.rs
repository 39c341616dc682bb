//! The handle of one node's realtime layer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use serde::Serialize;
use serde_json::Value;

use crate::acks::CallError;
use crate::application::Application;
use crate::bus::{Bus, BusMessage, Target};
use crate::config::RealtimeConfig;
use crate::error::EmitError;
use crate::heartbeat;
use crate::node::{Node, encode_arguments};
use crate::reason::DisconnectReason;
use crate::sid::NodeTag;
use crate::socket::Socket;
use crate::stats::Stats;
use crate::transport::{self, PollEndpoint};

/// The sockets and rooms of one node, and through the bus those of the fleet. Clones share everything.
#[derive(Clone)]
pub struct Realtime {
    node: Arc<Node>,
}

impl fmt::Debug for Realtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Realtime").field("host_id", &self.node.host_id).finish_non_exhaustive()
    }
}

impl Realtime {
    /// A node without application: it can emit already, but accepts sockets only after [`Realtime::serve`].
    pub fn new(config: RealtimeConfig, bus: Arc<dyn Bus>) -> Self {
        Self { node: Node::new(config, bus) }
    }

    /// Sets the application and starts the heartbeat. To be called once, inside a Tokio runtime.
    ///
    /// The application may hold a clone of this handle; [`Realtime::shutdown`] unties the two.
    pub fn serve(&self, application: Arc<impl Application>) {
        *self.node.application.write() = Some(application);
        heartbeat::start(&self.node);
    }

    /// The routes `/ws/socket.io` and `/ws/socket.io/`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        transport::router(&self.node)
    }

    /// Handles polls that other nodes took in for sessions of this node.
    pub fn polls(&self) -> PollEndpoint {
        PollEndpoint(Arc::downgrade(&self.node))
    }

    /// The id under which this node speaks on the bus.
    pub fn host_id(&self) -> &str {
        &self.node.host_id
    }

    /// The mark of this node in engine ids.
    pub fn node_tag(&self) -> NodeTag {
        self.node.config.node_tag
    }

    // Sending.

    /// Begins an event for the members of `room`, on all nodes. Each sid is a room too.
    pub fn to(&self, room: impl Into<String>) -> Emission<'_> {
        Emission { node: &self.node, rooms: vec![room.into()], skip: Vec::new() }
    }

    /// Sends an event to one socket, on whichever node it is.
    pub async fn emit_to_sid<T: Serialize + ?Sized + Sync>(
        &self,
        sid: &str,
        event: &str,
        payload: &T,
    ) -> Result<usize, EmitError> {
        self.to(sid).emit(event, payload).await
    }

    /// Sends an event to every socket of the fleet.
    pub async fn broadcast<T: Serialize + ?Sized + Sync>(
        &self,
        event: &str,
        payload: &T,
    ) -> Result<usize, EmitError> {
        let arguments = encode_arguments(payload)?;
        self.node.emit(event, arguments, Target::Everybody, Vec::new()).await
    }

    /// Sends an event to one socket, on whichever node it is, and waits for its acknowledgement.
    ///
    /// Gives the arguments of the acknowledgement.
    pub async fn call<T: Serialize + ?Sized + Sync>(
        &self,
        sid: &str,
        event: &str,
        payload: &T,
        time_limit: Duration,
    ) -> Result<Vec<Value>, CallError> {
        let arguments = encode_arguments(payload)?;
        self.node.call(sid, event, arguments, time_limit).await
    }

    // Sockets and rooms.

    /// A socket of this node.
    pub fn socket(&self, sid: &str) -> Option<Socket> {
        self.node.socket(sid)
    }

    /// All sockets of this node.
    pub fn sockets(&self) -> Vec<Socket> {
        self.node.sockets.values()
    }

    /// The sockets of this node in a room.
    pub fn sockets_in(&self, room: &str) -> Vec<Socket> {
        self.node.sockets_in(room)
    }

    /// The sids of this node in a room.
    pub fn members(&self, room: &str) -> Vec<String> {
        self.sockets_in(room).iter().map(|socket| socket.sid().to_owned()).collect()
    }

    /// The rooms of a socket of this node; empty for others.
    pub fn rooms_of(&self, sid: &str) -> Vec<Arc<str>> {
        self.socket(sid).map(|socket| socket.rooms()).unwrap_or_default()
    }

    /// Puts a socket into a room, on whichever node it is.
    pub async fn join(&self, sid: &str, room: &str) -> Result<(), EmitError> {
        if let Some(socket) = self.socket(sid) {
            socket.join(room).await;
            return Ok(());
        }
        let (sid, room) = (sid.to_owned(), room.to_owned());
        let host_id = Some(self.host_id().to_owned());
        self.publish(BusMessage::EnterRoom { sid, room, host_id }).await
    }

    /// Takes a socket out of a room, on whichever node it is.
    pub async fn leave(&self, sid: &str, room: &str) -> Result<(), EmitError> {
        if let Some(socket) = self.socket(sid) {
            socket.leave(room).await;
            return Ok(());
        }
        let (sid, room) = (sid.to_owned(), room.to_owned());
        let host_id = Some(self.host_id().to_owned());
        self.publish(BusMessage::LeaveRoom { sid, room, host_id }).await
    }

    /// Takes everybody out of a room, on all nodes.
    pub async fn close_room(&self, room: &str) -> Result<(), EmitError> {
        self.node.close_room(room);
        let host_id = Some(self.host_id().to_owned());
        self.publish(BusMessage::CloseRoom { room: room.to_owned(), host_id }).await
    }

    /// Disconnects a socket, on whichever node it is. `why` is for the log of this node.
    pub async fn disconnect(&self, sid: &str, why: &'static str) -> Result<(), EmitError> {
        if let Some(socket) = self.socket(sid) {
            socket.disconnect(why);
            return Ok(());
        }
        let host_id = Some(self.host_id().to_owned());
        self.publish(BusMessage::Disconnect { sid: sid.to_owned(), host_id }).await
    }

    async fn publish(&self, message: BusMessage) -> Result<(), EmitError> {
        self.node.publish(message).await.map(|_| ())
    }

    // Life.

    /// What this node holds and has done. Walks over all connections: for metrics, not for requests.
    pub fn stats(&self) -> Stats {
        let node = &self.node;
        let mut stats = Stats {
            connections: node.connections(),
            anonymous: node.anonymous(),
            sockets: node.sockets.len(),
            rooms: node.rooms.len(),
            ..Stats::default()
        };
        for engine in node.engines.values() {
            let (bytes, packets) = engine.outbox.lock().load();
            stats.queued_bytes += bytes;
            stats.queued_packets += packets;
        }
        stats.pending_acks = node.sockets.values().iter().map(|socket| socket.0.acks.lock().len()).sum();
        node.counters.fill(&mut stats);
        stats
    }

    /// Refuses new sockets, closes all with the reason `server shutting down` (clients reconnect at once,
    /// elsewhere) and waits for their handlers, at most `deadline`. Gives the number that is left.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        let node = &self.node;
        node.draining.store(true, Ordering::Release);
        for engine in node.engines.values() {
            engine.end(DisconnectReason::Shutdown);
        }
        let drained = async {
            loop {
                let idle = node.idle.notified();
                tokio::pin!(idle);
                idle.as_mut().enable();
                if node.connections() == 0 {
                    break;
                }
                idle.await;
            }
        };
        let in_time = tokio::time::timeout(deadline, drained).await.is_ok();
        if !in_time {
            node.engines.values().iter().for_each(|engine| engine.abort());
        }
        node.application.write().take();
        node.connections()
    }
}

/// An event on its way: who gets it, then [`Emission::emit`].
#[must_use = "nothing is sent before `emit`"]
pub struct Emission<'a> {
    node: &'a Arc<Node>,
    rooms: Vec<String>,
    skip: Vec<String>,
}

impl Emission<'_> {
    /// Adds the members of another room; who is in both gets the event once.
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// Leaves out a socket.
    pub fn except(mut self, sid: impl Into<String>) -> Self {
        self.skip.push(sid.into());
        self
    }

    /// Sends the event with one argument, encoded once. Done when it is queued for every local receiver and
    /// handed to the bus. Gives the number of local receivers.
    ///
    /// Events that one task sends one after the other arrive in this order at each socket.
    pub async fn emit<T: Serialize + ?Sized + Sync>(
        self,
        event: &str,
        payload: &T,
    ) -> Result<usize, EmitError> {
        let arguments = encode_arguments(payload)?;
        let Self { node, mut rooms, skip } = self;
        let target = if rooms.len() == 1 { Target::Room(rooms.remove(0)) } else { Target::Rooms(rooms) };
        node.emit(event, arguments, target, skip).await
    }
}
