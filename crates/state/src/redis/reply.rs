//! Error replies of servers, by their code.

use std::fmt;

use redis::Value;

use super::endpoint::Endpoint;
use super::error::{RedisError, Result, Variables};

/// The code of an error reply, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A write reached a replica.
    ReadOnly,
    /// The server reads its data from disk.
    Loading,
    /// The cluster does not serve all slots, or not from this node.
    ClusterDown,
    /// The keys of a command are on both sides of a migration.
    TryAgain,
    /// A slot has another owner.
    Moved,
    /// A slot is moving, and this key has moved already.
    Ask,
    /// A replica has lost its master.
    MasterDown,
    /// No password was given but one is needed.
    NoAuth,
    /// User or password is wrong.
    WrongPass,
    /// The user may not do this.
    NoPerm,
    /// The memory is used up and nothing may be evicted.
    OutOfMemory,
    /// A script runs too long.
    Busy,
    /// Too few replicas are connected for writing.
    NoReplicas,
    /// Writing to disk fails, so writes are refused.
    Misconfigured,
    /// The server takes no further clients.
    MaxClients,
    /// The server does not know the script.
    NoScript,
    /// There is no database of this number.
    NoDatabase,
    /// The server is not part of a cluster.
    NoCluster,
    /// Keys of different slots in one command.
    CrossSlot,
    /// The server does not know the command.
    Unknown,
    /// Any other.
    Other,
}

impl Code {
    /// The code of an error reply that begins with this word and goes on with this text.
    fn of(word: &str, text: &str) -> Self {
        match word {
            "READONLY" => Self::ReadOnly,
            "LOADING" => Self::Loading,
            "CLUSTERDOWN" => Self::ClusterDown,
            "TRYAGAIN" => Self::TryAgain,
            "MOVED" => Self::Moved,
            "ASK" => Self::Ask,
            "MASTERDOWN" => Self::MasterDown,
            "NOAUTH" => Self::NoAuth,
            "WRONGPASS" => Self::WrongPass,
            "NOPERM" => Self::NoPerm,
            "OOM" => Self::OutOfMemory,
            "BUSY" => Self::Busy,
            "NOREPLICAS" => Self::NoReplicas,
            "MISCONF" => Self::Misconfigured,
            "NOSCRIPT" => Self::NoScript,
            "CROSSSLOT" => Self::CrossSlot,
            "ERR" if text.contains("max number of clients") => Self::MaxClients,
            "ERR" if text.contains("without any password configured") => Self::WrongPass,
            "ERR" if text.contains("DB index is out of range") || text.contains("invalid DB index") => {
                Self::NoDatabase
            }
            "ERR" if text.contains("SELECT is not allowed in cluster mode") => Self::NoDatabase,
            "ERR" if text.contains("cluster support disabled") => Self::NoCluster,
            "ERR" if text.contains("unknown command") => Self::Unknown,
            _ => Self::Other,
        }
    }

    /// Whether the server refused before doing anything and may well accept in a moment, there or elsewhere.
    pub(crate) fn passes(self) -> bool {
        matches!(
            self,
            Self::ReadOnly
                | Self::Loading
                | Self::ClusterDown
                | Self::TryAgain
                | Self::MasterDown
                | Self::Busy
                | Self::NoReplicas
        )
    }

