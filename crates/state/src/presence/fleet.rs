//! The sessions of the fleet in Redis, at the servers of the sockets.
//!
//! ```text
//! {prefix}:session_pool                   hash: session → record (see `record`); an entry lives as long as the lease of its node
//! {prefix}:antiphon:node:{id}:sessions    set: the sessions of a node
//! {prefix}:antiphon:presence              channel: {"node", "put": {session: record}, "gone": [session]}
//! ```

use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::Inner;
use super::record::Record;
use crate::exchange::Exchange;
use crate::membership::{CLOCK, Membership};
use crate::mirror::{Changes, Content, Names};
use crate::redis::{Repeat, Result, Script};

/// Sessions of a node that are removed at once.
const PORTION: usize = 500;

/// Writes sessions and tells the others. Gives whether the node had no lease, which it has then.
///
/// KEYS: pool, set of the node, nodes. ARGV: node, milliseconds of a lease, channel, message or nothing, number of sessions to
/// put, these with their records, sessions that went.
const WRITE: &str = r"
local fresh = redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now() + ARGV[2]), ARGV[1])
local at = 6
for _ = 1, ARGV[5] do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  redis.call('SADD', KEYS[2], ARGV[at])
  at = at + 2
end
for gone = at, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[gone])
  redis.call('SREM', KEYS[2], ARGV[gone])
end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return fresh
";

/// Removes a portion of a node's sessions, if its lease has lapsed or if the node is leaving. Gives whether none is left.
///
/// KEYS: pool, set of the node, nodes. ARGV: node, channel, most sessions, 1 if it is leaving or 0.
const CLEAN: &str = r"
if ARGV[4] == '0' and holds(KEYS[3], ARGV[1]) then return 1 end
local gone = redis.call('SPOP', KEYS[2], ARGV[3])
if #gone == 0 then return 1 end
redis.call('HDEL', KEYS[1], unpack(gone))
redis.call('PUBLISH', ARGV[2], cjson.encode({node = ARGV[1], gone = gone}))
return redis.call('EXISTS', KEYS[2]) == 0 and 1 or 0
";

/// The sessions as the content of a mirror.
pub(super) struct Sessions {
    presence: Arc<Inner>,
    exchange: Exchange,
    names: Names,
    nodes: String,
    lease: String,
    write: Script,
    clean: Script,
}

impl Sessions {
    pub(super) fn new(presence: Arc<Inner>, membership: &Membership) -> Self {
        let exchange = membership.exchange().clone();
        Self {
            presence,
            names: Names::at_sockets(&exchange, "session_pool", "sessions", "presence"),
            exchange,
            nodes: membership.nodes_key().to_owned(),
            lease: membership.lease_millis().to_string(),
            write: Script::new(&format!("{CLOCK}{WRITE}")),
            clean: Script::new(&format!("{CLOCK}{CLEAN}")),
        }
    }

    pub(super) fn channel(&self) -> &str {
        self.names.channel()
    }
}

impl Content for Sessions {
    fn names(&self) -> &Names {
        &self.names
    }

    fn own(&self) -> Vec<Arc<str>> {
        self.presence.pool.lock().own()
    }

    fn foreign(&self) -> Vec<Arc<str>> {
        self.presence.pool.lock().foreign()
    }

    fn counts(&self) -> (usize, usize) {
        self.presence.pool.lock().counts()
    }

    fn record(&self, id: &str) -> Option<Box<RawValue>> {
        let pool = self.presence.pool.lock();
        pool.own_session(id).and_then(|session| Record::write(session, self.exchange.node_id()))
    }

    fn put(&self, id: &str, record: &str) {
        let Some((session, node)) = Record::read(id, record) else { return };
        if node != *self.exchange.node_id() {
            let chats = self.presence.pool.lock().put_foreign(session);
            self.presence.tell(chats);
        }
    }

    fn remove(&self, id: &str) {
        let (removed, chats) = {
            let mut pool = self.presence.pool.lock();
            (pool.is_foreign(id), pool.remove_foreign(id))
        };
        if removed {
            self.presence.usage.lock().remove(id);
        }
        self.presence.tell(chats);
    }

    fn touched(&self) -> Vec<Arc<str>> {
        self.presence.pool.lock().take_touched()
    }

    async fn write(&self, changes: &Changes) -> Result<bool> {
        let node = self.exchange.node_id();
        let (own, message) = (self.names.owned_by(node), changes.message(node));
        let count = changes.put.len().to_string();
        let mut arguments: Vec<&[u8]> = vec![
            node.as_bytes(),
            self.lease.as_bytes(),
            self.channel().as_bytes(),
            &message,
            count.as_bytes(),
        ];
        for (id, record) in &changes.put {
            arguments.extend([id.as_bytes(), record.get().as_bytes()]);
        }
        arguments.extend(changes.gone.iter().map(|id| id.as_bytes()));
        let keys = [self.names.table(), &own, &self.nodes];
        self.exchange.socket_script(Repeat::Idempotent, &self.write, &keys, &arguments).await
    }

    async fn clean(&self, node: &str, own: bool) -> Result<bool> {
        let (owned, most) = (self.names.owned_by(node), PORTION.to_string());
        let leaving: &[u8] = if own { b"1" } else { b"0" };
        let arguments = [node.as_bytes(), self.channel().as_bytes(), most.as_bytes(), leaving];
        let keys = [self.names.table(), &owned, &self.nodes];
        self.exchange.socket_script(Repeat::Idempotent, &self.clean, &keys, &arguments).await
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sessions").field("names", &self.names).finish_non_exhaustive()
    }
}
