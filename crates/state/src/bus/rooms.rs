//! Rooms that have sockets here, as far as their channels are not subscribed to yet.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Inner;

/// Time a join may wait for the confirmation of its room's channel; then it goes on and the room is repaired.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(1);

/// The rooms whose channels were not confirmed in time.
#[derive(Debug, Default)]
pub(super) struct OpenRooms {
    unconfirmed: Mutex<HashSet<String>>,
}

impl OpenRooms {
    pub(super) fn unconfirmed(&self) -> Vec<String> {
        self.unconfirmed.lock().iter().cloned().collect()
    }

    /// True when it was unconfirmed.
    fn forget(&self, room: &str) -> bool {
        self.unconfirmed.lock().remove(room)
    }
}

impl Inner {
    /// Subscribes to the channel of a room and waits for that, but not while Redis is known to be away: the socket is
    /// served by this node meanwhile, and told to read again afterwards.
    pub(super) async fn open(self: &Arc<Self>, room: &str) {
        let Ok(connections) = self.exchange.connections() else { return };
        let wait = if connections.sockets().is_up() { CONFIRMED_WITHIN } else { Duration::ZERO };
        let (subscriber, channel) = (connections.subscriber().clone(), self.channels.room(room));
        drop(connections);
        let mut wish = Box::pin(async move { subscriber.subscribe(&channel).await });
        let outcome = tokio::time::timeout(wait, &mut wish).await;
        if matches!(outcome, Ok(Ok(()))) {
            return;
        }
        self.rooms.unconfirmed.lock().insert(room.to_owned());
        if outcome.is_err() {
            // The wish itself must not get lost.
            let (bus, room) = (self.clone(), room.to_owned());
            tokio::spawn(async move {
                let confirmed = wish.await.is_ok();
                bus.confirm(&room, confirmed).await;
            });
        }
    }

    /// Ends the subscription to the channel of a room.
    pub(super) async fn close(&self, room: &str) {
        self.rooms.forget(room);
        let Ok(connections) = self.exchange.connections() else { return };
        let subscriber = connections.subscriber().clone();
        drop(connections);
        if let Err(error) = subscriber.unsubscribe(&self.channels.room(room)).await {
            tracing::debug!(room, %error, "the channel of a room was not left in time");
        }
    }

    /// Wishes for the channels once more: a wish can have been lost when very many waited.
    pub(super) async fn reopen(self: Arc<Self>, rooms: Vec<String>) {
        for room in rooms {
            let Ok(connections) = self.exchange.connections() else { return };
            let subscriber = connections.subscriber().clone();
            drop(connections);
            let confirmed = subscriber.subscribe(&self.channels.room(&room)).await.is_ok();
            self.confirm(&room, confirmed).await;
        }
    }

    /// A late answer: the room may have been closed meanwhile.
    async fn confirm(&self, room: &str, confirmed: bool) {
        let still_open =
            if confirmed { self.rooms.forget(room) } else { self.rooms.unconfirmed.lock().contains(room) };
        if !still_open {
            self.close(room).await;
        }
    }
}