    /// What the operator can do.
    pub(crate) fn remedy(self, variables: Variables) -> String {
        let Variables { url, sentinel_hosts, cluster } = variables;
        match self {
            Self::ReadOnly => format!("{url} leads to a replica. Write the address of the master there, or use Sentinel ({sentinel_hosts})."),
            Self::Loading => "Redis reads its data from disk; it answers when that is done.".to_owned(),
            Self::ClusterDown => "Check the cluster (redis-cli --cluster check): a master is missing and has no replica to take over yet.".to_owned(),
            Self::TryAgain => "Slots are being moved; wait for the end, or finish it with redis-cli --cluster fix.".to_owned(),
            Self::Moved | Self::Ask => format!("The server is part of a cluster. Set {cluster}=true."),
            Self::MasterDown => "The server is a replica that has lost its master. Check the master.".to_owned(),
            Self::NoAuth => format!("Redis wants a password. Write it into {url}: redis://:password@host, percent-encoded."),
            Self::WrongPass => format!("User or password in {url} is wrong. Special characters must be percent-encoded. For Sentinels of other credentials set ANTIPHON_REDIS_SENTINEL_USERNAME and ANTIPHON_REDIS_SENTINEL_PASSWORD."),
            Self::NoPerm => format!("Allow the user in {url} the commands, the keys and the channels of the prefix (ACL SETUSER … ~prefix* &prefix* +@all)."),
            Self::OutOfMemory => "Raise maxmemory of Redis, or choose the eviction policy volatile-lru.".to_owned(),
            Self::Busy => "A script blocks Redis. End it with SCRIPT KILL.".to_owned(),
            Self::NoReplicas => "Redis wants more replicas before it takes writes. Check them, or lower min-replicas-to-write.".to_owned(),
            Self::Misconfigured => "Redis cannot write to its disk. Check its space and its log.".to_owned(),
            Self::MaxClients => "Raise maxclients of Redis (the default is 10000), and set its timeout to 1800, so that forgotten connections of other programs end.".to_owned(),
            Self::NoScript => "This passes by itself.".to_owned(),
            Self::NoDatabase => format!("Redis has no database of this number. Write another into {url}, such as /0."),
            Self::NoCluster => format!("The server is not part of a cluster. Remove {cluster}."),
            Self::CrossSlot => "This is a mistake of this program; please report it.".to_owned(),
            Self::Unknown => "The server does not know a command; Redis 6.2 or later, or Valkey, is needed.".to_owned(),
            Self::Other => "Look at the log of Redis.".to_owned(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadOnly => "READONLY",
            Self::Loading => "LOADING",
            Self::ClusterDown => "CLUSTERDOWN",
            Self::TryAgain => "TRYAGAIN",
            Self::Moved => "MOVED",
            Self::Ask => "ASK",
            Self::MasterDown => "MASTERDOWN",
            Self::NoAuth => "NOAUTH",
            Self::WrongPass => "WRONGPASS",
            Self::NoPerm => "NOPERM",
            Self::OutOfMemory => "OOM",
            Self::Busy => "BUSY",
            Self::NoReplicas => "NOREPLICAS",
            Self::Misconfigured => "MISCONF",
            Self::NoScript => "NOSCRIPT",
            Self::CrossSlot => "CROSSSLOT",
            Self::MaxClients | Self::NoDatabase | Self::NoCluster | Self::Unknown | Self::Other => "ERR",
        })
    }
}

/// The error that a reply is, if it is one. Errors inside of an array are left there.
pub(crate) fn error_of(value: &Value, endpoint: &Endpoint) -> Option<RedisError> {
    let Value::ServerError(error) = value else { return None };
    let text = error.details().unwrap_or_default();
    Some(RedisError::Reply {
        endpoint: endpoint.clone(),
        code: Code::of(error.code(), text),
        text: text.into(),
    })
}

/// The reply itself, or the error that it is.
pub(crate) fn checked(value: Value, endpoint: &Endpoint) -> Result<Value> {
    match error_of(&value, endpoint) {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        let endpoint = Endpoint::new("h", 1);
        for (line, code) in [
            ("-READONLY You can't write against a read only replica.", Code::ReadOnly),
            ("-LOADING Redis is loading the dataset in memory", Code::Loading),
            ("-CLUSTERDOWN Hash slot not served", Code::ClusterDown),
            ("-TRYAGAIN Multiple keys request during rehashing of slot", Code::TryAgain),
            ("-MOVED 12 10.0.0.1:7000", Code::Moved),
            ("-ASK 12 10.0.0.1:7000", Code::Ask),
            ("-MASTERDOWN Link with MASTER is down", Code::MasterDown),
            ("-NOAUTH Authentication required.", Code::NoAuth),
            ("-WRONGPASS invalid username-password pair or user is disabled.", Code::WrongPass),
            ("-NOPERM this user has no permissions", Code::NoPerm),
            ("-OOM command not allowed when used memory > 'maxmemory'.", Code::OutOfMemory),
            ("-BUSY Redis is busy running a script.", Code::Busy),
            ("-NOREPLICAS Not enough good replicas to write.", Code::NoReplicas),
            ("-MISCONF Redis is configured to save RDB snapshots", Code::Misconfigured),
            ("-ERR max number of clients reached", Code::MaxClients),
            ("-ERR DB index is out of range", Code::NoDatabase),
            ("-ERR This instance has cluster support disabled", Code::NoCluster),
            ("-ERR unknown command 'HELLO'", Code::Unknown),
            ("-ERR something else", Code::Other),
        ] {
            let value = redis::parse_redis_value(format!("{line}\r\n").as_bytes()).expect("a reply");
            let Some(RedisError::Reply { code: seen, .. }) = error_of(&value, &endpoint) else {
                panic!("{line}")
            };
            assert_eq!(seen, code, "{line}");
        }
        assert_eq!(error_of(&Value::Okay, &endpoint), None);
    }
}
