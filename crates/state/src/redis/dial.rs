//! Makes one connection: TCP, TLS, signing in, choosing the database and checking the role, all within one limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, Value, cmd};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::error::{RedisError, Result, TlsFault};
use super::ledger::Ledger;
use super::options::Credentials;
use super::reply::{Code, checked};
use super::stream::Stream;
use super::tls;

/// Longest wait for one address of a host, so that a lost packet or a dead address does not use up the whole limit.
const TCP_CONNECT: Duration = Duration::from_secs(2);
/// How long a server that resets every new connection is listened to, for it says why before it closes.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Longest reply while signing in, in bytes.
const MAX_GREETING: usize = 64 * 1024;
/// Time between two keepalive probes of the operating system.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What the other side is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A server that takes writes.
    Master,
    /// Any server, such as a node of a cluster that is asked for its slots.
    Node,
    /// A Sentinel.
    Sentinel,
}

/// Everything about connections to servers of one kind, but for the address.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) peer: Peer,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) credentials: Credentials,
    pub(crate) database: u16,
    pub(crate) keepalive: bool,
    pub(crate) connect_timeout: Duration,
    /// Unacknowledged bytes end a connection after this time.
    pub(crate) user_timeout: Duration,
    /// Name of the connection in `CLIENT LIST`.
    pub(crate) name: Arc<str>,
    pub(crate) ledger: Ledger,
}

/// A connection that is ready for commands.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) stream: Stream,
    pub(crate) endpoint: Endpoint,
    /// What the server is asked for as a sign of life.
    pub(crate) probe: Probe,
}

/// What a server is asked for as a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Nothing but an answer.
    Ping,
    /// That it is still a master.
    Role,
}

impl Dialer {
    /// Connects to one server within the limit.
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Dialled> {
        let deadline = Instant::now() + self.connect_timeout;
        let late = |_| RedisError::ConnectTimeout { endpoint: endpoint.clone(), limit: self.connect_timeout };
        let attempt = async {
            match self.attempt(endpoint, &self.credentials).await {
                // A server that takes no further clients says so and closes, before it has read anything. What it said is lost
                // when our first bytes meet the closed connection, so it is listened to once more without writing.
                Err(RedisError::Closed { .. }) if self.tls.is_none() => Err(self
                    .last_words(endpoint)
                    .await
                    .unwrap_or(RedisError::Closed { endpoint: endpoint.clone() })),
                other => other,
            }
        };
        timeout_at(deadline, attempt).await.map_err(late)?
    }

    async fn attempt(&self, endpoint: &Endpoint, credentials: &Credentials) -> Result<Dialled> {
        let mut stream = self.stream(endpoint).await?;
        self.greet(&mut stream, endpoint, credentials).await?;
        if self.database != 0 {
            ask(&mut stream, endpoint, cmd("SELECT").arg(self.database)).await?;
        }
        let probe = if self.peer == Peer::Master && asked_role(&mut stream, endpoint).await? {
            Probe::Role
        } else {
            Probe::Ping
        };
        if self.peer != Peer::Sentinel {
            // A server that still reads its data from disk takes connections, but says here that it serves nothing yet.
            match ask(&mut stream, endpoint, &cmd("PING")).await {
                Err(RedisError::Reply { code: Code::NoPerm, .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Dialled { stream, endpoint: endpoint.clone(), probe })
    }

    async fn stream(&self, endpoint: &Endpoint) -> Result<Stream> {
        let ticket = self.ledger.ticket(endpoint);
        let stream = connect(endpoint).await?;
        self.tune(&stream).map_err(|error| unreachable(&error, endpoint))?;
        let Some(config) = &self.tls else { return Ok(Stream::plain(stream, ticket)) };
        let name = ServerName::try_from(endpoint.host.to_string()).map_err(|error| RedisError::Tls {
            endpoint: endpoint.clone(),
            fault: TlsFault::WrongName,
            reason: error.to_string().into(),
        })?;
        let stream = TlsConnector::from(config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| tls::fault(&error, endpoint))?;
        Ok(Stream::tls(stream, ticket))
    }

    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(self.user_timeout))?;
        if self.keepalive {
            let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
            socket.set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }

    async fn greet(&self, stream: &mut Stream, endpoint: &Endpoint, credentials: &Credentials) -> Result<()> {
        let mut hello = cmd("HELLO");
        hello.arg(3);
        if !credentials.is_empty() {
            let password = credentials.password.as_ref().map_or("", |password| password.reveal());
            hello.arg("AUTH").arg(credentials.username.as_deref().unwrap_or("default")).arg(password);
        }
        hello.arg("SETNAME").arg(&*self.name);
        let facts = ask(stream, endpoint, &hello).await?;
        let mode = text_field(&facts, "mode");
        let problem = match (self.peer, mode.as_deref()) {
            (Peer::Sentinel, Some("sentinel")) => return Ok(()),
            (Peer::Sentinel, _) => "it is a server, not a Sentinel",
            (_, Some("sentinel")) => "it is a Sentinel, not a server",
            _ => return Ok(()),
        };
        Err(RedisError::Protocol { endpoint: endpoint.clone(), reason: problem.into() })
    }

    /// What the server says to somebody who only listens.
    async fn last_words(&self, endpoint: &Endpoint) -> Option<RedisError> {
        let ticket = self.ledger.ticket(endpoint);
        let mut stream = Stream::plain(connect(endpoint).await.ok()?, ticket);
        let listening = read_reply(&mut stream, endpoint);
        match timeout(LAST_WORDS, listening).await.ok()?.and_then(|value| checked(value, endpoint)) {
            Err(error @ RedisError::Reply { .. }) => Some(error),
            _ => None,
        }
    }
}

/// Tries the addresses of a host one after another.
async fn connect(endpoint: &Endpoint) -> Result<TcpStream> {
    let addresses = lookup_host((&*endpoint.host, endpoint.port))
        .await
        .map_err(|error| RedisError::Name { endpoint: endpoint.clone(), reason: error.to_string().into() })?;
    let mut last = RedisError::Name {
        endpoint: endpoint.clone(),
        reason: "the name has no addresses".to_owned().into(),
    };
    for address in addresses {
        match timeout(TCP_CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = unreachable(&error, endpoint),
            Err(_) => last = RedisError::ConnectTimeout { endpoint: endpoint.clone(), limit: TCP_CONNECT },
        }
    }
    Err(last)
}

fn unreachable(error: &io::Error, endpoint: &Endpoint) -> RedisError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => RedisError::Refused { endpoint: endpoint.clone() },
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => RedisError::Closed { endpoint: endpoint.clone() },
        _ => RedisError::Unreachable { endpoint: endpoint.clone(), reason: error.to_string().into() },
    }
}

