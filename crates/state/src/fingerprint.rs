//! Whether this node belongs to the fleet whose prefix it uses: the same secret, the same database, a version that fits.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};

use crate::exchange::Exchange;
use crate::redis::{RedisError, Repeat, Script, cmd};

/// How long it stays without a node, in seconds: so long after a fleet was killed another one can take its prefix.
const LIFETIME: u64 = 12;

/// How long it stays after a node has stopped in order, in seconds: other nodes show it again before.
const AFTER_STOP: u64 = 4;

/// How long one look may take at the start.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Pause between two looks at the start.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Nodes of other formats do not understand each other's messages: since 2 large events come in parts.
const FORMAT: u32 = 2;

/// Leaves what is there if it is another, else writes it again: `{KEYS[1]}` string JSON, expiring. A stranger (`ARGV[3]` is `0`) does
/// not write where there is nothing.
const SHOW: &str = "local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
if not held and ARGV[3] == '0' then return '' end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]";

/// What all nodes of a fleet have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of messages and keys.
    format: u32,
    /// A digest of `WEBUI_SECRET_KEY` that does not give it away.
    secret: String,
    /// The id of the database.
    database: String,
}

/// What a look at the fleet's fingerprint told.
#[derive(Debug)]
pub enum Seen {
    /// This node belongs there.
    Same,
    /// It does not.
    Other(Stranger),
    /// There is none, and this node was a stranger before.
    Free,
}

/// What of this node differs from the fleet.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranger {
    prefix: String,
    differs: Vec<&'static str>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "REDIS_KEY_PREFIX={} at this Redis belongs to other running nodes, and this node has another {}. ",
            self.prefix,
            self.differs.join(" and another ")
        )?;
        formatter.write_str(
            "Give all nodes of one installation the same WEBUI_SECRET_KEY, DATABASE_URL and version, and each installation a \
             REDIS_KEY_PREFIX of its own. After all nodes of the other installation have ended, the prefix is free within 12 s.",
        )
    }
}

impl std::error::Error for Stranger {}

impl Fingerprint {
    /// Of a node with this secret and this database.
    pub fn new(secret: &str, database: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(b"antiphon fleet fingerprint\0")
            .chain_update(database.as_bytes())
            .chain_update(b"\0")
            .chain_update(secret.as_bytes())
            .finalize();
        let secret =
            format!("{:016x}", digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)));
        Self { format: FORMAT, secret, database: database.to_owned() }
    }

    /// Shows the fingerprint, and says how the fleet's differs. With `claim` a free prefix is taken.
    pub async fn show(&self, exchange: &Exchange, claim: bool) -> Result<Seen, RedisError> {
        let key = exchange.key("antiphon:fleet");
        let own = serde_json::to_string(self).unwrap_or_default();
        let script = Script::new(SHOW);
        let (lifetime, claim) = (LIFETIME.to_string(), u8::from(claim).to_string());
        let arguments = [own.as_bytes(), lifetime.as_bytes(), claim.as_bytes()];
        let held: String = exchange.script(Repeat::Idempotent, &script, &[&key], &arguments).await?;
        if held == own {
            return Ok(Seen::Same);
        }
        if held.is_empty() {
            return Ok(Seen::Free);
        }
        let connections = exchange.connections()?;
        let prefix = connections.options().main.prefix.to_string();
        let differs = match serde_json::from_str::<Self>(&held) {
            Ok(other) => self.differs(&other),
            Err(_) => vec!["version of Antiphon"],
        };
        Ok(Seen::Other(Stranger { prefix, differs }))
    }

    /// Waits until a prefix that belongs to others is free, as long as one whose nodes were killed takes. Without an answer from
    /// Redis nothing is waited for: whoever shows it again finds out later.
    pub async fn join(&self, exchange: &Exchange) -> Result<(), Stranger> {
        let end = Instant::now() + Duration::from_secs(LIFETIME + 1);
        let mut said = false;
        loop {
            let Ok(Ok(Seen::Other(stranger))) = timeout(FIRST_LOOK, self.show(exchange, true)).await else {
                return Ok(());
            };
            if Instant::now() >= end {
                return Err(stranger);
            }
            if !std::mem::replace(&mut said, true) {
                tracing::warn!("{stranger} Waiting for that.");
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Lets the prefix go soon, if no other node shows it again.
    pub async fn leave(&self, exchange: &Exchange) -> Result<(), RedisError> {
        let expire = cmd("EXPIRE").arg(exchange.key("antiphon:fleet")).arg(AFTER_STOP).take();
        exchange.connections()?.main().command(Repeat::Idempotent, expire).await
    }

    fn differs(&self, other: &Self) -> Vec<&'static str> {
        let mut differs = Vec::new();
        if self.format != other.format {
            differs.push("version of Antiphon");
        }
        if self.database != other.database {
            differs.push("database (DATABASE_URL)");
        } else if self.secret != other.secret {
            // The digest depends on the database, too.
            differs.push("secret key (WEBUI_SECRET_KEY)");
        }
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_differs_and_not_the_secret() {
        let one = Fingerprint::new("secret one", "database");
        assert_eq!(one, Fingerprint::new("secret one", "database"));
        assert_eq!(
            one.differs(&Fingerprint::new("secret two", "database")),
            ["secret key (WEBUI_SECRET_KEY)"]
        );
        assert_eq!(one.differs(&Fingerprint::new("secret one", "other")), ["database (DATABASE_URL)"]);
        let later = Fingerprint { format: FORMAT + 1, ..one.clone() };
        assert_eq!(one.differs(&later), ["version of Antiphon"]);
        assert!(!serde_json::to_string(&one).unwrap().contains("one"));
    }
}
