//! What is sent: one command or a batch of them.

use redis::{Cmd, Value};

use super::slot::Slot;

/// Whether a call may be carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Carrying it out twice is as good as once, so it is repeated when a connection breaks under it.
    Idempotent,
    /// It is repeated only when it was certainly not carried out; otherwise the caller learns that its fate is unknown.
    Once,
}

/// Commands that go out together and whose replies come back together. In a cluster their keys share one slot.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    commands: Vec<Cmd>,
    atomic: bool,
    near: Option<Slot>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch whose commands are carried out without any other in between (`MULTI` and `EXEC`).
    pub fn atomic() -> Self {
        Self { atomic: true, ..Self::default() }
    }

    /// Adds a command.
    #[must_use]
    pub fn with(mut self, command: Cmd) -> Self {
        self.commands.push(command);
        self
    }

    /// Sends commands without keys by way of the server that has this key, while it answers; in a cluster another serves
    /// otherwise. Messages that are published by one way arrive in order.
    #[must_use]
    pub fn by_way_of(self, key: &str) -> Self {
        Self { near: Some(Slot::of_key(key.as_bytes())), ..self }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

/// One command or a batch, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    commands: Vec<Cmd>,
    shape: Shape,
    /// Whose owner is preferred when the commands have no keys.
    near: Option<Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One command; its reply is the result.
    Single,
    /// The replies in order are the result.
    Batch,
    /// The reply of `EXEC` is the result.
    Transaction,
}

impl Request {
    pub(crate) fn single(command: Cmd) -> Self {
        Self { commands: vec![command], shape: Shape::Single, near: None }
    }

    pub(crate) fn batch(batch: Batch) -> Self {
        if !batch.atomic {
            return Self { commands: batch.commands, shape: Shape::Batch, near: batch.near };
        }
        let mut commands = Vec::with_capacity(batch.commands.len() + 2);
        commands.push(redis::cmd("MULTI"));
        commands.extend(batch.commands);
        commands.push(redis::cmd("EXEC"));
        Self { commands, shape: Shape::Transaction, near: batch.near }
    }

    /// The commands as they are sent.
    pub(crate) fn commands(&self) -> &[Cmd] {
        &self.commands
    }

    /// The same with `ASKING` before each command, for a server that is taking over the slot. There is no such form of a
    /// transaction, because `ASKING` inside of one is queued like any command.
    pub(crate) fn asking(&self) -> Option<Self> {
        if self.shape == Shape::Transaction {
            return None;
        }
        let commands =
            self.commands.iter().flat_map(|command| [redis::cmd("ASKING"), command.clone()]).collect();
        Some(Self { commands, shape: self.shape, near: self.near })
    }

    /// The slot whose owner is preferred for commands without keys.
    pub(crate) fn near(&self) -> Option<Slot> {
        self.near
    }

    /// The slot of its keys: an error when they have several.
    pub(crate) fn slot(&self) -> super::error::Result<Option<Slot>> {
        let mut found = None;
        for slot in self.commands.iter().filter_map(Slot::of_command) {
            if found.is_some_and(|found| found != slot) {
                return Err(super::error::RedisError::CrossSlot);
            }
            found = Some(slot);
        }
        Ok(found)
    }

    /// The result from the replies to [`Self::commands`], of which none is an error. `None` for an `EXEC` without effect.
    pub(crate) fn result(&self, mut replies: Vec<Value>) -> Value {
        match self.shape {
            Shape::Single | Shape::Transaction => replies.pop().unwrap_or_default(),
            Shape::Batch => Value::Array(replies),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_framed_and_gives_the_reply_of_exec() {
        let batch = Batch::atomic().with(redis::cmd("GET").arg("a").take());
        let request = Request::batch(batch);
        assert_eq!(request.commands().len(), 3);
        assert!(request.asking().is_none());
        let replies =
            vec![Value::Okay, Value::SimpleString("QUEUED".into()), Value::Array(vec![Value::Int(1)])];
        assert_eq!(request.result(replies), Value::Array(vec![Value::Int(1)]));
    }

    #[test]
    fn keys_of_several_slots_are_refused() {
        let get = |key: &str| redis::cmd("GET").arg(key).take();
        assert!(
            Request::batch(Batch::new().with(get("{x}a")).with(get("{x}b")))
                .slot()
                .is_ok_and(|slot| slot.is_some())
        );
        assert!(Request::batch(Batch::new().with(get("a")).with(get("b"))).slot().is_err());
        assert_eq!(Request::single(redis::cmd("PING")).slot(), Ok(None));
    }
}
