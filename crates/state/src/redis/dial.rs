//! Makes one connection: TCP, TLS, signing in, choosing the database and checking the role, all within one limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, Value, cmd};
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
        // All at once, because on a slow network every round trip counts.
        let mut commands = vec![self.hello(credentials)];
        if self.database != 0 {
            commands.push(cmd("SELECT").arg(self.database).take());
        }
        match self.peer {
            Peer::Master => commands.extend([cmd("PING"), cmd("ROLE")]),
            Peer::Node => commands.push(cmd("PING")),
            Peer::Sentinel => {}
        }
        let mut replies = ask(&mut stream, endpoint, &commands).await?.into_iter();
        let mut next = || checked(replies.next().unwrap_or_default(), endpoint);
        self.check_mode(&next()?, endpoint)?;
        if self.database != 0 {
            next()?;
        }
        if self.peer != Peer::Sentinel {
            // A server that still reads its data from disk takes connections, but says here that it serves nothing yet.
            match next() {
                Err(RedisError::Reply { code: Code::NoPerm, .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        let mut probe = Probe::Ping;
        if self.peer == Peer::Master {
            match next() {
                Ok(role) => {
                    check_role(&role, endpoint)?;
                    probe = Probe::Role;
                }
                // A user who may not ask, or a service without the command, is believed.
                Err(RedisError::Reply { code: Code::NoPerm | Code::Unknown, .. }) => {}
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
        let handshake = TlsConnector::from(config.clone()).connect(name, stream);
        match timeout(self.connect_timeout / 2, handshake).await {
            Ok(Ok(stream)) => Ok(Stream::tls(stream, ticket)),
            Ok(Err(error)) => Err(tls::fault(&error, endpoint)),
            Err(_) => {
                drop(ticket);
                Err(self.without_tls(endpoint).await)
            }
        }
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

    fn hello(&self, credentials: &Credentials) -> Cmd {
        let mut hello = cmd("HELLO");
        hello.arg(3);
        if !credentials.is_empty() {
            let password = credentials.password.as_ref().map_or("", |password| password.reveal());
            hello.arg("AUTH").arg(credentials.username.as_deref().unwrap_or("default")).arg(password);
        }
        hello.arg("SETNAME").arg(&*self.name);
        hello
    }

    /// Makes sure that a Sentinel is one, and a server none.
    fn check_mode(&self, facts: &Value, endpoint: &Endpoint) -> Result<()> {
        let mode = text_field(facts, "mode");
        let problem = match (self.peer, mode.as_deref()) {
            (Peer::Sentinel, Some("sentinel")) => return Ok(()),
            (Peer::Sentinel, _) => "it is a server, not a Sentinel",
            (_, Some("sentinel")) => "it is a Sentinel, not a server",
            _ => return Ok(()),
        };
        Err(RedisError::Protocol { endpoint: endpoint.clone(), reason: problem.into() })
    }

    /// Why a TLS handshake was not answered: a server without TLS waits for the end of a line that never comes.
    async fn without_tls(&self, endpoint: &Endpoint) -> RedisError {
        let late = RedisError::ConnectTimeout { endpoint: endpoint.clone(), limit: self.connect_timeout };
        let ticket = self.ledger.ticket(endpoint);
        let Ok(stream) = connect(endpoint).await else { return late };
        let mut stream = Stream::plain(stream, ticket);
        match ask(&mut stream, endpoint, &[cmd("PING")]).await {
            Ok(_) => RedisError::Tls {
                endpoint: endpoint.clone(),
                fault: TlsFault::PlainServer,
                reason: "the server does not answer with TLS, but without".into(),
            },
            Err(_) => late,
        }
    }

    /// What the server says to somebody who only listens.
    async fn last_words(&self, endpoint: &Endpoint) -> Option<RedisError> {
        let ticket = self.ledger.ticket(endpoint);
        let mut stream = Stream::plain(connect(endpoint).await.ok()?, ticket);
        let listening = read_replies(&mut stream, endpoint, 1);
        let words = timeout(LAST_WORDS, listening).await.ok()?.ok()?.pop()?;
        match checked(words, endpoint) {
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

/// Whether a reply to `ROLE` is that of a master. A replica names the master that it follows.
pub(crate) fn check_role(role: &Value, endpoint: &Endpoint) -> Result<()> {
    let Value::Array(facts) = role else { return Ok(()) };
    let [Value::BulkString(role), facts @ ..] = facts.as_slice() else { return Ok(()) };
    if role == b"master" {
        return Ok(());
    }
    let master = match facts {
        [Value::BulkString(host), Value::Int(port), ..] => {
            let host = String::from_utf8_lossy(host);
            u16::try_from(*port).ok().map(|port| Endpoint::new(&host, port))
        }
        _ => None,
    };
    Err(RedisError::Replica { endpoint: endpoint.clone(), master })
}

/// Sends commands and reads their replies, errors included; nothing else may be under way on the stream.
async fn ask(stream: &mut Stream, endpoint: &Endpoint, commands: &[Cmd]) -> Result<Vec<Value>> {
    let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
    // A failed write is not the end: the server may have said why it closed.
    let written = stream.write_all(&packed).await;
    let flushed = stream.flush().await;
    match (written.and(flushed), read_replies(stream, endpoint, commands.len()).await) {
        (_, Ok(replies)) => Ok(replies),
        (Err(error), Err(RedisError::Closed { .. })) => Err(unreachable(&error, endpoint)),
        (_, Err(error)) => Err(error),
    }
}

/// Reads so many replies; fewer when the server closes after one that is an error.
async fn read_replies(stream: &mut Stream, endpoint: &Endpoint, count: usize) -> Result<Vec<Value>> {
    let mut buffer = Vec::with_capacity(1024);
    let mut replies = Vec::new();
    while buffer.len() < MAX_GREETING {
        let read = match stream.read_buf(&mut buffer).await {
            Ok(read) => read,
            // What was said before a reset counts.
            Err(_) if !replies.is_empty() => 0,
            // The first bytes under TLS 1.3 are also where a missing client certificate shows.
            Err(error)
                if error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some() =>
            {
                return Err(tls::fault(&error, endpoint));
            }
            Err(error) => return Err(unreachable(&error, endpoint)),
        };
        if read == 0 {
            let told_why = replies.iter().any(|reply| matches!(reply, Value::ServerError(_)));
            let closed = RedisError::Closed { endpoint: endpoint.clone() };
            return if told_why { Ok(replies) } else { Err(closed) };
        }
        // Begun anew with what has come by now: these are few and short.
        replies.clear();
        let (mut parser, mut rest) = (redis::Parser::new(), buffer.as_slice());
        while replies.len() < count {
            match parser.parse_value(&mut rest) {
                Ok(reply) => replies.push(reply),
                // Not all of it is there yet.
                Err(error) if error.kind() == ErrorKind::Io => break,
                Err(_) => {
                    let reason = "its first reply is not one of Redis".into();
                    return Err(RedisError::Protocol { endpoint: endpoint.clone(), reason });
                }
            }
        }
        if replies.len() == count {
            return Ok(replies);
        }
    }
    Err(RedisError::Protocol { endpoint: endpoint.clone(), reason: "its first reply is too long".into() })
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
