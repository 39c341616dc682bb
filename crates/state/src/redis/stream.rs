//! One byte stream to a server, plain or TLS, that remembers when it was last heard from.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ledger::Ticket;

/// When the last byte came.
#[derive(Debug)]
pub(crate) struct Heard {
    begin: Instant,
    /// Milliseconds after `begin`.
    last: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self { begin: Instant::now(), last: AtomicU64::new(0) }
    }

    fn now(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// When the last byte came; the beginning if none has.
    pub(crate) fn last(&self) -> Instant {
        self.begin + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream to a server. Dropping it closes the connection and takes it off the ledger.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    heard: Arc<Heard>,
    _ticket: Ticket,
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream, ticket: Ticket) -> Self {
        Self { transport: Transport::Plain(stream), heard: Arc::new(Heard::new()), _ticket: ticket }
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>, ticket: Ticket) -> Self {
        Self { transport: Transport::Tls(Box::new(stream)), heard: Arc::new(Heard::new()), _ticket: ticket }
    }

    /// When it was heard from; lives on when the stream is handed over.
    pub(crate) fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if buffer.filled().len() > before {
            self.heard.now();
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
