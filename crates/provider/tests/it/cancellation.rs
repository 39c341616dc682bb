//! Stopping a reply reaches the service within a second.

use crate::upstream::{begin_stream, delta, raw, read_request, write_piece};
use crate::*;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// The time within which the service must see the end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A service that answers with `pieces` pieces and then waits; reports when the request came and when it was cut.
async fn waiting(pieces: usize) -> (String, mpsc::UnboundedReceiver<Instant>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let upstream = raw(move |mut stream| {
        let sender = sender.clone();
        async move {
            if !read_request(&mut stream).await {
                return;
            }
            let _ = sender.send(Instant::now());
            if pieces > 0 {
                begin_stream(&mut stream).await;
            }
            for _ in 0..pieces {
                write_piece(&mut stream, delta("x").as_bytes()).await.unwrap();
            }
            // Nothing more comes from the client: the read ends when the connection does.
            let ended = stream.read(&mut [0; 1]).await;
            if matches!(ended, Ok(0) | Err(_)) {
                let _ = sender.send(Instant::now());
            }
        }
    })
    .await;
    (upstream.base, receiver)
}

#[tokio::test]
async fn cancelling_a_stream_closes_the_connection() {
    let (base, mut events) = waiting(2).await;
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let reply = bounded(one_openai(&base).chat("m", request(true), &context, &cancel)).await.unwrap();
    let Reply::Stream(mut stream) = reply else { panic!("a whole reply") };
    for _ in 0..2 {
        assert_eq!(bounded(stream.next()).await.unwrap().unwrap().delta().content, Some("x"));
    }
    bounded(events.recv()).await.unwrap();
    let (cancelled, next) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            cancel.cancel();
            Instant::now()
        },
        bounded(stream.next())
    );
    assert!(matches!(next, Some(Err(ProviderError::Cancelled))), "{next:?}");
    // The stream is still held: it is the cancellation that closes, not the drop.
    let seen = bounded(events.recv()).await.unwrap();
    assert!(seen - cancelled < AT_ONCE, "{:?}", seen - cancelled);
    assert!(bounded(stream.next()).await.is_none());
}

#[tokio::test]
async fn dropping_a_stream_closes_the_connection() {
    let (base, mut events) = waiting(1).await;
    let mut stream = stream(&one_openai(&base), "m").await;
    bounded(stream.next()).await.unwrap().unwrap();
    bounded(events.recv()).await.unwrap();
    let dropped = Instant::now();
    drop(stream);
    let seen = bounded(events.recv()).await.unwrap();
    assert!(seen - dropped < AT_ONCE, "{:?}", seen - dropped);
}

#[tokio::test]
async fn cancelling_before_the_answer_closes_the_connection() {
    let (base, mut events) = waiting(0).await;
    let providers = one_openai(&base);
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    let (reply, cancelled) =
        tokio::join!(bounded(providers.chat("m", request(true), &context, &cancel)), async {
            bounded(events.recv()).await.unwrap();
            cancel.cancel();
            Instant::now()
        });
    assert!(matches!(reply, Err(ProviderError::Cancelled)), "{reply:?}");
    let seen = bounded(events.recv()).await.unwrap();
    assert!(seen - cancelled < AT_ONCE, "{:?}", seen - cancelled);
}

#[tokio::test]
async fn a_cancelled_request_is_not_sent() {
    let (base, mut events) = waiting(0).await;
    let (context, cancel) = (RequestContext::default(), CancellationToken::new());
    cancel.cancel();
    let reply = bounded(one_openai(&base).chat("m", request(true), &context, &cancel)).await;
    assert!(matches!(reply, Err(ProviderError::Cancelled)), "{reply:?}");
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_pool_limit_lets_the_next_request_through_when_a_reply_ends() {
    let (base, mut events) = waiting(1).await;
    let options = ProviderOptions { pool_connections_per_host: Some(1), ..ProviderOptions::default() };
    let providers = with_options(options, &base);
    let first = stream(&providers, "m").await;
    bounded(events.recv()).await.unwrap();
    let (second, ()) = tokio::join!(stream(&providers, "m"), async {
        // The first request of the second chat must not arrive while the first reply is held.
        assert!(tokio::time::timeout(Duration::from_millis(200), events.recv()).await.is_err());
        drop(first);
    });
    drop(second);
}
