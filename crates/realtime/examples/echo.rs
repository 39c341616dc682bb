//! A small server for trying clients by hand: `cargo run -p antiphon-realtime --example echo -- [PORT] [polling]`.
//!
//! - `user-join` with `{auth:{token}}` is acknowledged with `{id,name}`; a token starting with `bad` gets an empty answer.
//! - `echo` sends its arguments back as an event `echo`; with an acknowledgement they come back there.
//! - `call` makes the server call the client (event `question`) and acknowledges with the client's answer.
//! - `say` sends its first argument to everybody in the room `hall`.
//! - `events:channel` goes to the room under the same name, as load generators want it.
//! - `bye` makes the server disconnect the socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use antiphon_realtime::{
    Ack, Application, DisconnectReason, MemoryBus, Realtime, RealtimeConfig, Socket, TransportMode, tune,
};
use axum::serve::ListenerExt as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Time the client has to answer the server's question.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

struct Echo {
    realtime: Realtime,
}

impl Application for Echo {
    async fn connected(&self, socket: &Socket, auth: Option<&RawValue>) {
        tracing::debug!(sid = socket.sid(), authenticated = auth.is_some(), "connected");
        socket.set_authenticated(auth.is_some());
        socket.join("hall").await;
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: &RawValue, ack: Option<Ack>) {
        let values: Vec<Value> = serde_json::from_str(arguments.get()).unwrap_or_default();
        let first = values.first().cloned().unwrap_or_default();
        match (name, ack) {
            ("user-join", Some(ack)) => {
                let token = first["auth"]["token"].as_str().unwrap_or_default();
                if token.is_empty() || token.starts_with("bad") {
                    ack.send_empty();
                } else {
                    socket.set_authenticated(true);
                    let _ = ack.send(&json!({ "id": "user", "name": token }));
                }
            }
            ("echo", Some(ack)) => {
                let _ = ack.send(&values);
            }
            ("echo", None) => {
                let _ = socket.emit("echo", &values);
            }
            ("call", Some(ack)) => match socket.call("question", &first, QUESTION_LIMIT).await {
                Ok(answer) => {
                    let _ = ack.send(&answer);
                }
                Err(error) => {
                    let _ = ack.send(&json!({ "error": error.to_string() }));
                }
            },
            ("say", _) => {
                let _ = self.realtime.to("hall").emit("said", &first).await;
            }
            ("events:channel", _) => {
                let _ = self.realtime.to("hall").emit(name, &first).await;
            }
            ("bye", _) => socket.disconnect("the client said bye"),
            _ => {}
        }
    }

    async fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        tracing::debug!(sid = socket.sid(), %reason, "disconnected");
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(8091);
    let polling = arguments.next().as_deref() == Some("polling");
    let config = RealtimeConfig {
        transport: if polling { TransportMode::Polling } else { TransportMode::WebSocket },
        ..RealtimeConfig::default()
    };
    let realtime = Realtime::new(config, Arc::new(MemoryBus::new()));
    realtime.serve(Arc::new(Echo { realtime: realtime.clone() }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| {
        if let Err(error) = tune(stream) {
            tracing::debug!(%error, "socket options were not set");
        }
    });
    let service = realtime.router::<()>().into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}
