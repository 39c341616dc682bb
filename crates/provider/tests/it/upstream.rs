//! Servers for the tests: an HTTP server on axum, and a raw one that writes exactly the bytes it is told to.

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Serves the router on a free port; the base URL ends in `/v1`, which the router need not know.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().nest("/v1", router.clone()).merge(router);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/v1")
}

/// A server on a free port that hands each connection, after one request head and body, to `answer`.
pub(crate) struct Raw {
    pub(crate) base: String,
    pub(crate) accepted: Arc<AtomicUsize>,
}

impl Raw {
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Starts a raw server.
pub(crate) async fn raw<F, Answer>(answer: F) -> Raw
where
    F: Fn(TcpStream) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move { answer(stream).await });
        }
    });
    Raw { base, accepted }
}

/// A port that refuses connections for as long as the socket is held: bound, so that nobody else gets it, but not
/// listening.
pub(crate) fn dead_port() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (format!("http://{}/v1", socket.local_addr().unwrap()), socket)
}

/// Reads one request; false when the client closed the connection instead of sending one.
pub(crate) async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return false };
        seen.extend_from_slice(&buffer[..read]);
        let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if seen.len() - end - 4 >= length.unwrap_or(0) {
            return true;
        }
    }
}

/// Writes a response head for an event stream in chunked form.
pub(crate) async fn begin_stream(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Writes one piece of a chunked body.
pub(crate) async fn write_piece(stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
    stream.write_all(piece).await?;
    stream.write_all(b"\r\n").await
}

/// A response with an event stream that ends after the text.
pub(crate) fn events(text: impl Into<String>) -> Response {
    ([("content-type", "text/event-stream")], text.into()).into_response()
}

/// A response whose body comes piece by piece.
pub(crate) fn pieces(content_type: &'static str, pieces: Vec<Vec<u8>>) -> Response {
    let stream = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::convert::Infallible>));
    ([("content-type", content_type)], Body::from_stream(stream)).into_response()
}

/// One chunk of a streamed reply as an event.
pub(crate) fn delta(content: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n"
    )
}

/// The last chunk of a streamed reply.
pub(crate) const FINISH: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// The end mark of a streamed reply.
pub(crate) const DONE: &str = "data: [DONE]\n\n";
