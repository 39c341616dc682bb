//! What other nodes are owed because messages to them were lost.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use antiphon_realtime::{BusMessage, Emit, Target};
use serde_json::value::RawValue;

use super::RESYNC_EVENT;

/// Rooms that are told one by one; with more of them everybody is.
const MAX_ROOMS: usize = 1000;
/// Commands that are kept to be sent again.
const MAX_COMMANDS: usize = 1000;

/// How the loss of a message is made good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing: its sender learns of the loss or waits with a limit.
    Nothing,
    /// Those it was for read again.
    Resync(Target),
    /// It is sent again: doing what it says twice is as good as once.
    Again,
}

impl Remedy {
    pub(super) fn of(message: &BusMessage) -> Self {
        match message {
            BusMessage::Emit(emit) if emit.callback.is_some() => Self::Nothing,
            BusMessage::Emit(emit) => Self::Resync(emit.target.clone()),
            BusMessage::Callback { .. } => Self::Nothing,
            BusMessage::Disconnect { .. }
            | BusMessage::EnterRoom { .. }
            | BusMessage::LeaveRoom { .. }
            | BusMessage::CloseRoom { .. } => Self::Again,
        }
    }
}

/// What is owed, bounded.
#[derive(Debug, Default)]
pub(super) struct Owed {
    rooms: HashSet<String>,
    everybody: bool,
    /// Channel and message of each command, in order.
    commands: VecDeque<(String, String)>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        !self.everybody && self.rooms.is_empty() && self.commands.is_empty()
    }

    /// Adds what makes a loss good; `message` is needed when it is to be sent again.
    pub(super) fn add(&mut self, remedy: Remedy, message: Option<(String, String)>) {
        match remedy {
            Remedy::Nothing => {}
            Remedy::Again => {
                if self.commands.len() == MAX_COMMANDS {
                    self.commands.pop_front();
                }
                self.commands.extend(message);
            }
            Remedy::Resync(Target::Everybody) => self.tell_everybody(),
            Remedy::Resync(target) => {
                if !self.everybody {
                    self.rooms.extend(target.rooms().iter().cloned());
                }
                if self.rooms.len() > MAX_ROOMS {
                    self.tell_everybody();
                }
            }
        }
    }

    fn tell_everybody(&mut self) {
        self.everybody = true;
        self.rooms = HashSet::new();
    }

    /// The commands to send again, and the rooms to tell that something was missed.
    pub(super) fn into_parts(self) -> (VecDeque<(String, String)>, Vec<Target>) {
        let mut targets: Vec<_> = self.rooms.into_iter().map(Target::Room).collect();
        if self.everybody {
            targets.push(Target::Everybody);
        }
        (self.commands, targets)
    }
}

/// The event that has pages read again; `None` if it cannot be made, which its fixed text excludes.
pub(super) fn resync(target: Target, host_id: Option<String>) -> Option<BusMessage> {
    let arguments: Arc<RawValue> = RawValue::from_string("[{}]".to_owned()).ok()?.into();
    Some(BusMessage::Emit(Box::new(Emit {
        event: RESYNC_EVENT.to_owned(),
        arguments,
        attachments: Vec::new(),
        target,
        skip: Vec::new(),
        callback: None,
        host_id,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Remedy {
        Remedy::Resync(Target::Room(name.to_owned()))
    }

    #[test]
    fn each_room_is_told_once_and_too_many_mean_everybody() {
        let mut owed = Owed::default();
        assert!(owed.is_empty());
        owed.add(room("a"), None);
        owed.add(room("a"), None);
        owed.add(Remedy::Nothing, None);
        assert_eq!(std::mem::take(&mut owed).into_parts().1, [Target::Room("a".to_owned())]);
        for number in 0..=MAX_ROOMS {
            owed.add(room(&number.to_string()), None);
        }
        owed.add(room("late"), None);
        assert_eq!(owed.into_parts().1, [Target::Everybody]);
    }

    #[test]
    fn the_last_commands_are_kept_in_order() {
        let mut owed = Owed::default();
        for number in 0..MAX_COMMANDS + 2 {
            owed.add(Remedy::Again, Some(("c".to_owned(), number.to_string())));
        }
        let (commands, _) = owed.into_parts();
        assert_eq!(commands.len(), MAX_COMMANDS);
        assert_eq!(commands.front().unwrap().1, "2");
        assert_eq!(commands.back().unwrap().1, (MAX_COMMANDS + 1).to_string());
    }
}