/// Makes sure that the server is a master, and says whether it could be asked. A user who may not ask, or a service without
/// the command, is believed.
async fn asked_role(stream: &mut Stream, endpoint: &Endpoint) -> Result<bool> {
    match ask(stream, endpoint, &cmd("ROLE")).await {
        Ok(role) => check_role(&role, endpoint).map(|()| true),
        Err(RedisError::Reply { code: Code::NoPerm | Code::Unknown, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a reply to `ROLE` is that of a master.
pub(crate) fn check_role(role: &Value, endpoint: &Endpoint) -> Result<()> {
    match role {
        Value::Array(facts) => match facts.first() {
            Some(Value::BulkString(role)) if role != b"master" => {
                Err(RedisError::Replica { endpoint: endpoint.clone() })
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Sends one command and reads its reply; nothing else may be under way on the stream.
async fn ask(stream: &mut Stream, endpoint: &Endpoint, command: &redis::Cmd) -> Result<Value> {
    // A failed write is not the end: the server may have said why it closed.
    let written = stream.write_all(&command.get_packed_command()).await;
    let flushed = stream.flush().await;
    let reply = read_reply(stream, endpoint).await;
    match (written.and(flushed), reply) {
        (_, Ok(value)) => checked(value, endpoint),
        (Err(error), Err(_)) => Err(unreachable(&error, endpoint)),
        (Ok(()), Err(error)) => Err(error),
    }
}

async fn read_reply(stream: &mut Stream, endpoint: &Endpoint) -> Result<Value> {
    let mut buffer = Vec::with_capacity(512);
    while buffer.len() < MAX_GREETING {
        let read = stream.read_buf(&mut buffer).await.map_err(|error| {
            // The first bytes under TLS 1.3 are also where a missing client certificate shows.
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if inner.is_some() { tls::fault(&error, endpoint) } else { unreachable(&error, endpoint) }
        })?;
        if read == 0 {
            return Err(RedisError::Closed { endpoint: endpoint.clone() });
        }
        match redis::parse_redis_value(&buffer) {
            Ok(value) => return Ok(value),
            // Not all of it is there yet.
            Err(error) if error.kind() == ErrorKind::Io => {}
            Err(_) => break,
        }
    }
    Err(RedisError::Protocol {
        endpoint: endpoint.clone(),
        reason: "its first reply is not one of Redis".into(),
    })
}

/// A field of a reply that is a map, or an array of names and values.
fn text_field(facts: &Value, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    match facts {
        Value::Map(pairs) => pairs
            .iter()
            .find(|(key, _)| text(key).as_deref() == Some(name))
            .and_then(|(_, value)| text(value)),
        _ => None,
    }
}
