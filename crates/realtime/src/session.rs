//! The Socket.IO protocol of one connection, whatever carries it, and its callbacks one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::acks::Ack;
use crate::application::{Handlers, Work};
use crate::bucket::Bucket;
use crate::engine::{Engine, millis};
use crate::frame::Frame;
use crate::node::Node;
use crate::packet::{self, Assembly, Body, EnginePacket, Packet, PacketError};
use crate::reason::DisconnectReason;
use crate::rooms::Gate;
use crate::sid::Sid;
use crate::socket::{Handshake, Socket};
use crate::stats::Counters;

/// The text of a refused CONNECT.
const REFUSED: &str = "Unable to connect";
/// Share of the rate limits that applies before authentication.
const ANONYMOUS_SHARE: u32 = 10;
/// Time the bus may take to open or close the room of a sid.
const BUS_WAIT: Duration = Duration::from_secs(5);
/// Capacity that the empty queue of callbacks may keep.
const KEPT_CAPACITY: usize = 8;

/// One connection's protocol state.
pub(crate) struct Session {
    node: Arc<Node>,
    engine: Arc<Engine>,
    handlers: Arc<dyn Handlers>,
    handshake: Arc<Handshake>,
    /// The socket in the namespace, between CONNECT and DISCONNECT.
    socket: Option<Socket>,
    queue: VecDeque<Job>,
    queued_bytes: usize,
    running: Option<BoxFuture<'static, ()>>,
    assembly: Option<Box<Assembly>>,
    bucket: Bucket,
    /// Whether `bucket` is that of an authenticated socket.
    trusted: bool,
    closed: bool,
}

/// A callback that waits for its turn.
struct Job {
    socket: Socket,
    work: Work,
    /// Rooms that the socket left and that the bus has to be told about.
    gates: Vec<(Arc<str>, Arc<Gate>)>,
}

