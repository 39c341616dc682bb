//! The life of one reply: encode, read the prompt in parts, write token by token, stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::gate::Gate;
use super::lazy::Lazy;
use super::prefixes::Prefixes;
use super::queue::Job;
use crate::error::LocalError;
use crate::layout::Layout;
use crate::model::cache::KeyValueCache;
use crate::model::chat_weights;
use crate::model::llama::Llama;
use crate::sampling::{Sampler, SamplingOptions};
use crate::text::chat_tokenizer::ChatTokenizer;
use crate::text::stream::TextStream;
use crate::text::template::{self, Turn};

/// How many tokens a prompt and its answer may have together. The model knows 8192 positions, but reading that many on one
/// core takes minutes, and each costs 45 KiB.
pub const CONTEXT: usize = 2048;
/// The longest answer, whatever the request says.
pub const LONGEST_ANSWER: usize = 1024;
/// What is kept free for the answer when a prompt is cut to fit; less when the request wants less.
const ROOM_FOR_ANSWER: usize = 512;
/// The prompt is read in parts of this many tokens; between them a cancelled request is noticed.
const PROMPT_PART: usize = 64;
/// An answer that takes longer ends as if it were too long.
const ANSWER_TIME: Duration = Duration::from_mins(5);
/// How many tokens of earlier replies a worker keeps ready to be continued.
const KEPT_TOKENS: usize = CONTEXT;

/// The chat model with its tokenizer.
#[derive(Debug)]
pub struct ChatModel {
    model: Llama,
    tokenizer: ChatTokenizer,
}

impl ChatModel {
    /// Loads the weights of `layout`.
    ///
    /// # Errors
    /// [`LocalError::Missing`] or [`LocalError::Unreadable`].
    pub fn load(layout: &Layout) -> Result<Self, LocalError> {
        let started = Instant::now();
        let (metadata, tensors) = chat_weights::load(layout)?;
        let unreadable = |reason| LocalError::Unreadable { path: layout.chat_weights(), reason };
        let tokenizer = ChatTokenizer::new(&metadata).map_err(unreadable)?;
        let model = Llama::new(&metadata, tensors, CONTEXT).map_err(|error| unreadable(error.to_string()))?;
        tracing::info!(seconds = started.elapsed().as_secs_f32(), "loaded the chat model");
        Ok(Self { model, tokenizer })
    }

    #[cfg(test)]
    pub(super) fn of(model: Llama, tokenizer: ChatTokenizer) -> Self {
        Self { model, tokenizer }
    }
}

/// What is asked of the model.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The conversation, oldest turn first.
    pub turns: Vec<Turn>,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// The most tokens of the answer; cut to [`LONGEST_ANSWER`].
    pub most_tokens: usize,
    /// The answer ends before the first of these.
    pub stops: Vec<String>,
}

impl ChatRequest {
    fn answer_limit(&self) -> usize {
        self.most_tokens.clamp(1, LONGEST_ANSWER)
    }

    /// How many events the answer has at most: one for each token, the first, the held-back text and the last. A channel of
    /// this size is never full, so a client that stops reading cannot hold up a worker.
    pub(super) fn most_events(&self) -> usize {
        self.answer_limit() + 3
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model had nothing more to say, or met a stop sequence.
    Stop,
    /// The limit of tokens, of the context or of time was reached.
    Length,
}

/// What a worker tells about a reply, in this order: `Started`, any number of `Text`, `Finished`; or `Failed` at any point.
#[derive(Debug)]
pub enum ChatEvent {
    /// The request has its turn.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Of these, how many an earlier reply had read.
        cached_tokens: usize,
    },
    /// More text; never empty.
    Text(String),
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Tokens of the answer.
        answer_tokens: usize,
    },
    /// The answer ends with an error.
    Failed(LocalError),
}

/// A request on its way to a worker.
#[derive(Debug)]
pub struct ChatJob {
    /// What is asked.
    pub request: ChatRequest,
    /// Where the answer goes.
    pub events: mpsc::Sender<ChatEvent>,
}

impl Job for ChatJob {
    fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }
}

/// One thread's worth of answering.
#[derive(Debug)]
pub struct ChatWorker {
    gate: Arc<Gate>,
    prefixes: Prefixes,
}

/// How a reply went on after a step.
enum Outcome {
    Finished(FinishReason),
    Abandoned,
}

