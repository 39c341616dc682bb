//! A client of the sockets that keeps everything it hears, in order.

use super::provider::LIMIT;
use super::{Account, Site};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Wire = WebSocketStream<TcpStream>;
type Out = Arc<tokio::sync::Mutex<SplitSink<Wire, Message>>>;

/// One event as it was heard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    /// Name of the event.
    pub(crate) name: String,
    pub(crate) chat_id: String,
    pub(crate) message_id: String,
    /// `data.type`
    pub(crate) kind: String,
    /// `data.data`
    pub(crate) data: Value,
    /// The whole envelope.
    pub(crate) envelope: Value,
}

impl Heard {
    fn new(name: &str, envelope: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: name.to_owned(),
            chat_id: text(&envelope["chat_id"]),
            message_id: text(&envelope["message_id"]),
            kind: text(&envelope["data"]["type"]),
            data: envelope["data"]["data"].clone(),
            envelope,
        }
    }
}

#[derive(Default)]
struct Inbox {
    heard: Mutex<Vec<Heard>>,
    acks: Mutex<HashMap<u64, Value>>,
    closed: Mutex<bool>,
    changed: Notify,
}

/// A connected socket. Dropping it closes the connection.
pub(crate) struct Socket {
    pub(crate) sid: String,
    out: Out,
    inbox: Arc<Inbox>,
    next_ack: AtomicU64,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Account {
    /// Connects a socket of this account's session, and waits until the server knows whose it is.
    pub(crate) async fn connect(&self, site: &Site) -> Socket {
        let socket = site.socket(Some(&self.token)).await;
        let joined = socket.call("user-join", json!({ "auth": { "token": self.token } })).await;
        assert_eq!(joined["id"], self.id.as_str());
        socket
    }
}

impl Socket {
    /// Connects to the node at `base`, as nobody or with a token.
    pub(crate) async fn connect(base: &str, token: Option<&str>) -> Self {
        let auth = token.map_or_else(|| json!({}), |token| json!({ "token": token }));
        let mut wire = dial(base).await.expect("a websocket");
        assert!(text(&mut wire).await.expect("an open packet").starts_with("0{"));
        wire.send(Message::text(format!("40{auth}"))).await.expect("CONNECT is sent");
        let connected = text(&mut wire).await.expect("an answer to CONNECT");
        let connected: Value = serde_json::from_str(connected.strip_prefix("40").expect(&connected)).unwrap();
        let (out, incoming) = wire.split();
        let inbox = Arc::new(Inbox::default());
        let out = Arc::new(tokio::sync::Mutex::new(out));
        let reader = tokio::spawn(read(incoming, inbox.clone(), out.clone()));
        let sid = connected["sid"].as_str().expect("a sid").to_owned();
        Self { sid, out, inbox, next_ack: AtomicU64::new(1), reader }
    }

    /// Sends a text as it is.
    pub(crate) async fn send(&self, text: impl Into<String>) {
        // A socket that the server closed takes nothing; tests see that by `closed`.
        let _ = self.out.lock().await.send(Message::text(text.into())).await;
    }

    /// Sends an event.
    pub(crate) async fn emit(&self, name: &str, argument: Value) {
        self.send(format!("42{}", json!([name, argument]))).await;
    }

    /// Sends an event and waits for its acknowledgement: its first argument, null when it has none.
    pub(crate) async fn call(&self, name: &str, argument: Value) -> Value {
        let id = self.next_ack.fetch_add(1, Ordering::Relaxed);
        self.send(format!("42{id}{}", json!([name, argument]))).await;
        let what = format!("an acknowledgement of {name}");
        let mut arguments = self.wait(what, move |inbox| inbox.acks.lock().unwrap().remove(&id)).await;
        arguments.get_mut(0).map(Value::take).unwrap_or_default()
    }