impl Session {
    pub(crate) fn new(
        node: Arc<Node>,
        engine: Arc<Engine>,
        handlers: Arc<dyn Handlers>,
        handshake: Arc<Handshake>,
    ) -> Self {
        let bucket = Bucket::new(node.config.event_burst / ANONYMOUS_SHARE, engine.opened);
        Self {
            node,
            engine,
            handlers,
            handshake,
            socket: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            running: None,
            assembly: None,
            bucket,
            trusted: false,
            closed: false,
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether more may be read. When handlers are behind, the client has to wait: TCP tells it so.
    pub(crate) fn wants_input(&self) -> bool {
        self.queue.len() < self.node.config.max_inbound_events
            && self.queued_bytes < self.node.config.max_inbound_bytes
    }

    /// Counts one packet against the rate limit.
    pub(crate) fn count(&mut self) -> Result<(), DisconnectReason> {
        let config = &self.node.config;
        let trusted = self.engine.authenticated.load(Ordering::Relaxed);
        let share = if trusted { 1 } else { ANONYMOUS_SHARE };
        let (rate, burst) = (config.events_per_second / share, config.event_burst / share);
        if trusted != self.trusted {
            // Its new allowance begins full: what it sent to get in does not count.
            self.trusted = trusted;
            self.bucket = Bucket::new(burst, self.node.now());
        }
        if self.bucket.take(rate.max(1), burst.max(1), self.node.now()) {
            Ok(())
        } else {
            Err(DisconnectReason::TooManyEvents)
        }
    }

    /// Handles one text frame.
    pub(crate) fn on_text(&mut self, text: String) -> Result<(), DisconnectReason> {
        self.on_packet(packet::decode_engine(text).map_err(reason_of)?)
    }

    /// Handles one Engine.IO packet.
    pub(crate) fn on_packet(&mut self, packet: EnginePacket) -> Result<(), DisconnectReason> {
        self.count()?;
        match packet {
            EnginePacket::Close => Err(DisconnectReason::TransportClose),
            EnginePacket::Ping(data) => {
                self.push(&Frame::text(&format!("3{data}")));
                Ok(())
            }
            EnginePacket::Pong | EnginePacket::Upgrade | EnginePacket::Noop => Ok(()),
            EnginePacket::Message(text) => {
                if self.assembly.is_some() {
                    return Err(DisconnectReason::ParseError);
                }
                let packet = packet::decode(text).map_err(reason_of)?;
                if packet.attachments > 0 {
                    let assembly = Assembly::new(packet, self.node.config.attachments).map_err(reason_of)?;
                    self.assembly = Some(Box::new(assembly));
                    return Ok(());
                }
                self.on_socket_packet(packet);
                Ok(())
            }
            EnginePacket::Binary(bytes) => {
                let assembly = self.assembly.as_mut().ok_or(DisconnectReason::ParseError)?;
                assembly.push(bytes).map_err(reason_of)?;
                if assembly.is_complete()
                    && let Some(assembly) = self.assembly.take()
                {
                    let packet = assembly.finish().map_err(reason_of)?;
                    self.on_socket_packet(packet);
                }
                Ok(())
            }
        }
    }

    fn on_socket_packet(&mut self, packet: Packet) {
        if let Some(namespace) = packet.namespace {
            // There is one namespace. Others are refused; what is sent to them all the same goes nowhere.
            if matches!(packet.body, Body::Connect(_)) {
                self.push(&packet::connect_error(Some(&namespace), REFUSED));
            }
            return;
        }
        match (packet.body, self.socket.clone()) {
            (Body::Connect(auth), None) => self.connect(auth),
            (Body::Connect(_), Some(_)) => self.push(&packet::connect_error(None, REFUSED)),
            (Body::Disconnect, Some(_)) => {
                self.detach(DisconnectReason::ClientDisconnect);
                let by = self.node.now() + millis(self.node.config.connect_time_limit);
                self.engine.connect_by.store(by, Ordering::Relaxed);
            }
            (Body::Event { name, arguments, id }, Some(socket)) => {
                Counters::add(&self.node.counters.events_received, 1);
                let ack = id.map(|id| Ack { socket: socket.clone(), id });
                self.enqueue(socket, Work::Event { name, arguments, ack }, Vec::new());
            }
            (Body::Ack { id, arguments }, Some(socket)) => self.node.acknowledged(&socket, id, arguments),
            // Before CONNECT or after DISCONNECT: nobody is there to hear it.
            (_, None) => {}
        }
    }

    fn connect(&mut self, auth: Option<Box<RawValue>>) {
        let sid = Sid::socket(&self.node.sid_counter);
        let socket = Socket::new(self.node.clone(), self.engine.clone(), sid, self.handshake.clone());
        self.engine.connect_by.store(0, Ordering::Relaxed);
        self.node.sockets.insert(sid, socket.clone());
        self.socket = Some(socket.clone());
        self.enqueue(socket, Work::Connected(auth), Vec::new());
    }

    fn push(&self, frame: &Frame) {
        self.engine.push(frame, &[], &self.node.config);
    }

    fn enqueue(&mut self, socket: Socket, work: Work, gates: Vec<(Arc<str>, Arc<Gate>)>) {
        self.queued_bytes += work.size();
        self.queue.push_back(Job { socket, work, gates });
    }

    /// Advances the callbacks. True when one has ended, so that there may be room for input again.
    pub(crate) fn poll_work(&mut self, context: &mut Context<'_>) -> bool {
        let mut progress = false;
        loop {
            if let Some(running) = &mut self.running {
                if running.as_mut().poll(context).is_pending() {
                    return progress;
                }
                self.running = None;
                progress = true;
            }
            let Some(job) = self.queue.pop_front() else {
                if self.queue.capacity() > KEPT_CAPACITY {
                    self.queue.shrink_to(0);
                }
                return progress;
            };
            self.queued_bytes -= job.work.size();
            self.running = Some(self.start(job));
        }
    }

    fn start(&self, job: Job) -> BoxFuture<'static, ()> {
        let Job { socket, work, gates } = job;
        let (node, handlers) = (self.node.clone(), self.handlers.clone());
        let limit = node.config.handler_time_limit;
        let tracked = node.bus.tracks_rooms();
        match &work {
            Work::Connected(_) if tracked => Box::pin(async move {
                // Events for the sid must arrive here before anybody can know it.
                let opened = node.bus.room_opened(socket.sid());
                if tokio::time::timeout(BUS_WAIT, opened).await.is_err() {
                    tracing::warn!(
                        "The event bus did not confirm a new socket within {BUS_WAIT:?}. It may miss events of other \
                         nodes. Check that Redis (WEBSOCKET_REDIS_URL) answers."
                    );
                }
                socket.push(&packet::connect(socket.sid()));
                handlers.run(socket, work, limit).await;
            }),
            Work::Connected(_) => {
                socket.push(&packet::connect(socket.sid()));
                handlers.run(socket, work, limit)
            }
            Work::Disconnected(_) if tracked => Box::pin(async move {
                let closing = gates.iter().map(|(room, gate)| node.rooms.close(&*node.bus, room, gate));
                futures_util::future::join_all(closing).await;
                let _ = tokio::time::timeout(BUS_WAIT, node.bus.room_closed(socket.sid())).await;
                handlers.run(socket, work, limit).await;
            }),
            Work::Disconnected(_) | Work::Event { .. } => handlers.run(socket, work, limit),
        }
    }

    /// Takes the socket out of the node at once: no event reaches it any more. Its callback follows in order.
    fn detach(&mut self, reason: DisconnectReason) {
        self.assembly = None;
        let Some(socket) = self.socket.take() else { return };
        self.node.sockets.remove(&socket.0.sid);
        let gates = socket.leave_all();
        socket.0.acks.lock().close();
        if !reason.keeps_queued_events() {
            let queued = self.queue.len();
            self.queue.retain(|job| {
                !matches!(job.work, Work::Event { .. }) || !Arc::ptr_eq(&job.socket.0, &socket.0)
            });
            if self.queue.len() < queued {
                tracing::debug!(
                    sid = socket.sid(),
                    dropped = queued - self.queue.len(),
                    "waiting events dropped"
                );
            }
            self.queued_bytes = self.queue.iter().map(|job| job.work.size()).sum();
        }
        self.enqueue(socket, Work::Disconnected(reason), gates);
    }

    /// The connection ends: takes the socket out of the node and says why, once.
    pub(crate) fn close(&mut self, reason: DisconnectReason) {
        if !std::mem::replace(&mut self.closed, true) {
            self.node.counters.count_close(reason);
            log_end(&self.node, &self.engine, reason);
        }
        self.detach(reason);
    }

    /// Makes the callbacks that are left, after the transport is gone.
    pub(crate) async fn finish(mut self, reason: DisconnectReason) {
        self.close(reason);
        std::future::poll_fn(|context| {
            self.poll_work(context);
            if self.running.is_none() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        self.node.forget(&self.engine);
    }
}

fn reason_of(error: PacketError) -> DisconnectReason {
    match error {
        PacketError::Attachments => DisconnectReason::TooMuchPending,
        PacketError::Type | PacketError::Malformed(_) | PacketError::Json(_) => DisconnectReason::ParseError,
    }
}

/// Says why a connection ended when somebody should know. Clients can cause such lines, so their number is bounded.
fn log_end(node: &Node, engine: &Engine, reason: DisconnectReason) {
    let connection = engine.number;
    let worth_a_line = !reason.keeps_queued_events()
        && !matches!(
            reason,
            DisconnectReason::ServerDisconnect(_)
                | DisconnectReason::Shutdown
                | DisconnectReason::ConnectTimeout
                | DisconnectReason::OverlappingPoll
        );
    if !worth_a_line || !node.log_budget.take(node.now()) {
        tracing::debug!(connection, %reason, "socket closed");
    } else if matches!(reason, DisconnectReason::SlowConsumer | DisconnectReason::WriteTimeout) {
        tracing::info!(
            connection,
            %reason,
            "Closed a socket that does not read what it is sent. It recovers what it missed when it reconnects."
        );
    } else {
        tracing::info!(
            connection,
            %reason,
            "Closed a socket that broke a rule or a limit. Others are not affected."
        );
    }
}