impl ChatWorker {
    /// A worker that computes when `gate` lets it.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, prefixes: Prefixes::new(KEPT_TOKENS) }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// What went wrong before or during the answer; the caller tells the client.
    pub fn run(&mut self, model: &Lazy<ChatModel>, job: ChatJob) -> Result<(), LocalError> {
        let ChatJob { request, events } = job;
        let started = Instant::now();
        let model = self.gate.step(|| model.get())?;
        let answer_limit = request.answer_limit();
        let context = model.model.dimensions().context;
        let prompt_limit = context.saturating_sub(answer_limit.min(ROOM_FOR_ANSWER));
        let prompt = self.gate.step(|| template::prompt(&model.tokenizer, &request.turns, prompt_limit))?;
        let prompt_tokens = prompt.tokens.len();
        let cache = self.prefixes.take(&prompt.tokens).unwrap_or_else(|| model.model.new_cache());
        let cached_tokens = cache.len();
        tracing::debug!(prompt_tokens, cached_tokens, dropped_turns = prompt.dropped, "answering");
        if !send(&events, ChatEvent::Started { prompt_tokens, cached_tokens })? {
            self.prefixes.put(prompt.tokens, cache);
            return Ok(());
        }
        let mut reply = Reply {
            model: &model,
            gate: &self.gate,
            events: &events,
            sampler: Sampler::new(request.sampling),
            text: TextStream::new(request.stops),
            tokens: prompt.tokens,
            cache,
            answer_limit: answer_limit.min(context - prompt_tokens),
            answer_tokens: 0,
            deadline: started + ANSWER_TIME,
        };
        let outcome = reply.write()?;
        let (answer_tokens, rest) = (reply.answer_tokens, reply.text.finish());
        self.prefixes.put(reply.tokens, reply.cache);
        if let Outcome::Finished(reason) = outcome {
            if !rest.is_empty() {
                send(&events, ChatEvent::Text(rest))?;
            }
            send(&events, ChatEvent::Finished { reason, answer_tokens })?;
        }
        tracing::info!(
            prompt_tokens,
            cached_tokens,
            answer_tokens,
            milliseconds = started.elapsed().as_millis(),
            cancelled = matches!(outcome, Outcome::Abandoned),
            "answered"
        );
        Ok(())
    }
}

/// The state of one answer.
struct Reply<'a> {
    model: &'a ChatModel,
    gate: &'a Gate,
    events: &'a mpsc::Sender<ChatEvent>,
    sampler: Sampler,
    text: TextStream,
    /// The prompt and the answer so far; the cache has read the first `cache.len()` of them.
    tokens: Vec<u32>,
    cache: KeyValueCache,
    answer_limit: usize,
    answer_tokens: usize,
    deadline: Instant,
}

impl Reply<'_> {
    fn write(&mut self) -> Result<Outcome, LocalError> {
        loop {
            let Some(mut scores) = self.read()? else { return Ok(Outcome::Abandoned) };
            let token = self.gate.step(|| self.sampler.next(&mut scores));
            let token = token.ok_or_else(|| LocalError::Internal("the model gave no usable score".into()))?;
            if self.model.tokenizer.is_end(token) {
                return Ok(Outcome::Finished(FinishReason::Stop));
            }
            self.tokens.push(token);
            self.answer_tokens += 1;
            let text = self.text.push(self.model.tokenizer.bytes(token));
            if !text.is_empty() && !send(self.events, ChatEvent::Text(text))? {
                return Ok(Outcome::Abandoned);
            }
            if self.text.stopped() {
                return Ok(Outcome::Finished(FinishReason::Stop));
            }
            if self.answer_tokens >= self.answer_limit || Instant::now() > self.deadline {
                return Ok(Outcome::Finished(FinishReason::Length));
            }
        }
    }

    /// Reads all tokens that the cache has not, and gives the scores for the next; `None` when the client went away.
    fn read(&mut self) -> Result<Option<Vec<f32>>, LocalError> {
        loop {
            if self.events.is_closed() {
                return Ok(None);
            }
            let (model, cache) = (&self.model.model, &mut self.cache);
            let unread = &self.tokens[cache.len()..];
            if unread.len() <= PROMPT_PART {
                return Ok(Some(self.gate.step(|| model.scores(unread, cache))?));
            }
            self.gate.step(|| model.read(&unread[..PROMPT_PART], cache))?;
        }
    }
}

/// False when the client went away.
fn send(events: &mpsc::Sender<ChatEvent>, event: ChatEvent) -> Result<bool, LocalError> {
    match events.try_send(event) {
        Ok(()) => Ok(true),
        Err(TrySendError::Closed(_)) => Ok(false),
        Err(TrySendError::Full(_)) => {
            Err(LocalError::Internal("an answer had more events than tokens".into()))
        }
    }
}
