//! A reply of a model service: whole, or as a stream of chunks.

use crate::chunk::Chunk;
use crate::error::{ProviderError, TimeBound};
use crate::http::{self, Incoming, Permit, Target};
use crate::ollama::stream::OllamaDecoder;
use crate::openai::stream::OpenAiDecoder;
use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What a model service answers to a chat request.
#[derive(Debug)]
pub enum Reply {
    /// The reply arrives piece by piece.
    Stream(Box<ReplyStream>),
    /// The reply is one `chat.completion` object.
    Whole(Value),
}

/// What a decoder makes of the bytes so far.
pub(crate) enum Decoded {
    /// A chunk of the reply.
    Chunk(Chunk),
    /// The upstream said that nothing follows.
    End,
}

/// The protocol of the stream.
#[derive(Debug)]
pub(crate) enum Decoder {
    OpenAi(OpenAiDecoder),
    Ollama(OllamaDecoder),
}

impl Decoder {
    fn push(&mut self, piece: Bytes) {
        match self {
            Self::OpenAi(decoder) => decoder.push(piece),
            Self::Ollama(decoder) => decoder.push(piece),
        }
    }

    fn next(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        match self {
            Self::OpenAi(decoder) => decoder.next(target),
            Self::Ollama(decoder) => decoder.next(target),
        }
    }

    fn finish(&mut self, target: &Target) -> Result<Option<Decoded>, ProviderError> {
        match self {
            Self::OpenAi(decoder) => decoder.finish(target),
            Self::Ollama(decoder) => decoder.finish(target),
        }
    }
}

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A reply as it arrives.
///
/// Ends after `[DONE]`, or when the upstream closes the stream after a finish reason (or after reporting an error in a
/// chunk, see [`crate::Delta::error`]); any other end is an error, and nothing follows an error. Dropping the stream, or
/// cancelling its token while it is polled, closes the connection to the upstream at once.
pub struct ReplyStream {
    target: Target,
    body: Option<Body>,
    permit: Option<Permit>,
    decoder: Decoder,
    cancel: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Option<Duration>,
    deadline: Option<(Instant, Duration, TimeBound)>,
    /// Fires when the nearer of silence and deadline may have been reached; set anew only then, not for each chunk.
    timer: Option<Pin<Box<Sleep>>>,
    last_piece: Instant,
    body_ended: bool,
    finished: bool,
}

impl ReplyStream {
    pub(crate) fn new(
        target: Target,
        incoming: Incoming,
        decoder: Decoder,
        cancel: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        let first = [incoming.idle.map(|idle| now + idle), incoming.deadline.map(|(at, ..)| at)];
        let timer = first.into_iter().flatten().min().map(|at| Box::pin(tokio::time::sleep_until(at)));
        Self {
            target,
            body: Some(Box::pin(incoming.response.bytes_stream())),
            permit: incoming.permit,
            decoder,
            cancelled: Box::pin(cancel.clone().cancelled_owned()),
            cancel,
            idle: incoming.idle,
            deadline: incoming.deadline,
            timer,
            last_piece: now,
            body_ended: false,
            finished: false,
        }
    }

    /// The error that a chunk of this stream reports, if any; [`crate::Delta::error`] has it as JSON.
    pub fn reported(&self, chunk: &Chunk) -> Option<ProviderError> {
        let error = chunk.delta().error?;
        Some(ProviderError::Reported {
            connection: self.target.label.clone(),
            message: self.target.scrub(http::upstream_words(error.as_bytes())),
            body: chunk.raw().clone(),
        })
    }

    /// Ends the stream; what is left of the body is dropped, which closes the connection.
    fn close(&mut self) {
        self.body = None;
        self.permit = None;
    }

    fn fail(&mut self, error: ProviderError) -> Poll<Option<Result<Chunk, ProviderError>>> {
        self.close();
        Poll::Ready(Some(Err(error)))
    }

    /// The upstream said that nothing follows: the connection can be used again once its end mark has been read.
    fn complete(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, ProviderError>>> {
        let permit = self.permit.take();
        if let Some(mut body) = self.body.take().filter(|_| !self.body_ended) {
            // Most often the mark has arrived with the last piece; only otherwise is it waited for aside.
            if body.as_mut().poll_next(context).is_pending() {
                http::drain(body, permit);
            }
        }
        Poll::Ready(None)
    }

    fn chunk(&mut self, chunk: Chunk) -> Poll<Option<Result<Chunk, ProviderError>>> {
        self.finished |= chunk.has_finish_reason() || chunk.has_error();
        Poll::Ready(Some(Ok(chunk)))
    }

    fn truncated(&self, detail: impl Into<String>) -> ProviderError {
        ProviderError::Truncated { connection: self.target.label.clone(), detail: detail.into() }
    }

    /// Whether a bound of time has been passed; keeps the timer set otherwise.
    fn poll_bounds(&mut self, context: &mut Context<'_>) -> Option<ProviderError> {
        let timer = self.timer.as_mut()?;
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let timeout =
                |bound, after| ProviderError::Timeout { connection: self.target.label.clone(), bound, after };
            if let Some((_, after, bound)) = self.deadline.filter(|(at, ..)| *at <= now) {
                return Some(timeout(bound, after));
            }
            let silent_until = self.idle.map(|idle| (self.last_piece + idle, idle));
            if let Some((_, after)) = silent_until.filter(|(at, _)| *at <= now) {
                return Some(timeout(TimeBound::Idle, after));
            }
            let next = [silent_until.map(|(at, _)| at), self.deadline.map(|(at, ..)| at)];
            timer.as_mut().reset(next.into_iter().flatten().min()?);
        }
        None
    }
}

impl Stream for ReplyStream {
    type Item = Result<Chunk, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.body.is_none() {
            return Poll::Ready(None);
        }
        if this.cancel.is_cancelled() {
            return this.fail(ProviderError::Cancelled);
        }
        loop {
            let decoded = if this.body_ended {
                this.decoder.finish(&this.target)
            } else {
                this.decoder.next(&this.target)
            };
            match decoded {
                Ok(Some(Decoded::Chunk(chunk))) => return this.chunk(chunk),
                Ok(Some(Decoded::End)) => return this.complete(context),
                Ok(None) if this.body_ended && this.finished => return this.complete(context),
                Ok(None) if this.body_ended => {
                    let error = this.truncated("the service closed the connection");
                    return this.fail(error);
                }
                Ok(None) => {}
                Err(error) => return this.fail(error),
            }
            let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
            match body.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(piece))) => {
                    this.last_piece = Instant::now();
                    this.decoder.push(piece);
                }
                Poll::Ready(Some(Err(error))) if this.finished => {
                    // Some services break the connection after their last chunk; nothing is missing.
                    tracing::debug!(connection = %this.target.label, %error, "connection broke after the finish reason");
                    this.body_ended = true;
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = http::reading_failed(&this.target, &error);
                    return this.fail(error);
                }
                Poll::Ready(None) => this.body_ended = true,
                Poll::Pending => {
                    if this.cancelled.as_mut().poll(context).is_ready() {
                        return this.fail(ProviderError::Cancelled);
                    }
                    return match this.poll_bounds(context) {
                        Some(error) => this.fail(error),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReplyStream")
            .field("connection", &self.target.label)
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}
