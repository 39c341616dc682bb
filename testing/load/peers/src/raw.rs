//! The floor: a room written by hand over tokio-tungstenite, one process, one thread, no Redis, no JSON: `peer-raw PORT`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

type Room = Arc<Mutex<Vec<UnboundedSender<Utf8Bytes>>>>;

/// One socket; what is queued for it is written together.
async fn serve(tcp: TcpStream, room: Room) -> Result<()> {
    tcp.set_nodelay(true)?;
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(tcp).await?.split();
    let (outbox, mut waiting) = unbounded_channel::<Utf8Bytes>();
    tokio::spawn(async move {
        while let Some(text) = waiting.recv().await {
            sink.feed(Message::Text(text)).await?;
            while let Ok(more) = waiting.try_recv() {
                sink.feed(Message::Text(more)).await?;
            }
            sink.flush().await?;
        }
        anyhow::Ok(())
    });
    outbox.send(r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#.into())?;
    while let Some(message) = stream.next().await {
        let Message::Text(text) = message? else { continue };
        if text.starts_with("40") {
            outbox.send(r#"40{"sid":"b"}"#.into())?;
        } else if text.starts_with("420") {
            room.lock().unwrap_or_else(PoisonError::into_inner).push(outbox.clone());
            outbox.send(r#"430[{"id":"u","name":"u"}]"#.into())?;
        } else if text.starts_with("42") {
            let mut members = room.lock().unwrap_or_else(PoisonError::into_inner);
            members.retain(|member| member.send(text.clone()).is_ok());
        } else if text.starts_with("41") {
            break;
        }
    }
    Ok(())
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let port = std::env::args().nth(1).context("usage: peer-raw PORT")?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let room = Room::default();
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(serve(tcp, room.clone()));
    }
}