    /// Sends `events:chat` of a type and waits for its acknowledgement.
    pub(crate) async fn chat(&self, chat_id: &str, kind: &str) -> Value {
        self.call("events:chat", json!({ "chat_id": chat_id, "data": { "type": kind } })).await
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.inbox.heard.lock().unwrap().clone()
    }

    /// Whether the server closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        *self.inbox.closed.lock().unwrap()
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn closed(&self) {
        self.wait("the socket is closed", |inbox| inbox.closed.lock().unwrap().then_some(())).await;
    }

    /// Waits until what was heard is as `find` wants it.
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &self,
        what: impl Into<String>,
        mut find: impl FnMut(&[Heard]) -> Option<T>,
    ) -> impl Future<Output = T> {
        self.wait(what, move |inbox| find(&inbox.heard.lock().unwrap()))
    }

    /// Waits for the first event of a type about a chat.
    #[track_caller]
    pub(crate) fn event(&self, chat_id: &str, kind: &str) -> impl Future<Output = Heard> {
        let (chat_id, kind) = (chat_id.to_owned(), kind.to_owned());
        self.wait_for(format!("the event {kind}"), move |heard| {
            heard.iter().find(|event| event.chat_id == chat_id && event.kind == kind).cloned()
        })
    }

    /// Shows that everything the server sent before now has been heard: asks something harmless and waits.
    pub(crate) async fn sync(&self) {
        self.call("events:chat", json!({ "chat_id": "temporary:none", "data": { "type": "join" } })).await;
    }

    #[track_caller]
    fn wait<T>(
        &self,
        what: impl Into<String>,
        mut find: impl FnMut(&Inbox) -> Option<T>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        let (what, inbox): (String, _) = (what.into(), &self.inbox);
        async move {
            let found = async {
                loop {
                    let changed = inbox.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    if let Some(found) = find(inbox) {
                        return found;
                    }
                    changed.await;
                }
            };
            let found = tokio::time::timeout(LIMIT, found).await;
            found.unwrap_or_else(|_| {
                let kinds: Vec<_> =
                    inbox.heard.lock().unwrap().iter().map(|event| event.kind.clone()).collect();
                panic!("{caller}: never heard: {what}; heard {kinds:?}")
            })
        }
    }
}

/// A websocket before its open packet.
pub(crate) async fn dial(base: &str) -> Result<Wire, Box<tokio_tungstenite::tungstenite::Error>> {
    let address = base.strip_prefix("http://").expect("an address");
    let stream = TcpStream::connect(address).await.expect("a connection");
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let url = format!("ws://{address}/ws/socket.io/?EIO=4&transport=websocket");
    let (wire, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    Ok(wire)
}

/// The next text of a websocket; none once it is closed.
pub(crate) async fn text(wire: &mut Wire) -> Option<String> {
    loop {
        match tokio::time::timeout(LIMIT, wire.next()).await.expect("nothing came") {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

async fn read(mut incoming: SplitStream<Wire>, inbox: Arc<Inbox>, out: Out) {
    while let Some(Ok(message)) = incoming.next().await {
        let Message::Text(text) = message else { continue };
        if text.as_str() == "2" {
            let _ = out.lock().await.send(Message::text("3")).await;
        } else if let Some(arguments) = text.strip_prefix("42") {
            let arguments: Value = serde_json::from_str(arguments).expect("an event");
            let name = arguments[0].as_str().expect("a name");
            if ["events", "events:channel", "access:updated", "antiphon:resync"].contains(&name) {
                inbox.heard.lock().unwrap().push(Heard::new(name, arguments[1].clone()));
            }
        } else if let Some(ack) = text.strip_prefix("43") {
            let digits = ack.find('[').expect("an acknowledgement");
            let arguments = serde_json::from_str(&ack[digits..]).expect("an acknowledgement");
            inbox.acks.lock().unwrap().insert(ack[..digits].parse().expect("an id"), arguments);
        }
        inbox.changed.notify_waiters();
    }
    *inbox.closed.lock().unwrap() = true;
    inbox.changed.notify_waiters();
}
