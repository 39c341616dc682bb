//! One node: its sockets, its rooms, what it sends and what other nodes send it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use crate::acks::{CallError, Waiting, answer};
use crate::application::Handlers;
use crate::bus::{Bus, BusMessage, CallbackAddress, Emit, NodeInbox, Reach, Target};
use crate::config::RealtimeConfig;
use crate::engine::{Engine, PushOutcome, millis};
use crate::error::EmitError;
use crate::frame::Frame;
use crate::log_budget::LogBudget;
use crate::origin::RefusedOrigins;
use crate::packet;
use crate::reason::DisconnectReason;
use crate::rooms::{Member, Rooms};
use crate::sharded::Sharded;
use crate::sid::Sid;
use crate::socket::Socket;
use crate::stats::Counters;
use crate::transport::PollSession;
use crate::waking::Wakings;

/// Longest wait for an acknowledgement that a caller may ask for.
pub(crate) const MAX_CALL: Duration = Duration::from_hours(24);
/// Calls to other nodes that may wait at the same time.
const MAX_REMOTE_CALLS: usize = 100_000;

/// The state behind [`crate::Realtime`].
pub(crate) struct Node {
    pub(crate) config: RealtimeConfig,
    pub(crate) host_id: Arc<str>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) rooms: Rooms,
    pub(crate) sockets: Sharded<Sid, Socket>,
    pub(crate) engines: Sharded<u64, Arc<Engine>>,
    pub(crate) polls: Sharded<Sid, Arc<PollSession>>,
    pub(crate) application: RwLock<Option<Arc<dyn Handlers>>>,
    pub(crate) counters: Counters,
    pub(crate) refused_origins: RefusedOrigins,
    pub(crate) log_budget: LogBudget,
    wakings: Wakings,
    pub(crate) draining: AtomicBool,
    /// Notified when the last connection is gone.
    pub(crate) idle: Notify,
    pub(crate) sid_counter: AtomicU32,
    engine_counter: AtomicU64,
    connections: AtomicUsize,
    anonymous: AtomicUsize,
    calls: Mutex<HashMap<u64, RemoteCall>>,
    call_counter: AtomicU64,
    start: Instant,
}

struct RemoteCall {
    sid: String,
    answer: oneshot::Sender<Arc<RawValue>>,
}

impl Node {
    pub(crate) fn new(config: RealtimeConfig, bus: Arc<dyn Bus>) -> Arc<Self> {
        Arc::new_cyclic(|node: &Weak<Self>| {
            let host_id: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
            bus.attach(NodeInbox { host_id: host_id.clone(), node: node.clone() });
            Self {
                config,
                host_id,
                rooms: Rooms::new(bus.tracks_rooms()),
                bus,
                sockets: Sharded::default(),
                engines: Sharded::default(),
                polls: Sharded::default(),
                application: RwLock::default(),
                counters: Counters::default(),
                refused_origins: RefusedOrigins::default(),
                log_budget: LogBudget::default(),
                wakings: Wakings::default(),
                draining: AtomicBool::new(false),
                idle: Notify::new(),
                sid_counter: AtomicU32::new(0),
                engine_counter: AtomicU64::new(0),
                connections: AtomicUsize::new(0),
                anonymous: AtomicUsize::new(0),
                calls: Mutex::default(),
                call_counter: AtomicU64::new(0),
                start: Instant::now(),
            }
        })
    }

    /// Milliseconds since the node started, from 1: zero means "never" in the engines.
    pub(crate) fn now(&self) -> u64 {
        millis(self.start.elapsed()) + 1
    }

    // Connections.

