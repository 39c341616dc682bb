//! What is left of a request's body when its answer is ready.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::stream::{self, Stream, StreamExt};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Most bytes of a body that are read although nobody wants them.
const MAX_PASSED_OVER: usize = 64 * 1024 * 1024;

/// Longest time that this may take.
const PASS_OVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the rest of a body that the handler did not want, within bounds, before the answer goes out.
///
/// A client that is still sending finds its connection broken otherwise, and never reads why it was refused.
pub(crate) async fn pass_over(request: Request, next: Next) -> Response {
    // Whoever expects to be told whether to send at all has not sent anything yet.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(body));
    let lent = Body::from_stream(pieces(shared.clone()));
    let response = next.run(Request::from_parts(parts, lent)).await;
    let rest = async {
        let mut rest = std::pin::pin!(pieces(shared));
        let mut passed_over = 0;
        while passed_over < MAX_PASSED_OVER
            && let Some(Ok(piece)) = rest.next().await
        {
            passed_over += piece.len();
        }
    };
    // Past the bound the connection is closed, as it would have been at once.
    let _ = tokio::time::timeout(PASS_OVER_TIMEOUT, rest).await;
    response
}

/// The data of a body that several may read, one after the other.
fn pieces(body: Arc<Mutex<Body>>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    stream::poll_fn(move |context| next_piece(&body, context))
}

fn next_piece(body: &Mutex<Body>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
    let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(context)) {
            // What is no data are trailers, which nobody here reads.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use http_body_util::BodyExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt;

    /// What a handler got of a body of four pieces, and how many pieces were taken in all.
    async fn pieces_taken(path: &str) -> (String, usize) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let pieces = ["a", "b", "c", "d"].map(Ok::<_, std::convert::Infallible>);
        let pieces = stream::iter(pieces).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let first = async |mut body: Body| body.frame().await.unwrap().unwrap().into_data().unwrap();
        let router = Router::new()
            .route("/none", post(async || "refused"))
            .route("/first", post(async move |request: Request| first(request.into_body()).await))
            .route("/all", post(async |body: String| body))
            .layer(from_fn(pass_over));
        let request = Request::post(path).body(Body::from_stream(pieces)).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        (String::from_utf8(answer.to_vec()).unwrap(), taken.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_whatever_the_handler_takes() {
        for (path, answer) in [("/none", "refused"), ("/first", "a"), ("/all", "abcd")] {
            assert_eq!(pieces_taken(path).await, (answer.to_owned(), 4), "{path}");
        }
    }
}
