//! Nodes in one process that are joined by Redis alone, and clients that see every packet.

use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_cluster::{Rig, wait_until};
use antiphon_realtime::{
    Ack, Application, DisconnectReason, OriginRule, Realtime, RealtimeConfig, Socket, TransportMode, tune,
};
use antiphon_state::redis::Connections;
use antiphon_state::{BusOptions, Exchange, PollRelay, RedisBus};
use axum::serve::ListenerExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::redis::support::{LIMIT, exchange};

/// The bus as it is set up without further variables.
pub(crate) const USUAL: BusOptions = BusOptions { channel: None, room_channels: true };

/// Joins and leaves rooms for its clients, and answers everything.
struct TestApp {
    gone: Arc<Mutex<Vec<String>>>,
}

impl Application for TestApp {
    async fn connected(&self, socket: &Socket, _auth: Option<&RawValue>) {
        socket.set_authenticated(true);
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: &RawValue, ack: Option<Ack>) {
        let arguments: Vec<Value> = serde_json::from_str(arguments.get()).expect("arguments");
        let room = arguments.first().and_then(Value::as_str).unwrap_or_default();
        match name {
            "join" => {
                socket.join(room).await;
            }
            "leave" => socket.leave(room).await,
            _ => {}
        }
        if let Some(ack) = ack {
            ack.send(&name).expect("answered");
        }
    }

    async fn disconnected(&self, socket: &Socket, _reason: DisconnectReason) {
        self.gone.lock().push(socket.sid().to_owned());
    }
}

/// One node.
pub(crate) struct Node {
    pub(crate) connections: Arc<Connections>,
    pub(crate) exchange: Exchange,
    pub(crate) bus: Arc<RedisBus>,
    pub(crate) realtime: Realtime,
    pub(crate) relay: Arc<PollRelay>,
    pub(crate) address: SocketAddr,
    pub(crate) gone: Arc<Mutex<Vec<String>>>,
}

impl Node {
    /// A node at a rig, whether Redis is there or not.
    pub(crate) async fn begin(rig: &Rig, further: &[(&str, &str)], bus: &BusOptions) -> Self {
        Self::with(rig, further, bus, RealtimeConfig::default()).await
    }

    /// A node whose clients poll, at a rig.
    pub(crate) async fn polling(rig: &Rig) -> Self {
        let config = RealtimeConfig {
            transport: TransportMode::Polling,
            origins: OriginRule::Only(vec!["http://good".to_owned()]),
            ..RealtimeConfig::default()
        };
        let node = Self::with(rig, &[], &USUAL, config).await;
        node.wait_ready("the start").await;
        node
    }

    async fn with(rig: &Rig, further: &[(&str, &str)], bus: &BusOptions, mut config: RealtimeConfig) -> Self {
        let (connections, exchange, _) = exchange(rig, further);
        let bus = Arc::new(RedisBus::start(exchange.clone(), bus));
        let relay = Arc::new(PollRelay::new(exchange.clone(), config.node_tag, config.ping_interval));
        config.poll_forward = Some(relay.clone());
        let realtime = Realtime::new(config, bus.clone());
        relay.serve(realtime.polls());
        let gone = Arc::new(Mutex::new(Vec::new()));
        realtime.serve(Arc::new(TestApp { gone: gone.clone() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let listener = listener.tap_io(|stream| tune(stream).expect("tuned"));
        let service = realtime.router::<()>().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { connections, exchange, bus, realtime, relay, address, gone }
    }

    /// A node at a rig, once it can publish and hears the base channel.
    pub(crate) async fn start(rig: &Rig, further: &[(&str, &str)], bus: &BusOptions) -> Self {
        Self::begin(rig, further, bus).await.started(bus).await
    }

    /// A node whose clients may fall behind by several large events.
    pub(crate) async fn roomy(rig: &Rig, bus: &BusOptions) -> Self {
        let config = RealtimeConfig { max_queue_bytes: 256 * 1024 * 1024, ..RealtimeConfig::default() };
        Self::with(rig, &[], bus, config).await.started(bus).await
    }

    async fn started(self, bus: &BusOptions) -> Self {
        let node = self;
        node.wait_ready("the start").await;
        let base = bus.channel.clone().unwrap_or_else(|| node.exchange.channel("socketio"));
        node.connections.subscriber().subscribe(&base).await.expect("the base channel");
        // Once this is heard, the start of the subscription has been told, which has sockets read again.
        let start = br#"{"method":"leave_room","sid":"none","room":"none"}"#;
        node.exchange.publish(&base, start).await.expect("published");
        let heard = async || node.bus.totals().received > 0;
        wait_until("the base channel is heard", LIMIT, heard).await.expect("in time");
        node
    }

    /// Waits until all links work.
    pub(crate) async fn wait_ready(&self, after: &str) {
        let ready = async || self.connections.status().is_ready();
        wait_until(&format!("the links work after {after}"), LIMIT, ready).await.expect("in time");
    }

    /// A client in the namespace.
    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let url = format!("ws://{}/ws/socket.io/?EIO=4&transport=websocket", self.address);
        let (ws, _) = tokio_tungstenite::client_async(url, stream).await.expect("a websocket");
        let mut client = Client { ws, sid: String::new() };
        assert!(client.packet().await.starts_with("0{"));
        client.send("40").await;
        let answer = client.packet().await;
        let answer: Value = serde_json::from_str(answer.strip_prefix("40").expect("40")).expect("JSON");
        answer["sid"].as_str().expect("a sid").clone_into(&mut client.sid);
        client
    }

    /// A client in a room.
    pub(crate) async fn member(&self, room: &str) -> Client {
        let mut client = self.connect().await;
        client.ask("join", room).await;
        client
    }
}

/// A client.
pub(crate) struct Client {
    ws: WebSocketStream<TcpStream>,
    pub(crate) sid: String,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.expect("sent");
    }

    /// The next packet, pings left out; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(LIMIT, self.ws.next()).await.expect("something comes");
            match next {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn packet(&mut self) -> String {
        self.next().await.expect("the connection lives")
    }

    /// The next binary attachment, which follows its packet.
    pub(crate) async fn attachment(&mut self) -> Vec<u8> {
        match tokio::time::timeout(LIMIT, self.ws.next()).await.expect("something comes") {
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            other => panic!("{other:?} in place of an attachment"),
        }
    }

    /// Reads until a packet is this; gives those before it.
    pub(crate) async fn until(&mut self, expected: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let packet = self.packet().await;
            if packet == expected {
                return before;
            }
            before.push(packet);
        }
    }

    /// Sends an event and waits for its acknowledgement; gives what came before it.
    pub(crate) async fn ask(&mut self, name: &str, argument: &str) -> Vec<String> {
        self.send(&format!(r#"427["{name}","{argument}"]"#)).await;
        self.until(&format!(r#"437["{name}"]"#)).await
    }
}

/// Two nodes of one fleet.
pub(crate) async fn pair(rig: &Rig, bus: &BusOptions) -> (Node, Node) {
    (Node::start(rig, &[], bus).await, Node::start(rig, &[], bus).await)
}
