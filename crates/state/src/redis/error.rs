//! What can go wrong on the way to Redis, and what the operator can do about it.
//!
//! One enum for everything: addresses that cannot be reached, handshakes that are refused, replies that are errors, and the
//! bounds of our own. It is cheap to clone, because one fault is told to everybody who waits for the connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::reply::Code;

/// Result of everything that goes through Redis.
pub type Result<T> = std::result::Result<T, RedisError>;

/// Names of the variables that a link was configured by, for remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variables {
    /// The address.
    pub url: &'static str,
    /// The list of Sentinels.
    pub sentinel_hosts: &'static str,
    /// The switch for a cluster.
    pub cluster: &'static str,
}

/// Why something could not be done through Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// The name of the host is not known.
    #[error("the host name of {endpoint} cannot be resolved ({reason})")]
    Name {
        /// Where to.
        endpoint: Endpoint,
        /// The resolver's words.
        reason: Arc<str>,
    },
    /// Nobody listens there.
    #[error("{endpoint} refuses connections")]
    Refused {
        /// Where to.
        endpoint: Endpoint,
    },
    /// The network has no way there, or another fault of the operating system.
    #[error("{endpoint} cannot be reached ({reason})")]
    Unreachable {
        /// Where to.
        endpoint: Endpoint,
        /// The system's words.
        reason: Arc<str>,
    },
    /// No connection, or no handshake, within the limit.
    #[error("{endpoint} did not answer within {limit:?} while connecting")]
    ConnectTimeout {
        /// Where to.
        endpoint: Endpoint,
        /// `REDIS_SOCKET_CONNECT_TIMEOUT`.
        limit: Duration,
    },
    /// A live connection said nothing for longer than the probe allows.
    #[error("{endpoint} has not answered for {limit:?}")]
    Silent {
        /// Where to.
        endpoint: Endpoint,
        /// The limit of the probe.
        limit: Duration,
    },
    /// The other side closed the connection.
    #[error("{endpoint} closed the connection")]
    Closed {
        /// Where to.
        endpoint: Endpoint,
    },
    /// The subscription does not carry messages any more although its connection answers.
    #[error("messages published through {endpoint} did not come back within {limit:?}")]
    Deaf {
        /// Where the subscription is.
        endpoint: Endpoint,
        /// The limit of the proof.
        limit: Duration,
    },
    /// TLS could not be set up with the server.
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls {
        /// Where to.
        endpoint: Endpoint,
        /// What kind of fault.
        fault: TlsFault,
        /// The words of the TLS layer.
        reason: Arc<str>,
    },
    /// A file for TLS cannot be used.
    #[error("the file {path} of {option} cannot be used: {reason}")]
    TlsFile {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// The server answered with an error.
    #[error("{endpoint} answered {code} {text}")]
    Reply {
        /// Who answered.
        endpoint: Endpoint,
        /// Its code.
        code: Code,
        /// Its words, without the code.
        text: Arc<str>,
    },
    /// What answers there does not speak as Redis 6 or later does.
    #[error("{endpoint} does not answer like Redis ({reason})")]
    Protocol {
        /// Where.
        endpoint: Endpoint,
        /// What was wrong.
        reason: Arc<str>,
    },
    /// The server is a replica, which takes no writes.
    #[error("{endpoint} is a replica, not a master")]
    Replica {
        /// Which server.
        endpoint: Endpoint,
        /// The master that it follows, as it says.
        master: Option<Endpoint>,
    },
    /// Another server is the master now.
    #[error("another master was named in place of {endpoint}")]
    Replaced {
        /// The master until now.
        endpoint: Endpoint,
    },
    /// The Sentinels do not watch a master of this name.
    #[error("the Sentinels know no master named {name:?}; they watch {}", named(known))]
    UnknownMaster {
        /// The name asked for.
        name: Arc<str>,
        /// Names that they know.
        known: Arc<[String]>,
    },
    /// No Sentinel gave an answer.
    #[error("none of {count} Sentinels answers; {last}")]
    NoSentinel {
        /// How many were asked.
        count: usize,
        /// What was wrong with the last one.
        last: Box<RedisError>,
    },
    /// No node of a cluster gave its slots.
    #[error("no node of the cluster gives its slots; {last}")]
    NoCluster {
        /// What was wrong with the last one.
        last: Box<RedisError>,
    },
    /// No master owns the slot of a key.
    #[error("no master of the cluster owns slot {slot}")]
    NoOwner {
        /// The slot.
        slot: u16,
    },
    /// No connection has been made yet, and none has failed.
    #[error("the connection is still being made")]
    NotYet,
    /// The connection has been lost for longer than calls wait.
    #[error("Redis has been away for a while: {cause}")]
    Away {
        /// Why.
        cause: Box<RedisError>,
    },
    /// No answer within the time a command may take.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// `REDIS_SOCKET_TIMEOUT`.
        limit: Duration,
    },
    /// The connection broke while a command that must not be repeated was under way: it may have been carried out.
    #[error(
        "the connection broke while the command was under way, so it may or may not have been carried out"
    )]
    FateUnknown,
    /// As many calls wait for Redis as may.
    #[error("{limit} calls already wait for Redis, which is the most that may")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// The reply is not of the type that was expected.
    #[error("the reply is not of the expected form: {reason}")]
    Form {
        /// What was found.
        reason: Arc<str>,
    },
    /// The keys of one call belong to different slots of the cluster.
    #[error("the keys of one call belong to different slots")]
    CrossSlot,
    /// The link was shut down.
    #[error("the link to Redis has been shut down")]
    ShutDown,
}

