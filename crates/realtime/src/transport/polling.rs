//! Long polling: one GET waits for packets, POSTs bring them. No upgrade is offered.
//!
//! The engine id names the node that owns the session. A request that reaches another node is handed to
//! [`PollForward`], so that a balancer needs no stickiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::request::{self, Query};
use super::upgrade::open_packet;
use super::{text, unavailable};
use crate::engine::{Engine, millis};
use crate::frame::Frame;
use crate::node::Node;
use crate::packet::{self, EnginePacket};
use crate::reason::DisconnectReason;
use crate::session::Session;
use crate::sid::{NodeTag, Sid};

/// Packets between a POST and the session; then the POST waits.
const INBOUND: usize = 32;
/// Time a POST may take to bring its body, and then to hand its packets over.
const POST_WAIT: Duration = Duration::from_secs(30);
/// Time in which a client may fetch the last packets of a session that the server ended.
const FAREWELL: Duration = Duration::from_secs(10);
/// Packets in one answer: python-socketio's client refuses a payload with more.
const OUTBOUND: usize = 16;
/// Packets handled before other tasks get their turn.
const ROUNDS: usize = 32;

/// Takes polls to the node that owns their session.
pub trait PollForward: Send + Sync + 'static {
    /// Sends the request to the node with this mark and gives its answer; `None` when there is no such node.
    ///
    /// The implementation bounds the time this takes (a poll waits up to the ping interval).
    fn forward(&self, owner: NodeTag, request: Request) -> BoxFuture<'_, Option<Response>>;
}

/// What requests need to reach a session.
pub(crate) struct PollSession {
    pub(crate) engine: Arc<Engine>,
    inbound: mpsc::Sender<EnginePacket>,
    polling: AtomicBool,
    posting: AtomicBool,
    /// The client has been told that the server disconnected it.
    told: AtomicBool,
}

pub(super) async fn handle(node: Arc<Node>, request: Request, query: Query) -> Response {
    let Some(sid) = query.sid else {
        return if request.method() == Method::GET {
            open(&node, &request)
        } else {
            text(StatusCode::BAD_REQUEST, "A session is opened with GET")
        };
    };
    let Some(sid) = Sid::parse(&sid) else { return invalid_session() };
    let Some(session) = node.polls.get(&sid) else {
        return match (&node.config.poll_forward, sid.node_tag()) {
            (Some(forward), Some(owner)) if owner != node.config.node_tag => {
                forward.forward(owner, request).await.unwrap_or_else(invalid_session)
            }
            _ => invalid_session(),
        };
    };
    serve(&node, sid, &session, request).await
}

/// A request that another node took in: for a session of this node, or for none.
pub(super) async fn handle_here(node: &Node, request: Request, query: Query) -> Response {
    let sid = query.sid.as_deref().and_then(Sid::parse);
    let session = sid.and_then(|sid| Some((sid, node.polls.get(&sid)?)));
    match session {
        Some((sid, session)) => serve(node, sid, &session, request).await,
        None => invalid_session(),
    }
}

async fn serve(node: &Node, sid: Sid, session: &PollSession, request: Request) -> Response {
    match *request.method() {
        Method::GET => poll(node, sid, session).await,
        Method::POST => post(node, sid, session, request.into_body()).await,
        _ => text(StatusCode::BAD_REQUEST, "Only GET and POST are spoken here"),
    }
}

fn invalid_session() -> Response {
    text(StatusCode::BAD_REQUEST, "Invalid session")
}

/// Starts a session; the answer is its open packet.
fn open(node: &Arc<Node>, request: &Request) -> Response {
    let Some(handlers) = node.application.read().clone() else { return unavailable() };
    let Some(engine) = node.admit() else { return unavailable() };
    let handshake = Arc::new(request::handshake(request, &node.config));
    let (sender, receiver) = mpsc::channel(INBOUND);
    let poll = PollSession {
        engine: engine.clone(),
        inbound: sender,
        polling: AtomicBool::new(false),
        posting: AtomicBool::new(false),
        told: AtomicBool::new(false),
    };
    node.polls.insert(engine.sid, Arc::new(poll));
    let session = Session::new(node.clone(), engine.clone(), handlers, handshake);
    tokio::spawn(run(session, receiver));
    payload(open_packet(node, &engine).payload().to_vec())
}

/// Waits until there is something to send.
async fn poll(node: &Node, sid: Sid, session: &PollSession) -> Response {
    let Some(turn) = Turn::take(&session.polling) else {
        return end(node, sid, session, DisconnectReason::OverlappingPoll, StatusCode::BAD_REQUEST);
    };
    let abandoned = Abandoned { engine: &session.engine, armed: true };
    let limit = node.config.max_payload;
    let (mut frames, ending) = std::future::poll_fn(|context| take(&session.engine, limit, context)).await;
    abandoned.disarm();
    drop(turn);
    match ending {
        None => {}
        // Alone: in one payload with the engine's close, clients would see only the latter.
        Some(DisconnectReason::ServerDisconnect(_)) if !session.told.swap(true, Ordering::AcqRel) => {
            frames.push(packet::disconnect());
        }
        Some(reason) => {
            node.polls.remove(&sid);
            // When the client itself said goodbye this only ends its poll.
            let last = if reason == DisconnectReason::TransportClose { "6" } else { "1" };
            frames.push(Frame::text(last));
        }
    }
    payload(packet::encode_payload(&frames))
}

