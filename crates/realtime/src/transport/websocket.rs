//! One websocket: a single task that reads, writes and runs the callbacks, without timers and idle buffers.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::engine::millis;
use crate::frame::{Frame, FrameError, FrameReader, Message};
use crate::outbox;
use crate::packet::{self, EnginePacket};
use crate::reason::DisconnectReason;
use crate::session::Session;

/// Bytes read at once. On the stack, so that an idle connection holds no buffer.
const READ: usize = 16 * 1024;
/// Frames handed to the system in one write.
const WRITE: usize = 64;
/// Rounds of work before other tasks get their turn.
const ROUNDS: usize = 32;
/// Time a closing connection waits for its peer.
const LINGER: Duration = Duration::from_secs(2);

/// Runs a connection to its end, its callbacks included.
pub(super) async fn run<I: AsyncRead + AsyncWrite + Unpin>(io: I, session: Session) {
    let mut driver = Driver {
        io,
        session,
        reader: FrameReader::default(),
        batch: VecDeque::new(),
        offset: 0,
        written: (0, 0),
        closing: None,
        peer_done: false,
        deaf: false,
    };
    let reason = std::future::poll_fn(|context| driver.poll(context)).await;
    let Driver { io, session, .. } = driver;
    drop(io);
    // Boxed: this part is rare, the future of the connection is not.
    Box::pin(session.finish(reason)).await;
}

