//! Acknowledgements: those a client asks for, and those we wait for.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::bus::{BusError, CallbackAddress};
use crate::error::EmitError;
use crate::packet;
use crate::socket::Socket;

/// A client waits for the answer to its event. Answer once, from any task; dropping it answers nothing.
#[derive(Debug)]
pub struct Ack {
    pub(crate) socket: Socket,
    pub(crate) id: u64,
}

impl Ack {
    /// Answers with one value: `43<id>[value]`.
    pub fn send<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EmitError> {
        let text = serde_json::to_string(&(value,)).map_err(EmitError::Encode)?;
        self.socket.push(&packet::ack(self.id, &text));
        Ok(())
    }

    /// Answers without value: `43<id>[]`.
    pub fn send_empty(self) {
        self.socket.push(&packet::ack(self.id, "[]"));
    }
}

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The payload could not be encoded, is too large, or the bus is out of reach.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// No node has this socket.
    #[error("no node has this socket")]
    Gone,
    /// The socket went away before it answered.
    #[error("the socket went away before it answered")]
    Disconnected,
    /// No answer in time.
    #[error("no answer within the time limit")]
    Timeout,
    /// The socket owes too many answers already.
    #[error("the socket owes too many answers already")]
    TooMany,
    /// The answer is nested too deeply to be read.
    #[error("the answer could not be read")]
    Answer,
}

impl From<BusError> for CallError {
    fn from(error: BusError) -> Self {
        Self::Emit(EmitError::Bus(error))
    }
}

/// What waits for the acknowledgement of an event we sent.
pub(crate) enum Waiting {
    /// A call on this node.
    Here(oneshot::Sender<Box<RawValue>>),
    /// A call on another node.
    There { host_id: String, address: CallbackAddress },
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Here(_) => "Here",
            Self::There { .. } => "There",
        })
    }
}

/// The acknowledgements one socket owes. Few at a time, so a list.
#[derive(Debug, Default)]
pub(crate) struct AckTable {
    last: u64,
    waiting: Vec<Entry>,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// When it is forgotten, on the node's clock.
    until: u64,
    waiting: Waiting,
}

impl AckTable {
    /// Notes one more; gives the number to send.
    pub(crate) fn register(
        &mut self,
        waiting: Waiting,
        until: u64,
        now: u64,
        most: usize,
    ) -> Result<u64, CallError> {
        if self.closed {
            return Err(CallError::Disconnected);
        }
        if self.waiting.len() >= most {
            self.waiting.retain(|entry| entry.until > now);
        }
        if self.waiting.len() >= most {
            return Err(CallError::TooMany);
        }
        self.last += 1;
        self.waiting.push(Entry { id: self.last, until, waiting });
        Ok(self.last)
    }

    /// Takes the one with this number. Unknown numbers are normal: the call may have timed out.
    pub(crate) fn take(&mut self, id: u64) -> Option<Waiting> {
        let index = self.waiting.iter().position(|entry| entry.id == id)?;
        let entry = self.waiting.swap_remove(index);
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        Some(entry.waiting)
    }

    /// Ends all: calls on this node learn that the socket is gone.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.waiting = Vec::new();
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Reads the arguments of an acknowledgement.
pub(crate) fn answer(arguments: &RawValue) -> Result<Vec<Value>, CallError> {
    serde_json::from_str(arguments.get()).map_err(|_| CallError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_are_taken_once() {
        let mut table = AckTable::default();
        let (first, _first) = oneshot::channel();
        let (second, _second) = oneshot::channel();
        assert_eq!(table.register(Waiting::Here(first), 10, 0, 2).unwrap(), 1);
        assert_eq!(table.register(Waiting::Here(second), 10, 0, 2).unwrap(), 2);
        assert!(table.take(3).is_none());
        assert!(table.take(1).is_some());
        assert!(table.take(1).is_none());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_is_over() {
        let mut table = AckTable::default();
        let there =
            || Waiting::There { host_id: "x".into(), address: CallbackAddress { room: "r".into(), id: 1 } };
        for _ in 0..2 {
            table.register(there(), 10, 0, 2).unwrap();
        }
        assert!(matches!(table.register(there(), 20, 9, 2), Err(CallError::TooMany)));
        assert_eq!(table.register(there(), 20, 10, 2).unwrap(), 3);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn closing_ends_the_calls() {
        let mut table = AckTable::default();
        let (sender, mut receiver) = oneshot::channel();
        table.register(Waiting::Here(sender), 10, 0, 2).unwrap();
        table.close();
        assert!(receiver.try_recv().is_err());
        let (sender, _receiver) = oneshot::channel();
        assert!(matches!(table.register(Waiting::Here(sender), 10, 0, 2), Err(CallError::Disconnected)));
    }
}
