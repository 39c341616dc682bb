//! A served node, an application that shows what it was told, and clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_realtime::{
    Ack, Application, Bus, DisconnectReason, MemoryBus, Realtime, RealtimeConfig, Socket, tune,
};
use axum::serve::ListenerExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

/// Longest wait for anything that must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the application was told, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Connected { sid: String, auth: Option<Value> },
    Event { sid: String, name: String, arguments: Value },
    Disconnected { sid: String, reason: DisconnectReason, rooms: Vec<String> },
}

/// An application for tests. Events: `echo`, `join`, `leave`, `say`, `hold`, `panic`, `login`, `bye`.
pub(crate) struct TestApp {
    pub(crate) realtime: Realtime,
    pub(crate) told: Mutex<Vec<Told>>,
    pub(crate) changed: Notify,
    /// `hold` handlers and held `connected` callbacks take one permit each.
    pub(crate) gate: Semaphore,
    pub(crate) hold_connect: bool,
}

impl TestApp {
    fn tell(&self, told: Told) {
        self.told.lock().push(told);
        self.changed.notify_waiters();
    }

    async fn hold(&self) {
        self.gate.acquire().await.unwrap().forget();
    }
}

impl Application for TestApp {
    async fn connected(&self, socket: &Socket, auth: Option<&RawValue>) {
        if self.hold_connect {
            self.hold().await;
        }
        let auth = auth.map(|auth| serde_json::from_str(auth.get()).unwrap());
        self.tell(Told::Connected { sid: socket.sid().to_owned(), auth });
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: &RawValue, ack: Option<Ack>) {
        let arguments: Value = serde_json::from_str(arguments.get()).unwrap();
        let first = arguments[0].as_str().unwrap_or_default();
        match name {
            "echo" => {
                socket.emit("echo", &arguments).unwrap();
            }
            "join" => {
                socket.join(first).await;
            }
            "leave" => socket.leave(first).await,
            "say" => {
                self.realtime.to(first).emit("said", &arguments[1]).await.unwrap();
            }
            "hold" => self.hold().await,
            "panic" => panic!("asked to"),
            "login" => socket.set_authenticated(true),
            "bye" => socket.disconnect("bye"),
            _ => {}
        }
        let event = Told::Event { sid: socket.sid().to_owned(), name: name.to_owned(), arguments };
        self.tell(event);
        if let Some(ack) = ack {
            ack.send(&json!({ "did": name })).unwrap();
        }
    }

    async fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        assert!(!socket.is_connected());
        let rooms = socket.rooms().iter().map(ToString::to_string).collect();
        self.tell(Told::Disconnected { sid: socket.sid().to_owned(), reason, rooms });
    }
}

/// One node, served on a port of its own.
pub(crate) struct Server {
    pub(crate) realtime: Realtime,
    pub(crate) app: Arc<TestApp>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) async fn start(config: RealtimeConfig) -> Self {
        Self::with(config, Arc::new(MemoryBus::new()), false).await
    }

    pub(crate) async fn with(config: RealtimeConfig, bus: Arc<dyn Bus>, hold_connect: bool) -> Self {
        let realtime = Realtime::new(config, bus);
        let app = Arc::new(TestApp {
            realtime: realtime.clone(),
            told: Mutex::default(),
            changed: Notify::new(),
            gate: Semaphore::new(0),
            hold_connect,
        });
        realtime.serve(app.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| tune(stream).unwrap());
        let service = realtime.router::<()>().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { realtime, app, address }
    }

    /// A websocket after its open packet.
    pub(crate) async fn open(&self) -> Client {
        let mut client = Client::dial(self.address, "EIO=4&transport=websocket", &[]).await.unwrap();
        assert!(client.packet().await.starts_with("0{"));
        client
    }

    /// A websocket in the namespace.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = self.open().await;
        client.join_namespace("40").await;
        client
    }

    /// A websocket in the namespace and in a room.
    pub(crate) async fn member(&self, room: &str) -> Client {
        let mut client = self.connect().await;
        client.send(&format!(r#"420["join","{room}"]"#)).await;
        assert_eq!(client.packet().await, r#"430[{"did":"join"}]"#);
        client
    }

    /// Waits until the application was told something.
    pub(crate) async fn told<T>(&self, mut find: impl FnMut(&Told) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.app.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = self.app.told.lock().iter().find_map(&mut find) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the application was not told")
    }

    /// Waits for the end of a socket; gives the reason.
    pub(crate) async fn end_of(&self, sid: &str) -> DisconnectReason {
        self.told(|told| match told {
            Told::Disconnected { sid: gone, reason, .. } if gone == sid => Some(*reason),
            _ => None,
        })
        .await
    }

    /// Names of the events of a socket so far.
    pub(crate) fn events_of(&self, sid: &str) -> Vec<String> {
        let told = self.app.told.lock();
        let names = told.iter().filter_map(|told| match told {
            Told::Event { sid: of, name, .. } if of == sid => Some(name.clone()),
            _ => None,
        });
        names.collect()
    }
}

/// Waits until something becomes true.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How a websocket ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// A client that sees every packet.
pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<TcpStream>,
    pub(crate) sid: String,
    /// Answer pings of the server.
    pub(crate) answers: bool,
}

impl Client {
    /// The handshake with this query and these headers; the error has the HTTP answer.
    pub(crate) async fn dial(
        address: SocketAddr,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Box<tungstenite::Error>> {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = tungstenite::client::IntoClientRequest::into_client_request(format!(
            "ws://{address}/ws/socket.io/?{query}"
        ))?;
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (ws, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { ws, sid: String::new(), answers: true })
    }

    /// Sends CONNECT and keeps the sid.
    pub(crate) async fn join_namespace(&mut self, connect: &str) {
        self.send(connect).await;
        let answer = self.packet().await;
        let answer: Value = serde_json::from_str(answer.strip_prefix("40").expect(&answer)).unwrap();
        self.sid = answer["sid"].as_str().unwrap().into();
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.ws.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// Bytes past the websocket layer.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.ws.get_mut().write_all(bytes).await.unwrap();
    }

    /// The next message, pings of both layers left out; `Err` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Result<String, Closed> {
        loop {
            let next = tokio::time::timeout(LIMIT, self.ws.next()).await.expect("nothing came");
            match next {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" && self.answers => self.send("3").await,
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Ok(format!("{:?}", &*bytes)),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    // Answers with a close frame in turn.
                    let _ = self.ws.flush().await;
                    return Err(Closed { code: code.into(), reason: reason.to_string() });
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return Err(Closed { code: 0, reason: String::new() });
                }
            }
        }
    }

    pub(crate) async fn packet(&mut self) -> String {
        self.next().await.expect("the connection has ended")
    }

    /// Reads to the end.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }

    /// Shows that all that was sent before is handled, and gives what came meanwhile.
    pub(crate) async fn sync(&mut self) -> Vec<String> {
        self.send(r#"42999["sync"]"#).await;
        let mut before = Vec::new();
        loop {
            match self.packet().await {
                done if done == r#"43999[{"did":"sync"}]"# => return before,
                other => before.push(other),
            }
        }
    }
}

/// An answer over plain HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One request on a connection of its own.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    query: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /ws/socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer, and close, before it has taken all.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("no answer");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
