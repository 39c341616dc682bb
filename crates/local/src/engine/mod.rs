//! The threads that compute, and the bounded queues before them.
//!
//! There are `threads` workers for chat and one for embeddings. All of them pass through one [`gate`] that lets
//! `threads` of them compute at a time, step by step, so an embedding need not wait for the end of a long answer and the
//! number of busy cores stays what the operator asked for. Weights are loaded at the first request and shared.

pub mod chat;
pub mod embedding;
pub mod gate;
pub mod lazy;
pub mod prefixes;
pub mod queue;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use self::chat::{ChatEvent, ChatJob, ChatModel, ChatRequest, ChatWorker};
use self::embedding::{EmbeddingJob, EmbeddingModel, EmbeddingResult};
use self::gate::Gate;
use self::lazy::{Lazy, LoadState};
use self::queue::Queue;
use crate::error::LocalError;
use crate::layout::Layout;

/// How many chat requests may wait for a worker; the next one is told to come again.
pub const CHAT_QUEUE: usize = 8;
/// How many embedding requests may wait.
pub const EMBEDDING_QUEUE: usize = 16;

/// The handle to the workers; they end with the process.
#[derive(Debug)]
pub struct Engine {
    layout: Layout,
    chat_queue: Arc<Queue<ChatJob>>,
    embedding_queue: Arc<Queue<EmbeddingJob>>,
    chat_model: Arc<Lazy<ChatModel>>,
    embedding_model: Arc<Lazy<EmbeddingModel>>,
    answering: Arc<AtomicUsize>,
}

/// What the engine is doing, for the health check.
#[derive(Debug, Clone, Serialize)]
pub struct EngineStatus {
    /// The state of the chat weights.
    pub chat: LoadState,
    /// The state of the embedding weights.
    pub embedding: LoadState,
    /// Chat requests that are being answered.
    pub chat_answering: usize,
    /// Chat requests that wait for a worker.
    pub chat_waiting: usize,
    /// Embedding requests that wait for the worker.
    pub embedding_waiting: usize,
}

impl Engine {
    /// Starts the workers over the model folder `layout`.
    ///
    /// # Errors
    /// [`LocalError::Io`] when the system refuses a thread.
    pub fn start(layout: Layout, threads: NonZeroUsize) -> Result<Self, LocalError> {
        let for_chat = layout.clone();
        let for_embedding = layout.clone();
        Self::start_with(
            layout,
            threads,
            Lazy::new(move || ChatModel::load(&for_chat)),
            Lazy::new(move || EmbeddingModel::load(&for_embedding)),
        )
    }

    /// Starts the workers over models that are loaded in another way.
    pub(crate) fn start_with(
        layout: Layout,
        threads: NonZeroUsize,
        chat_model: Lazy<ChatModel>,
        embedding_model: Lazy<EmbeddingModel>,
    ) -> Result<Self, LocalError> {
        let engine = Self {
            layout,
            chat_queue: Arc::new(Queue::new(CHAT_QUEUE)),
            embedding_queue: Arc::new(Queue::new(EMBEDDING_QUEUE)),
            chat_model: Arc::new(chat_model),
            embedding_model: Arc::new(embedding_model),
            answering: Arc::default(),
        };
        let gate = Arc::new(Gate::new(threads));
        for index in 0..threads.get() {
            let (queue, model, gate) = (engine.chat_queue.clone(), engine.chat_model.clone(), gate.clone());
            let answering = engine.answering.clone();
            spawn(format!("chat-{index}"), move || {
                let mut worker = ChatWorker::new(gate);
                while let Some(job) = queue.next() {
                    let events = job.events.clone();
                    answering.fetch_add(1, Ordering::Relaxed);
                    let outcome = protect(|| worker.run(&model, job));
                    answering.fetch_sub(1, Ordering::Relaxed);
                    if let Err(error) = outcome {
                        report(&error);
                        // A full or closed channel has nobody to tell.
                        drop(events.try_send(ChatEvent::Failed(error)));
                    }
                }
            })?;
        }
        let (queue, model) = (engine.embedding_queue.clone(), engine.embedding_model.clone());
        spawn("embedding".to_owned(), move || {
            while let Some(job) = queue.next() {
                let EmbeddingJob { texts, reply } = job;
                let outcome =
                    protect(|| gate.step(|| model.get())?.embed(&texts, &gate, || reply.is_closed()));
                if let (Err(error), false) = (&outcome, reply.is_closed()) {
                    report(error);
                }
                drop(reply.send(outcome));
            }
        })?;
        Ok(engine)
    }

    /// Queues a chat request; the answer comes over the channel, which also cancels it when it is dropped.
    ///
    /// # Errors
    /// [`LocalError::Busy`] when the queue is full.
    pub fn chat(&self, request: ChatRequest) -> Result<mpsc::Receiver<ChatEvent>, LocalError> {
        let (events, receiver) = mpsc::channel(request.most_events());
        self.chat_queue.add(ChatJob { request, events }).map_err(|waiting| LocalError::Busy { waiting })?;
        Ok(receiver)
    }

    /// Queues texts to embed; dropping the receiver cancels the work.
    ///
    /// # Errors
    /// [`LocalError::Busy`] when the queue is full.
    pub fn embed(&self, texts: Vec<String>) -> Result<oneshot::Receiver<EmbeddingResult>, LocalError> {
        let (reply, receiver) = oneshot::channel();
        self.embedding_queue
            .add(EmbeddingJob { texts, reply })
            .map_err(|waiting| LocalError::Busy { waiting })?;
        Ok(receiver)
    }

    /// What the engine is doing.
    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            chat: self.chat_model.state(self.layout.check_chat().is_ok()),
            embedding: self.embedding_model.state(self.layout.check_embedding().is_ok()),
            chat_answering: self.answering.load(Ordering::Relaxed),
            chat_waiting: self.chat_queue.len(),
            embedding_waiting: self.embedding_queue.len(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.chat_queue.close();
        self.embedding_queue.close();
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), LocalError> {
    let handle = std::thread::Builder::new().name(name).spawn(work);
    handle.map(drop).map_err(|source| LocalError::Io { what: "cannot start a worker thread", source })
}

/// A panic in the arithmetic must end one request and not the worker.
fn protect<T>(work: impl FnOnce() -> Result<T, LocalError>) -> Result<T, LocalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(LocalError::Internal(format!("a worker panicked: {}", text.unwrap_or("no message"))))
    })
}

fn report(error: &LocalError) {
    if error.is_ours() {
        tracing::error!(%error, "a request failed");
    } else {
        tracing::info!(%error, "a request was refused");
    }
}

#[cfg(test)]
pub(crate) mod tests;
