//! Which local sockets are in which room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::bus::Bus;
use crate::engine::Engine;
use crate::sharded::Sharded;
use crate::socket::SocketInner;

/// Time the bus may take to open or close a room before the caller goes on without it.
const BUS_WAIT: Duration = Duration::from_secs(5);

/// A socket in a room. The engine stands beside the socket so that delivery needs one step in memory.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) engine: Arc<Engine>,
    pub(crate) socket: Arc<SocketInner>,
}

/// The room index.
pub(crate) struct Rooms {
    shards: Sharded<Arc<str>, Room>,
    /// Whether the bus follows which rooms have local members.
    tracked: bool,
}

struct Room {
    members: Vec<Member>,
    gate: Option<Arc<Gate>>,
}

/// Serialises opening and closing one room at the bus. Holds whether it is open.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
}

impl Rooms {
    pub(crate) fn new(tracked: bool) -> Self {
        Self { shards: Sharded::default(), tracked }
    }

    /// Adds a member who is not in the room yet. The gate, if any, must be opened before the join counts.
    pub(crate) fn add(&self, room: &str, member: Member) -> (Arc<str>, Option<Arc<Gate>>) {
        let mut shard = self.shards.shard(room).write();
        let known = shard.get_key_value(room).map(|(name, _)| name.clone());
        if let Some(name) = known
            && let Some(entry) = shard.get_mut(room)
        {
            entry.members.push(member);
            return (name, entry.gate.clone());
        }
        let name: Arc<str> = room.into();
        let gate = self.tracked.then(Arc::<Gate>::default);
        shard.insert(name.clone(), Room { members: vec![member], gate: gate.clone() });
        (name, gate)
    }

    /// The gate of a room that exists.
    pub(crate) fn gate(&self, room: &str) -> Option<Arc<Gate>> {
        self.shards.shard(room).read().get(room)?.gate.clone()
    }

    /// Removes a member. Gives the gate to close when the bus has to be told that nobody is left.
    pub(crate) fn remove(&self, room: &str, socket: &Arc<SocketInner>) -> Option<Arc<Gate>> {
        let mut shard = self.shards.shard(room).write();
        let entry = shard.get_mut(room)?;
        let position = entry.members.iter().position(|member| Arc::ptr_eq(&member.socket, socket))?;
        entry.members.swap_remove(position);
        if entry.members.len() * 4 < entry.members.capacity() {
            let target = entry.members.len() * 2;
            entry.members.shrink_to(target);
        }
        if !entry.members.is_empty() {
            return None;
        }
        let gate = entry.gate.clone();
        if gate.is_none() {
            remove_entry(&mut shard, room);
        }
        gate
    }

    /// Calls `visit` for each member. It must not touch the index.
    pub(crate) fn each(&self, room: &str, mut visit: impl FnMut(&Member)) {
        if let Some(room) = self.shards.shard(room).read().get(room) {
            room.members.iter().for_each(&mut visit);
        }
    }

    /// A copy of the members.
    pub(crate) fn members(&self, room: &str) -> Vec<Arc<SocketInner>> {
        let mut members = Vec::new();
        self.each(room, |member| members.push(member.socket.clone()));
        members
    }

    /// Rooms that have members.
    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    /// Tells the bus, once, that the room has members here.
    pub(crate) async fn open(&self, bus: &dyn Bus, room: &str, gate: &Gate) {
        let mut open = gate.open.lock().await;
        if *open {
            return;
        }
        if tokio::time::timeout(BUS_WAIT, bus.room_opened(room)).await.is_err() {
            tracing::warn!(
                room,
                "The event bus did not confirm a room within {BUS_WAIT:?}. Sockets of this room may miss events of \
                 other nodes until it does. Check that Redis (WEBSOCKET_REDIS_URL) answers."
            );
        }
        *open = true;
    }

    /// Tells the bus that the room has no members here, unless somebody joined meanwhile.
    pub(crate) async fn close(&self, bus: &dyn Bus, room: &str, gate: &Gate) {
        let mut open = gate.open.lock().await;
        let empty =
            |shard: &HashMap<Arc<str>, Room>| shard.get(room).is_some_and(|room| room.members.is_empty());
        if !empty(&self.shards.shard(room).read()) {
            return;
        }
        if *open && tokio::time::timeout(BUS_WAIT, bus.room_closed(room)).await.is_err() {
            tracing::debug!(room, "the event bus did not confirm within {BUS_WAIT:?} that a room was left");
        }
        *open = false;
        // Who joined meanwhile waits for the gate and opens the room anew.
        let mut shard = self.shards.shard(room).write();
        if empty(&shard) {
            remove_entry(&mut shard, room);
        }
    }
}

fn remove_entry(shard: &mut HashMap<Arc<str>, Room>, room: &str) {
    shard.remove(room);
    if shard.capacity() > 64 && shard.len() * 4 < shard.capacity() {
        let target = shard.len() * 2;
        shard.shrink_to(target);
    }
}
