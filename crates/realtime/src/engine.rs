//! One Engine.IO connection as the rest of the node sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use crate::config::RealtimeConfig;
use crate::frame::Frame;
use crate::outbox::{Outbox, Pushed};
use crate::reason::DisconnectReason;
use crate::sid::Sid;

/// State shared by the connection's task, by emitters and by the heartbeat. Times are milliseconds
/// of the node's clock.
pub(crate) struct Engine {
    /// Key in the node's table.
    pub(crate) number: u64,
    pub(crate) sid: Sid,
    pub(crate) opened: u64,
    pub(crate) outbox: Mutex<Outbox>,
    /// Last sign of life.
    pub(crate) last_seen: AtomicU64,
    pub(crate) next_ping: AtomicU64,
    /// When writing got stuck; 0 while it flows.
    pub(crate) blocked_since: AtomicU64,
    /// When CONNECT must have come; 0 once it has.
    pub(crate) connect_by: AtomicU64,
    /// When an ending connection is dropped; 0 while it lives.
    pub(crate) linger_until: AtomicU64,
    /// Reading is paused because handlers are busy: silence is not the client's fault.
    pub(crate) paused: AtomicBool,
    pub(crate) authenticated: AtomicBool,
}

impl Engine {
    pub(crate) fn new(number: u64, sid: Sid, now: u64, config: &RealtimeConfig) -> Self {
        Self {
            number,
            sid,
            opened: now,
            outbox: Mutex::default(),
            last_seen: AtomicU64::new(now),
            next_ping: AtomicU64::new(now + millis(config.ping_interval)),
            blocked_since: AtomicU64::new(0),
            connect_by: AtomicU64::new(now + millis(config.connect_time_limit)),
            linger_until: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            authenticated: AtomicBool::new(false),
        }
    }

    /// Queues an event and wakes who writes it.
    pub(crate) fn push(&self, first: &Frame, more: &[Frame], config: &RealtimeConfig) -> PushOutcome {
        let (outcome, waker) = self.queue(first, more, config);
        if let Some(waker) = waker {
            waker.wake();
        }
        outcome
    }

    /// Queues an event; the waker is that of who has to write it, if it waits. A connection whose queue is full is ended.
    pub(crate) fn queue(
        &self,
        first: &Frame,
        more: &[Frame],
        config: &RealtimeConfig,
    ) -> (PushOutcome, Option<Waker>) {
        let mut outbox = self.outbox.lock();
        match outbox.push(first, more, config.max_queue_bytes, config.max_queue_packets) {
            Pushed::Queued => (PushOutcome::Queued, outbox.take_writer()),
            Pushed::Ending => (PushOutcome::Refused, None),
            Pushed::Full => {
                outbox.end(DisconnectReason::SlowConsumer);
                let wakers = outbox.take_wakers();
                drop(outbox);
                wakers.into_iter().flatten().for_each(Waker::wake);
                (PushOutcome::Overflowed, None)
            }
        }
    }

    /// Ends the connection; the first reason wins. False when it was ending already.
    pub(crate) fn end(&self, reason: DisconnectReason) -> bool {
        let mut outbox = self.outbox.lock();
        let first = outbox.end(reason);
        let wakers = outbox.take_wakers();
        drop(outbox);
        wakers.into_iter().flatten().for_each(Waker::wake);
        first
    }

    /// Drops the connection without waiting for the peer.
    pub(crate) fn abort(&self) {
        let mut outbox = self.outbox.lock();
        outbox.abort();
        let wakers = outbox.take_wakers();
        drop(outbox);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn ending(&self) -> Option<DisconnectReason> {
        self.outbox.lock().ending()
    }

    /// Largest message that the client may send at this moment.
    pub(crate) fn payload_limit(&self, config: &RealtimeConfig) -> usize {
        if self.authenticated.load(Ordering::Relaxed) {
            config.max_payload
        } else {
            config.max_payload_anonymous.min(config.max_payload)
        }
    }
}

/// What became of a delivery to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushOutcome {
    Queued,
    Refused,
    Overflowed,
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