/// Packets for one answer, and the reason when these are the last.
type Taken = (Vec<Frame>, Option<DisconnectReason>);

fn take(engine: &Engine, limit: usize, context: &Context<'_>) -> Poll<Taken> {
    let mut outbox = engine.outbox.lock();
    let frames = outbox.take_some(limit, OUTBOUND);
    let ending = outbox.ending().filter(|_| outbox.is_empty());
    if frames.is_empty() && ending.is_none() {
        outbox.register_writer(context);
        return Poll::Pending;
    }
    Poll::Ready((frames, ending))
}

/// Takes the packets of a POST.
async fn post(node: &Node, sid: Sid, session: &PollSession, body: Body) -> Response {
    let Some(_turn) = Turn::take(&session.posting) else {
        return end(node, sid, session, DisconnectReason::OverlappingPoll, StatusCode::BAD_REQUEST);
    };
    let limit = session.engine.payload_limit(&node.config);
    let body = match tokio::time::timeout(POST_WAIT, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return end(node, sid, session, DisconnectReason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        }
        Err(_) => {
            return end(node, sid, session, DisconnectReason::TransportError, StatusCode::REQUEST_TIMEOUT);
        }
    };
    session.engine.last_seen.store(node.now(), Ordering::Relaxed);
    let Ok(body) = std::str::from_utf8(&body) else {
        return end(node, sid, session, DisconnectReason::ParseError, StatusCode::BAD_REQUEST);
    };
    for packet in packet::decode_payload(body) {
        match packet {
            Err(_) => return end(node, sid, session, DisconnectReason::ParseError, StatusCode::BAD_REQUEST),
            Ok(EnginePacket::Close) => {
                return end(node, sid, session, DisconnectReason::TransportClose, StatusCode::OK);
            }
            Ok(packet) => match session.inbound.send_timeout(packet, POST_WAIT).await {
                Ok(()) => {}
                Err(mpsc::error::SendTimeoutError::Closed(_)) => return invalid_session(),
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                    let busy = StatusCode::SERVICE_UNAVAILABLE;
                    return end(node, sid, session, DisconnectReason::TooMuchPending, busy);
                }
            },
        }
    }
    payload(b"ok".to_vec())
}

/// Ends the session for what this request did.
fn end(
    node: &Node,
    sid: Sid,
    session: &PollSession,
    reason: DisconnectReason,
    status: StatusCode,
) -> Response {
    session.engine.end(reason);
    node.polls.remove(&sid);
    if status == StatusCode::OK { payload(b"ok".to_vec()) } else { text(status, reason.as_str()) }
}

fn payload(body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

/// Runs a session to its end, its callbacks included.
async fn run(mut session: Session, mut inbound: mpsc::Receiver<EnginePacket>) {
    let reason = std::future::poll_fn(|context| drive(&mut session, &mut inbound, context)).await;
    drop(inbound);
    let (node, engine) = (session.node().clone(), session.engine().clone());
    let fetches_rest = !reason.keeps_queued_events() && reason != DisconnectReason::ParseError;
    if fetches_rest {
        engine.linger_until.store(node.now() + millis(FAREWELL), Ordering::Relaxed);
    } else {
        node.polls.remove(&engine.sid);
    }
    session.finish(reason).await;
}

fn drive(
    session: &mut Session,
    inbound: &mut mpsc::Receiver<EnginePacket>,
    context: &mut Context<'_>,
) -> Poll<DisconnectReason> {
    for _ in 0..ROUNDS {
        {
            let mut outbox = session.engine().outbox.lock();
            if let Some(reason) = outbox.ending() {
                return Poll::Ready(reason);
            }
            outbox.register_driver(context);
        }
        let mut progress = session.poll_work(context);
        let wanted = session.wants_input();
        session.engine().paused.store(!wanted, Ordering::Relaxed);
        if wanted {
            match inbound.poll_recv(context) {
                Poll::Ready(Some(packet)) => {
                    progress = true;
                    if let Err(reason) = session.on_packet(packet) {
                        session.engine().end(reason);
                    }
                }
                // The sender lives in the table of sessions: the client's end took it from there.
                Poll::Ready(None) => {
                    session.engine().end(DisconnectReason::TransportClose);
                    progress = true;
                }
                Poll::Pending => {}
            }
        }
        if !progress {
            return Poll::Pending;
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// The right to be the only GET, or the only POST, of a session.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::AcqRel)).then_some(Self(flag))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Ends the session when its poll is given up: what was meant for it might be lost.
struct Abandoned<'a> {
    engine: &'a Engine,
    armed: bool,
}

impl Abandoned<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.engine.end(DisconnectReason::TransportClose);
        }
    }
}