struct Driver<I> {
    io: I,
    session: Session,
    reader: FrameReader,
    /// Frames being written, in order.
    batch: VecDeque<Frame>,
    /// Bytes of the first of them that are written already.
    offset: usize,
    /// Packets and bytes written since the outbox was told.
    written: (usize, usize),
    closing: Option<DisconnectReason>,
    /// The peer has sent its last: a close frame, or the end of the stream.
    peer_done: bool,
    /// Input can no longer be understood and is thrown away until the connection is closed.
    deaf: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Driver<I> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<DisconnectReason> {
        for _ in 0..ROUNDS {
            let (ending, aborted) = self.take_outgoing();
            if let Some(reason) = ending {
                if aborted {
                    self.session.close(reason);
                    return Poll::Ready(reason);
                }
                self.begin_close(reason);
            }
            let write = self.poll_write(context);
            if let Poll::Ready(Err(_)) = write {
                return Poll::Ready(self.fail());
            }
            if let Some(reason) = self.closing
                && self.peer_done
                && write.is_ready()
            {
                return Poll::Ready(reason);
            }
            let mut progress = self.session.poll_work(context);
            progress |= self.poll_input(context);
            if !progress && self.settle(context, write.is_pending()) {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what waits into the batch, and says whether the connection is to end.
    fn take_outgoing(&mut self) -> (Option<DisconnectReason>, bool) {
        let mut outbox = self.session.engine().outbox.lock();
        let (packets, bytes) = std::mem::take(&mut self.written);
        outbox.written(packets, bytes);
        outbox.take_into(&mut self.batch);
        (outbox.ending(), outbox.is_aborted())
    }

    /// Arranges to be woken. False when there is more to do at once.
    fn settle(&mut self, context: &Context<'_>, blocked: bool) -> bool {
        let mut outbox = self.session.engine().outbox.lock();
        let (packets, bytes) = std::mem::take(&mut self.written);
        outbox.written(packets, bytes);
        if outbox.ending() != self.closing || outbox.is_aborted() || !(blocked || outbox.is_empty()) {
            return false;
        }
        if blocked {
            // What is queued meanwhile can wait until the peer reads.
            outbox.register_driver(context);
        } else {
            outbox.register_writer(context);
        }
        true
    }

    /// The stream broke.
    fn fail(&mut self) -> DisconnectReason {
        self.session.engine().end(DisconnectReason::TransportClose);
        let reason = self.session.engine().ending().unwrap_or(DisconnectReason::TransportClose);
        self.session.close(reason);
        reason
    }

    /// Says goodbye: what is queued, `41` when the application asked for the end, and a close frame.
    fn begin_close(&mut self, reason: DisconnectReason) {
        if self.closing.is_some() {
            return;
        }
        self.closing = Some(reason);
        match reason {
            DisconnectReason::SlowConsumer | DisconnectReason::WriteTimeout => {
                self.batch.truncate(usize::from(self.offset > 0));
            }
            DisconnectReason::ServerDisconnect(_) => self.batch.push_back(packet::disconnect()),
            _ => {}
        }
        self.batch.push_back(Frame::close(reason.close_code(), reason.as_str()));
        self.session.close(reason);
        let now = self.session.node().now();
        self.session.engine().linger_until.store(now + millis(LINGER), Ordering::Relaxed);
    }

    /// Writes the batch, as many frames at once as the system takes.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut progress = false;
        while !self.batch.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE];
            let count = self.batch.len().min(WRITE);
            for (slice, frame) in slices.iter_mut().zip(&self.batch) {
                *slice = IoSlice::new(frame.wire());
            }
            if let (Some(slice), Some(frame)) = (slices.first_mut(), self.batch.front()) {
                *slice = IoSlice::new(frame.wire().get(self.offset..).unwrap_or_default());
            }
            let written = match &slices[..count] {
                // `send` costs the system less than `writev`.
                [only] => Pin::new(&mut self.io).poll_write(context, only),
                several => Pin::new(&mut self.io).poll_write_vectored(context, several),
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(bytes)) => {
                    self.consume(bytes);
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let blocked = &self.session.engine().blocked_since;
                    if progress || blocked.load(Ordering::Relaxed) == 0 {
                        blocked.store(self.session.node().now(), Ordering::Relaxed);
                    }
                    return Poll::Pending;
                }
            }
        }
        if progress {
            self.session.engine().blocked_since.store(0, Ordering::Relaxed);
            outbox::shrink(&mut self.batch);
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Drops what is written from the batch.
    fn consume(&mut self, mut bytes: usize) {
        while let Some(frame) = self.batch.front() {
            let length = frame.wire().len();
            if bytes < length - self.offset {
                self.offset += bytes;
                break;
            }
            bytes -= length - self.offset;
            self.offset = 0;
            self.written.0 += 1;
            self.written.1 += length;
            self.batch.pop_front();
        }
    }

    /// Reads once if that is wanted. True when something came or the connection is to end.
    fn poll_input(&mut self, context: &mut Context<'_>) -> bool {
        if self.peer_done {
            return false;
        }
        let paused = self.closing.is_none() && !self.session.wants_input();
        let engine = self.session.engine();
        if engine.paused.load(Ordering::Relaxed) != paused {
            engine.paused.store(paused, Ordering::Relaxed);
        }
        if paused {
            return false;
        }
        match self.poll_read(context) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(reason)) => {
                self.session.engine().end(reason);
                true
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DisconnectReason>> {
        let mut space = [MaybeUninit::<u8>::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            self.peer_done = true;
            return Poll::Ready(Err(DisconnectReason::TransportClose));
        }
        let engine = self.session.engine();
        let limit = engine.payload_limit(&self.session.node().config);
        engine.last_seen.store(self.session.node().now(), Ordering::Relaxed);
        let mut input = buffer.filled();
        loop {
            if self.deaf {
                return Poll::Ready(Ok(()));
            }
            match self.reader.read(&mut input, limit) {
                Ok(None) => return Poll::Ready(Ok(())),
                Ok(Some(Message::Close(_))) => {
                    self.peer_done = true;
                    return Poll::Ready(Err(DisconnectReason::TransportClose));
                }
                // The end is decided; only the peer's close frame matters now.
                Ok(Some(_)) if self.closing.is_some() => {}
                Ok(Some(message)) => {
                    if let Err(reason) = self.on_message(message) {
                        return Poll::Ready(Err(reason));
                    }
                }
                Err(error) => {
                    self.deaf = true;
                    return Poll::Ready(Err(reason_of(error)));
                }
            }
        }
    }

    fn on_message(&mut self, message: Message) -> Result<(), DisconnectReason> {
        match message {
            Message::Text(text) => self.session.on_text(text),
            Message::Binary(bytes) => self.session.on_packet(EnginePacket::Binary(bytes)),
            Message::Ping(data) => {
                self.session.count()?;
                let engine = self.session.engine();
                engine.push(&Frame::pong(&data), &[], &self.session.node().config);
                Ok(())
            }
            Message::Pong => self.session.count(),
            Message::Close(_) => Err(DisconnectReason::TransportClose),
        }
    }
}

fn reason_of(error: FrameError) -> DisconnectReason {
    match error {
        FrameError::TooLarge => DisconnectReason::TooLarge,
        FrameError::Protocol(_) | FrameError::Utf8 => DisconnectReason::ParseError,
    }
}
