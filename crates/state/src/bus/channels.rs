//! Which channel a message goes to.

use antiphon_realtime::{BusMessage, Target};

/// The names of the channels: the base channel, and `{base}#/#{room}` for each room.
#[derive(Debug)]
pub(super) struct Channels {
    base: String,
    by_room: bool,
    /// Servers of another kind may be on the base channel, and on those of rooms.
    shared: bool,
}

impl Channels {
    pub(super) fn new(base: String, by_room: bool, shared: bool) -> Self {
        Self { base, by_room, shared }
    }

    /// The channel that every node hears.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether each room has a channel.
    pub(super) fn by_room(&self) -> bool {
        self.by_room
    }

    /// Whether large events go in parts: everybody who listens puts them together. The reference, which does not, listens to the
    /// channels of rooms too.
    pub(super) fn carry_parts(&self) -> bool {
        !self.shared
    }

    /// The channel of a room; `/` is the namespace.
    pub(super) fn room(&self, room: &str) -> String {
        format!("{}#/#{room}", self.base)
    }

    /// Where a message goes. An event for several rooms goes to all nodes: on the channel of each, nodes with sockets in
    /// more than one would get it more than once.
    pub(super) fn of(&self, message: &BusMessage) -> String {
        match message {
            BusMessage::Emit(emit) if self.by_room => match &emit.target {
                Target::Room(room) => self.room(room),
                Target::Everybody | Target::Rooms(_) => self.base.clone(),
            },
            _ => self.base.clone(),
        }
    }
}
