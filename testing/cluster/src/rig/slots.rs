//! Moving a slot of a cluster to another master, step by step.

use super::Rig;
use crate::error::Result;
use crate::server::Server;

/// How many keys are moved by one command.
const KEYS_AT_ONCE: &str = "100";

/// How long moving a batch of keys may take, in milliseconds.
const MIGRATE_TIMEOUT_MS: &str = "3000";

/// A slot on its way from one master to another. In between, the old owner answers `ASK` for keys that it does not have, and
/// `TRYAGAIN` for a command whose keys are on both sides.
pub struct SlotMove<'a> {
    rig: &'a Rig,
    slot: String,
    from: &'a Server,
    to: &'a Server,
}

impl Rig {
    /// Announces the move of a slot to both masters. No key is moved yet.
    pub async fn move_slot<'a>(&'a self, slot: u16, to: &'a Server) -> Result<SlotMove<'a>> {
        let from = self.slot_owner(slot).await?;
        let slot = slot.to_string();
        let (giver, taker) = (from.admin(&["CLUSTER", "MYID"]).await?, to.admin(&["CLUSTER", "MYID"]).await?);
        to.admin(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &giver]).await?;
        from.admin(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &taker]).await?;
        Ok(SlotMove { rig: self, slot, from, to })
    }
}

impl SlotMove<'_> {
    /// Moves the keys of the slot, and returns how many they were.
    pub async fn keys(&self) -> Result<usize> {
        let mut moved = 0;
        loop {
            let keys = self.from.admin(&["CLUSTER", "GETKEYSINSLOT", &self.slot, KEYS_AT_ONCE]).await?;
            let keys: Vec<&str> = keys.lines().collect();
            if keys.is_empty() {
                return Ok(moved);
            }
            let port = self.to.client_port().to_string();
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_TIMEOUT_MS];
            let options = self.rig.options();
            match (&options.user, &options.password) {
                (Some(user), Some(password)) => command.extend(["AUTH2", user, password]),
                (None, Some(password)) => command.extend(["AUTH", password]),
                (_, None) => {}
            }
            command.push("KEYS");
            command.extend(&keys);
            self.from.admin(&command).await?;
            moved += keys.len();
        }
    }

    /// Tells both masters, the new one first, and then the other masters, whose the slot is now.
    pub async fn finish(self) -> Result<()> {
        let taker = self.to.admin(&["CLUSTER", "MYID"]).await?;
        let mut told = vec![self.to, self.from];
        for server in self.rig.servers() {
            if server.port != self.to.port
                && server.port != self.from.port
                && self.rig.owns_slots(server).await
            {
                told.push(server);
            }
        }
        for server in told {
            server.admin(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &taker]).await?;
        }
        Ok(())
    }
}