/// Kinds of faults of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is of an authority that is not trusted.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName,
    /// The certificate has expired or is not valid yet.
    Expired,
    /// The server wants a certificate of the client.
    ClientCertificate,
    /// The server does not speak TLS on this port.
    PlainServer,
    /// Something else.
    Other,
}

fn named(names: &[String]) -> Named<'_> {
    Named(names)
}

struct Named<'a>(&'a [String]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { formatter.write_str("none") } else { formatter.write_str(&self.0.join(", ")) }
    }
}

impl RedisError {
    /// Whether the connection is of no use after this.
    pub(crate) fn breaks_connection(&self) -> bool {
        match self {
            Self::Closed { .. } | Self::Silent { .. } | Self::Replica { .. } | Self::Protocol { .. } => true,
            Self::Reply { code, .. } => matches!(code, Code::ReadOnly | Code::NoAuth),
            _ => false,
        }
    }

    /// Whether only the operator can end this fault, so that there is no use in waiting for it to pass.
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::TlsFile { .. } | Self::UnknownMaster { .. } => true,
            Self::Tls { fault, .. } => *fault != TlsFault::Other,
            Self::Reply { code, .. } => {
                matches!(
                    code,
                    Code::WrongPass | Code::NoAuth | Code::NoPerm | Code::NoDatabase | Code::NoCluster
                )
            }
            Self::Away { cause } | Self::NoSentinel { last: cause, .. } | Self::NoCluster { last: cause } => {
                cause.needs_operator()
            }
            _ => false,
        }
    }

    /// The fault behind this one, where this only says that something is away.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Away { cause } => cause.cause(),
            other => other,
        }
    }

    /// What the operator can do, as one or two sentences that name the variables.
    pub fn remedy(&self, variables: Variables) -> String {
        let url = variables.url;
        let sentinels = variables.sentinel_hosts;
        match self {
            Self::Name { .. } => format!("Check the host in {url} (or {sentinels}) and the name service of this machine."),
            Self::Refused { .. } => {
                format!("Check that Redis runs and that host and port in {url} (or {sentinels}) are right.")
            }
            Self::Unreachable { .. } => format!("Check the network between this node and Redis, and the address in {url}."),
            Self::ConnectTimeout { .. } => {
                "Check that Redis answers and that no firewall is in between; REDIS_SOCKET_CONNECT_TIMEOUT is the limit.".to_owned()
            }
            Self::Silent { .. } | Self::Deaf { .. } => {
                "Check whether Redis hangs (redis-cli PING), runs a slow script, is paused, or the network is cut.".to_owned()
            }
            Self::Closed { .. } => {
                format!("Check the log of Redis: it may have been stopped, CLIENT KILL was used, or its maxclients is reached; a port with TLS needs rediss:// in {url}.")
            }
            Self::Tls { fault, .. } => fault.remedy(url),
            Self::TlsFile { option, .. } => format!("Correct {option} in {url}; the server must be able to read the file."),
            Self::Reply { code, .. } => code.remedy(variables),
            Self::Protocol { .. } => format!("Check that {url} is the address of Redis 6.2 or later, or of Valkey; a TLS port needs rediss://."),
            Self::Replica { .. } => format!("Write the address of the master into {url}, or use Sentinel ({sentinels}), which finds it."),
            Self::UnknownMaster { .. } => format!("Write the name of the master as the host in {url}, in the same case as in sentinel.conf."),
            Self::NoSentinel { last, .. } => format!("Check that the Sentinels in {sentinels} run. {}", last.remedy(variables)),
            Self::NoCluster { last } => last.remedy(variables),
            Self::NoOwner { .. } => "Check the cluster (redis-cli --cluster check): not all slots have a master.".to_owned(),
            Self::NotYet => "Wait a moment.".to_owned(),
            Self::Replaced { .. } => "Nothing needs to be done.".to_owned(),
            Self::Away { cause } => cause.remedy(variables),
            Self::Timeout { .. } => "Check how busy Redis is (SLOWLOG GET); REDIS_SOCKET_TIMEOUT is the limit.".to_owned(),
            Self::FateUnknown => "Look whether the change was made before repeating it.".to_owned(),
            Self::Overloaded { .. } => "Check how busy Redis and this node are; more nodes share the load.".to_owned(),
            Self::Form { .. } => "Check that no other program writes under the same REDIS_KEY_PREFIX.".to_owned(),
            Self::CrossSlot => "This is a mistake of this program; please report it.".to_owned(),
            Self::ShutDown => "This node is shutting down.".to_owned(),
        }
    }
}

impl TlsFault {
    fn remedy(self, url: &str) -> String {
        match self {
            Self::UnknownIssuer => format!("Name the file of the authority's certificate in {url}: ?ssl_ca_certs=/path/ca.pem."),
            Self::WrongName => format!("Use a host in {url} that the certificate names, or add ?ssl_check_hostname=false."),
            Self::Expired => "Renew the certificate of Redis, and check the clocks of both machines.".to_owned(),
            Self::ClientCertificate => {
                format!("Name certificate and key in {url}: ?ssl_certfile=/path/client.pem&ssl_keyfile=/path/client.key, or set tls-auth-clients no at Redis.")
            }
            Self::PlainServer => format!("Write redis:// instead of rediss:// in {url}, or the port on which Redis speaks TLS."),
            Self::Other => "Check the certificates and the TLS versions of Redis; a server whose maxclients is reached also closes here.".to_owned(),
        }
    }
}
