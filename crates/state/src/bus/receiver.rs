//! What comes from other nodes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use antiphon_realtime::{BusError, BusMessage, NodeInbox, Target};
use tokio::time::{Instant, sleep};

use super::Inner;
use super::assembly::SWEEP_EVERY;
use super::owed::resync;
use super::parts::Part;
use crate::exchange::Listener;

/// Hands messages to the node. Does not keep the bus alive, which holds the exchange that holds this.
pub(super) struct Receiver {
    bus: Weak<Inner>,
}

impl Receiver {
    pub(super) fn new(bus: &Arc<Inner>) -> Self {
        Self { bus: Arc::downgrade(bus) }
    }
}

impl Listener for Receiver {
    fn message(&self, channel: &str, payload: &[u8]) {
        let Some(bus) = self.bus.upgrade() else { return };
        let Some(inbox) = bus.inbox.get() else { return };
        if is_echo(payload, inbox.host_id()) {
            return;
        }
        let taken = if Part::is_one(payload) && bus.channels.carry_parts() {
            bus.take_part(inbox, payload)
        } else {
            bus.take(inbox, payload)
        };
        if let Err(error) = taken {
            bus.counters.malformed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(channel, bytes = payload.len(), %error, "a message on the event bus cannot be read");
        }
    }

    fn resumed(&self, gap: Duration) {
        let Some(bus) = self.bus.upgrade() else { return };
        bus.assemblies.clear();
        let unconfirmed = bus.rooms.unconfirmed();
        if !unconfirmed.is_empty() {
            tokio::spawn(Inner::reopen(bus.clone(), unconfirmed));
        }
        // At the start this tells nobody, unless sockets came before Redis.
        if let (Some(inbox), Some(message)) = (bus.inbox.get(), resync(Target::Everybody, None)) {
            tracing::debug!(
                ?gap,
                "events of other nodes may have been missed; the sockets of this node are told"
            );
            inbox.deliver(message);
        }
    }
}

impl Inner {
    /// Hands a whole message to the node.
    fn take(&self, inbox: &NodeInbox, payload: &[u8]) -> Result<(), BusError> {
        if let Some(message) = BusMessage::from_json(payload)? {
            self.counters.received.fetch_add(1, Ordering::Relaxed);
            inbox.deliver(message);
        }
        Ok(())
    }

    /// Takes a part, and hands the event to the node when it is the last.
    fn take_part(self: &Arc<Self>, inbox: &NodeInbox, payload: &[u8]) -> Result<(), BusError> {
        let part = Part::from_json(payload)?;
        let taken = self.assemblies.take(&part, Instant::now());
        if taken.sweep {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        self.missed(inbox, taken.missed);
        match taken.whole {
            Some(whole) => self.take(inbox, whole.as_bytes()),
            None => Ok(()),
        }
    }

    /// Has the sockets of this node read again that missed an event.
    fn missed(&self, inbox: &NodeInbox, targets: Vec<Target>) {
        for target in targets {
            self.counters.torn.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(?target, "parts of an event are missing; the sockets that it was for are told");
            if let Some(message) = resync(target, None) {
                inbox.deliver(message);
            }
        }
    }
}

/// Gives up events whose parts do not come, while there is any to wait for.
async fn sweep(bus: Weak<Inner>) {
    loop {
        sleep(SWEEP_EVERY).await;
        let Some(bus) = bus.upgrade() else { return };
        let Some(missed) = bus.assemblies.sweep(Instant::now()) else { return };
        if let Some(inbox) = bus.inbox.get() {
            bus.missed(inbox, missed);
        }
    }
}

/// Whether this is a message of ours that comes back, told without reading it: the sender stands at the end. In a callback,
/// which is meant for us when it names us, it stands elsewhere.
fn is_echo(payload: &[u8], host_id: &str) -> bool {
    payload
        .strip_suffix(br#""}"#)
        .and_then(|rest| rest.strip_suffix(host_id.as_bytes()))
        .is_some_and(|rest| rest.ends_with(br#","host_id":""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_told_by_their_end() {
        let of = |host_id: &str| BusMessage::Disconnect { sid: "s".into(), host_id: Some(host_id.into()) };
        let echo = |message: BusMessage| is_echo(message.to_json().unwrap().as_bytes(), "aa");
        assert!(echo(of("aa")));
        assert!(!echo(of("baa")));
        let arguments = serde_json::value::to_raw_value(&["aa"]).unwrap().into();
        let callback = BusMessage::Callback { host_id: "aa".into(), sid: "s".into(), id: 1, arguments };
        assert!(!echo(callback));
        assert!(echo(resync(Target::Everybody, Some("aa".into())).unwrap()));
    }
}
