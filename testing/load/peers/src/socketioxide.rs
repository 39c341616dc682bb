//! A room over socketioxide and its Redis adapter: `peer-socketioxide PORT REDIS_PORT`.

use std::convert::Infallible;

use anyhow::{Context, Result};
use axum::{Router, routing};
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::adapter::Emitter;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::ConnectHandler;
use socketioxide_redis::drivers::redis::redis_client as redis;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};

type Adapter = RedisAdapter<Emitter>;

/// Takes on the handlers before the connect packet goes out. In the connect handler itself, which runs as a task of its own after that
/// packet, a client's first event can come before they are there, and is dropped.
async fn register(socket: SocketRef<Adapter>) -> Result<(), Infallible> {
    socket.on("user-join", async |socket: SocketRef<Adapter>, ack: AckSender<Adapter>| {
        socket.join("channel:loadgen");
        ack.send(&json!({ "id": "u", "name": "u" })).ok();
    });
    socket.on("events:channel", async |socket: SocketRef<Adapter>, Data::<Value>(data)| {
        let room = format!("channel:{}", data["channel_id"].as_str().unwrap_or_default());
        socket.within(room).emit("events:channel", &data).await.ok();
    });
    Ok(())
}

async fn on_connect() {}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().context("usage: peer-socketioxide PORT REDIS_PORT")?;
    let redis_port = arguments.next().context("usage: peer-socketioxide PORT REDIS_PORT")?;
    // The adapter needs RESP3.
    let client = redis::Client::open(format!("redis://127.0.0.1:{redis_port}?protocol=resp3"))?;
    let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
    let (layer, io) =
        SocketIo::builder().req_path("/ws/socket.io").with_adapter::<RedisAdapter<_>>(adapter).build_layer();
    io.ns("/", on_connect.with(register)).await?;
    let app = Router::new().route("/health", routing::get(async || "{\"status\":true}")).layer(layer);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