    /// Admits a connection. `None` when the node is full or stopping.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Arc<Engine>> {
        let full = self.connections.load(Ordering::Relaxed) >= self.config.max_sockets
            || self.anonymous.load(Ordering::Relaxed) >= self.config.max_anonymous;
        if full || self.draining.load(Ordering::Acquire) {
            Counters::add(&self.counters.refused_full, 1);
            return None;
        }
        let number = self.engine_counter.fetch_add(1, Ordering::Relaxed);
        let engine = Engine::new(number, Sid::engine(self.config.node_tag), self.now(), &self.config);
        let engine = Arc::new(engine);
        self.connections.fetch_add(1, Ordering::AcqRel);
        self.anonymous.fetch_add(1, Ordering::AcqRel);
        self.engines.insert(number, engine.clone());
        Counters::add(&self.counters.opened, 1);
        if self.draining.load(Ordering::Acquire) {
            // The drain may have walked the table before the insertion.
            engine.end(DisconnectReason::Shutdown);
        }
        Some(engine)
    }

    /// Forgets a connection whose task has ended.
    pub(crate) fn forget(&self, engine: &Engine) {
        if self.engines.remove(&engine.number).is_none() {
            return;
        }
        if !engine.authenticated.swap(true, Ordering::AcqRel) {
            self.anonymous.fetch_sub(1, Ordering::AcqRel);
        }
        if self.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }

    pub(crate) fn set_authenticated(&self, engine: &Engine, authenticated: bool) {
        if engine.authenticated.swap(authenticated, Ordering::AcqRel) == authenticated {
            return;
        }
        if authenticated {
            self.anonymous.fetch_sub(1, Ordering::AcqRel);
        } else {
            self.anonymous.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    pub(crate) fn anonymous(&self) -> usize {
        self.anonymous.load(Ordering::Acquire)
    }

    // Sockets.

    pub(crate) fn socket(&self, sid: &str) -> Option<Socket> {
        self.sockets.get(&Sid::parse(sid)?)
    }

    // Delivery on this node.

    /// Queues the same frames to every local receiver; gives their number.
    pub(crate) fn deliver(&self, target: &Target, skip: &[String], first: &Frame, more: &[Frame]) -> usize {
        let (mut delivered, mut wakers) = (0, Vec::new());
        self.each(target, skip, |member| {
            let (outcome, waker) = member.engine.queue(first, more, &self.config);
            delivered += usize::from(outcome == PushOutcome::Queued);
            wakers.extend(waker);
        });
        self.wakings.wake(wakers);
        Counters::add(&self.counters.deliveries, delivered as u64);
        delivered
    }

    /// Calls `visit` once for each local receiver. No lock is held longer than this call, none across an await.
    fn each(&self, target: &Target, skip: &[String], mut visit: impl FnMut(&Member)) {
        let skipped: Vec<Sid> = skip.iter().filter_map(|sid| Sid::parse(sid)).collect();
        let mut visit = |member: &Member| {
            if skipped.is_empty() || !skipped.contains(&member.socket.sid) {
                visit(member);
            }
        };
        match target {
            Target::Everybody => {
                for shard in self.sockets.shards() {
                    shard.read().values().for_each(|socket| visit(&member_of(socket)));
                }
            }
            Target::Room(room) => self.each_in(room, visit),
            Target::Rooms(rooms) => {
                let mut seen = HashSet::new();
                for room in rooms {
                    self.each_in(room, |member| {
                        if seen.insert(member.engine.number) {
                            visit(member);
                        }
                    });
                }
            }
        }
    }

    fn each_in(&self, room: &str, mut visit: impl FnMut(&Member)) {
        match self.socket(room) {
            Some(socket) => visit(&member_of(&socket)),
            None => self.rooms.each(room, visit),
        }
    }

    /// The local members of a room, each sid being a room too.
    pub(crate) fn sockets_in(&self, room: &str) -> Vec<Socket> {
        match self.socket(room) {
            Some(socket) => vec![socket],
            None => self.rooms.members(room).into_iter().map(Socket).collect(),
        }
    }

    /// Emits to local receivers and to the other nodes.
    pub(crate) async fn emit(
        &self,
        event: &str,
        arguments: Box<RawValue>,
        target: Target,
        skip: Vec<String>,
    ) -> Result<usize, EmitError> {
        let frame = packet::event(event, &arguments, None, 0);
        check_size(&frame, &self.config)?;
        Counters::add(&self.counters.events_sent, 1);
        let delivered = self.deliver(&target, &skip, &frame, &[]);
        // A sid that is here is nowhere else.
        let complete = matches!(&target, Target::Room(room) if self.socket(room).is_some());
        if !complete && self.bus.has_peers() {
            self.publish(BusMessage::Emit(Box::new(Emit {
                event: event.to_owned(),
                arguments: arguments.into(),
                attachments: Vec::new(),
                target,
                skip,
                callback: None,
                host_id: Some(self.host_id.to_string()),
            })))
            .await?;
        }
        Ok(delivered)
    }

    pub(crate) async fn publish(&self, message: BusMessage) -> Result<Reach, EmitError> {
        if !self.bus.has_peers() {
            return Ok(Reach::Nobody);
        }
        let published = self.bus.publish(message).await;
        if published.is_err() {
            Counters::add(&self.counters.bus_failures, 1);
        }
        Ok(published?)
    }

    // Calls.

    /// Sends an event to a socket, here or elsewhere, and waits for its acknowledgement.
    pub(crate) async fn call(
        &self,
        sid: &str,
        event: &str,
        arguments: Box<RawValue>,
        limit: Duration,
    ) -> Result<Vec<Value>, CallError> {
        match self.socket(sid) {
            Some(socket) => self.call_here(&socket, event, &arguments, limit).await,
            None => self.call_there(sid, event, arguments, limit).await,
        }
    }

    pub(crate) async fn call_here(
        &self,
        socket: &Socket,
        event: &str,
        arguments: &RawValue,
        limit: Duration,
    ) -> Result<Vec<Value>, CallError> {
        let limit = limit.min(MAX_CALL);
        let (sender, receiver) = oneshot::channel();
        let id = self.expect_ack(socket, Waiting::Here(sender), limit)?;
        let _forget = OnDrop(|| {
            socket.0.acks.lock().take(id);
        });
        let frame = packet::event(event, arguments, Some(id), 0);
        check_size(&frame, &self.config)?;
        if !socket.push(&frame) {
            return Err(CallError::Disconnected);
        }
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(arguments)) => answer(&arguments),
            Ok(Err(_)) => Err(CallError::Disconnected),
            Err(_) => Err(CallError::Timeout),
        }
    }

    async fn call_there(
        &self,
        sid: &str,
        event: &str,
        arguments: Box<RawValue>,
        limit: Duration,
    ) -> Result<Vec<Value>, CallError> {
        if !self.bus.has_peers() {
            return Err(CallError::Gone);
        }
        let limit = limit.min(MAX_CALL);
        let id = self.call_counter.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        {
            let mut calls = self.calls.lock();
            if calls.len() >= MAX_REMOTE_CALLS {
                return Err(CallError::TooMany);
            }
            calls.insert(id, RemoteCall { sid: sid.to_owned(), answer: sender });
        }
        let _forget = OnDrop(|| {
            self.calls.lock().remove(&id);
        });
        Counters::add(&self.counters.events_sent, 1);
        let exchange = async {
            let reach = self
                .publish(BusMessage::Emit(Box::new(Emit {
                    event: event.to_owned(),
                    arguments: arguments.into(),
                    attachments: Vec::new(),
                    target: Target::Room(sid.to_owned()),
                    skip: Vec::new(),
                    callback: Some(CallbackAddress { room: sid.to_owned(), id }),
                    host_id: Some(self.host_id.to_string()),
                })))
                .await?;
            if reach == Reach::Nobody {
                return Err(CallError::Gone);
            }
            receiver.await.map_err(|_| CallError::Disconnected)
        };
        let arguments = tokio::time::timeout(limit, exchange).await.map_err(|_| CallError::Timeout)??;
        answer(&arguments)
    }

    fn expect_ack(&self, socket: &Socket, waiting: Waiting, limit: Duration) -> Result<u64, CallError> {
        let now = self.now();
        let until = now.saturating_add(millis(limit));
        socket.0.acks.lock().register(waiting, until, now, self.config.max_pending_acks)
    }

    /// A client acknowledged.
    pub(crate) fn acknowledged(self: &Arc<Self>, socket: &Socket, id: u64, arguments: Box<RawValue>) {
        let waiting = socket.0.acks.lock().take(id);
        match waiting {
            None => {}
            Some(Waiting::Here(sender)) => {
                // The caller may have given up in this moment.
                let _ = sender.send(arguments);
            }
            Some(Waiting::There { host_id, address }) => {
                let node = self.clone();
                let message = BusMessage::Callback {
                    host_id,
                    sid: address.room,
                    id: address.id,
                    arguments: arguments.into(),
                };
                tokio::spawn(async move { node.publish(message).await });
            }
        }
    }

    // From other nodes.

    /// Acts on a message of another node.
    pub(crate) fn receive(self: &Arc<Self>, message: BusMessage) {
        match message {
            BusMessage::Emit(emit) => self.receive_emit(*emit),
            BusMessage::Callback { sid, id, arguments, .. } => {
                let mut calls = self.calls.lock();
                if calls.get(&id).is_some_and(|call| call.sid == sid)
                    && let Some(call) = calls.remove(&id)
                {
                    let _ = call.answer.send(arguments);
                }
            }
            BusMessage::Disconnect { sid, .. } => {
                if let Some(socket) = self.socket(&sid) {
                    socket.disconnect("asked for by another node");
                }
            }
            BusMessage::EnterRoom { sid, room, .. } => {
                if let Some(socket) = self.socket(&sid)
                    && let Some(Some(gate)) = socket.add_to_room(&room)
                {
                    let node = self.clone();
                    tokio::spawn(async move { node.rooms.open(&*node.bus, &room, &gate).await });
                }
            }
            BusMessage::LeaveRoom { sid, room, .. } => {
                if let Some(socket) = self.socket(&sid) {
                    self.remove(&socket, &room);
                }
            }
            BusMessage::CloseRoom { room, .. } => self.close_room(&room),
        }
    }

    fn receive_emit(&self, emit: Emit) {
        let Emit { event, arguments, attachments, target, skip, callback, host_id } = emit;
        let more: Vec<Frame> = attachments.iter().map(|bytes| Frame::binary(bytes)).collect();
        let (Some(address), Some(host_id)) = (callback, host_id) else {
            let first = packet::event(&event, &arguments, None, more.len());
            self.deliver(&target, &skip, &first, &more);
            return;
        };
        // Each receiver has numbers of its own, so each gets a packet of its own.
        let mut receivers = Vec::new();
        self.each(&target, &skip, |member| receivers.push(Socket(member.socket.clone())));
        for socket in receivers {
            let waiting = Waiting::There { host_id: host_id.clone(), address: address.clone() };
            if let Ok(id) = self.expect_ack(&socket, waiting, self.config.ack_time_limit) {
                let first = packet::event(&event, &arguments, Some(id), more.len());
                socket.push_all(&first, &more);
            }
        }
    }

    fn remove(self: &Arc<Self>, socket: &Socket, room: &str) {
        if let Some(gate) = socket.remove_from_room(room) {
            let (node, room) = (self.clone(), room.to_owned());
            tokio::spawn(async move { node.rooms.close(&*node.bus, &room, &gate).await });
        }
    }

    /// Takes all local members out of a room.
    pub(crate) fn close_room(self: &Arc<Self>, room: &str) {
        for member in self.rooms.members(room) {
            self.remove(&Socket(member), room);
        }
    }
}

fn member_of(socket: &Socket) -> Member {
    Member { engine: socket.0.engine.clone(), socket: socket.0.clone() }
}

/// The argument list of an event with one payload: `[payload]`.
pub(crate) fn encode_arguments<T: Serialize + ?Sized>(payload: &T) -> Result<Box<RawValue>, EmitError> {
    serde_json::value::to_raw_value(&(payload,)).map_err(EmitError::Encode)
}

pub(crate) fn check_size(frame: &Frame, config: &RealtimeConfig) -> Result<(), EmitError> {
    let (size, limit) = (frame.payload().len(), config.max_payload);
    if size > limit { Err(EmitError::TooLarge { size, limit }) } else { Ok(()) }
}

/// Runs its function when it goes out of scope, also when a future is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
