//! One reply, from the first chunk of the provider to the stored message.

use crate::audience::Audience;
use crate::output::{Output, Status, Update};
use crate::pace::{self, Pace};
use crate::service::Services;
use antiphon_provider::{Chunk, ProviderError, Reply as ProviderReply, ReplyStream, RequestContext};
use antiphon_state::reply_log::{ReplyKey, ReplyWriter};
use antiphon_state::tasks::TaskGuard;
use antiphon_storage::ErrorKind;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Time between two saves of the text so far, while it grows. What a crash loses is at most this much.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Longest that joined deltas are held back while the provider keeps the stream full.
const MAX_HOLD: Duration = Duration::from_millis(25);

/// Time between two tellings of a whole reply: when many nodes missed events, each says so.
const WHOLE_EVERY: Duration = Duration::from_secs(2);
/// Tries to store the finished message before it is given up with an error in the log.
const STORE_TRIES: u32 = 5;

/// Pause before the second try; it doubles with each.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// Everything one reply needs.
pub(crate) struct Reply {
    pub(crate) services: Arc<Services>,
    pub(crate) audience: Audience,
    pub(crate) guard: TaskGuard,
    pub(crate) context: RequestContext,
    pub(crate) chat_id: String,
    pub(crate) message_id: String,
    pub(crate) model: String,
    pub(crate) body: Map<String, Value>,
    /// Whether the message is a row; answers of temporary chats are not.
    pub(crate) stored: bool,
}

/// How a reply ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The provider said all it had to say.
    Completed {
        /// The chunk with the finish reason, as it came, but without text, which is told as a delta.
        last: Option<Box<RawValue>>,
        /// Token counts, as they came.
        usage: Option<Value>,
    },
    /// Somebody stopped it.
    Cancelled,
    /// It failed; the text says how, for the person who asked.
    Failed(String),
}

/// What a reply came to.
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) text: String,
    pub(crate) output: Value,
}

impl Reply {
    /// Streams, tells and stores the reply.
    pub(crate) async fn run(&self) -> Outcome {
        let mut run = Run::new(self).await;
        let ending = run.stream().await;
        run.tell().await;
        let status = match ending {
            Ending::Completed { .. } => Status::Completed,
            Ending::Cancelled | Ending::Failed(_) => Status::Incomplete,
        };
        let outcome = Outcome { text: run.output.text(), output: run.output.json(status), ending };
        self.store(&outcome).await;
        run.close().await;
        outcome
    }

    /// Writes the finished message, with a bounded number of tries while the database is away.
    async fn store(&self, outcome: &Outcome) {
        if !self.stored {
            return;
        }
        let mut pause = STORE_PAUSE;
        for attempt in 1..=STORE_TRIES {
            let Err(error) = self.services.finish(&self.chat_id, &self.message_id, outcome).await else {
                return;
            };
            if attempt == STORE_TRIES || error.kind() != ErrorKind::Unavailable {
                tracing::error!(
                    chat_id = self.chat_id, message_id = self.message_id, %error,
                    "a finished reply could not be stored; check that the database answers (DATABASE_URL)"
                );
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

/// The moving parts while a reply streams.
struct Run<'a> {
    reply: &'a Reply,
    output: Output,
    pace: Pace,
    log: Option<ReplyWriter>,
    held_since: Option<Instant>,
    /// What [`antiphon_state::ReplyLogs::missed`] was when the whole reply was told last, and when that was.
    missed: (u64, Instant),
    /// Whether the connection had its turn since the last chunk and brought none.
    looked: bool,
    saved_at: Instant,
    unsaved: bool,
    last: Option<Box<RawValue>>,
    usage: Option<Value>,
}

/// What to do after a chunk.
enum Next {
    Continue,
    End(Ending),
}

impl<'a> Run<'a> {
    async fn new(reply: &'a Reply) -> Self {
        let key = ReplyKey::new(&reply.chat_id, &reply.message_id);
        let log = match reply.services.reply_logs.open(key, "").await {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::warn!(%error, "a reply streams without a log; who reloads its chat sees the text with a delay");
                None
            }
        };
        Self {
            reply,
            output: Output::default(),
            pace: Pace::new(reply.services.begun),
            log,
            held_since: None,
            missed: (reply.services.reply_logs.missed(), Instant::now()),
            looked: false,
            saved_at: Instant::now(),
            unsaved: false,
            last: None,
            usage: None,
        }
    }

    async fn stream(&mut self) -> Ending {
        let reply = self.reply;
        let cancel = reply.guard.cancellation().clone();
        let asked = reply.services.providers.chat(&reply.model, reply.body.clone(), &reply.context, &cancel);
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ending::Cancelled,
            answer = asked => answer,
        };
        match answer {
            Ok(ProviderReply::Stream(mut stream)) => loop {
                if let Next::End(ending) = self.step(&mut stream).await {
                    return ending;
                }
            },
            Ok(ProviderReply::Whole(completion)) => self.take_whole(&completion),
            Err(error) => failed(&error),
        }
    }

    /// Takes one chunk, or tells what is pending while none is there.
    async fn step(&mut self, stream: &mut ReplyStream) -> Next {
        let chunk = if self.output.has_updates() {
            let Some(chunk) = stream.next().now_or_never() else {
                self.rest().await;
                return Next::Continue;
            };
            chunk
        } else {
            tokio::select! {
                biased;
                chunk = stream.next() => chunk,
                () = sleep_until(self.saved_at + SAVE_INTERVAL), if self.unsaved => {
                    self.save().await;
                    return Next::Continue;
                }
            }
        };
        self.looked = false;
        match chunk {
            Some(Ok(chunk)) => match stream.reported(&chunk) {
                Some(error) => Next::End(failed(&error)),
                None => self.take(chunk).await,
            },
            Some(Err(error)) => Next::End(failed(&error)),
            None => Next::End(Ending::Completed { last: self.last.take(), usage: self.usage.take() }),
        }
    }

    /// Tells what is pending, or lets the gap pass first. What the provider sends meanwhile waits in its
    /// connection and is read in one go: being woken for each token would cost more than the token.
    async fn rest(&mut self) {
        let now = Instant::now();
        let due = self.pace.due(now, self.output.pending_bytes(), self.reply.services.live());
        if due > now {
            tokio::select! {
                () = self.reply.guard.cancellation().cancelled() => {}
                () = sleep_until(due) => {}
            }
            self.held_since = None;
        } else if !self.looked {
            // The task of the connection hands over what has arrived when it gets its turn.
            self.looked = true;
            tokio::task::yield_now().await;
        } else {
            self.tell().await;
        }
    }

    async fn take(&mut self, chunk: Chunk) -> Next {
        let delta = chunk.delta();
        if let Some(event) = delta.event {
            self.forward(event).await;
        }
        let mut grown = Ok(());
        let mut said = false;
        if let Some(text) = delta.reasoning.filter(|text| !text.is_empty()) {
            said = true;
            grown = grown.and_then(|()| self.output.push_reasoning(text));
        }
        if let Some(text) = delta.content.filter(|text| !text.is_empty()) {
            said = true;
            grown = grown.and_then(|()| self.output.push_text(text));
        }
        for call in delta.tool_calls.map(calls).unwrap_or_default() {
            said = true;
            let function = &call.function;
            grown = grown.and_then(|()| {
                self.output.push_call(call.index, &call.id, &function.name, &function.arguments)
            });
        }
        if let Err(error) = grown {
            return Next::End(Ending::Failed(format!("The answer was cut off: {error}.")));
        }
        if let Some(usage) = delta.usage {
            self.usage = serde_json::from_str(usage).ok().filter(|usage: &Value| !usage.is_null());
        }
        if delta.finish_reason.is_some() {
            self.last = without_text(&chunk, said);
        } else if !said && self.output.is_empty() {
            // The chunk that only names the role: clients take it as the sign that the model has begun.
            self.forward_raw(&chunk).await;
        }
        if self.output.has_updates() {
            let now = Instant::now();
            let held = *self.held_since.get_or_insert(now);
            if self.output.pending_bytes() >= pace::FULL || now - held >= MAX_HOLD.max(self.hold()) {
                self.tell().await;
            }
        }
        if self.unsaved && self.saved_at.elapsed() >= SAVE_INTERVAL {
            self.save().await;
        }
        Next::Continue
    }

    /// The gap between two events at the present load.
    fn hold(&self) -> Duration {
        let now = Instant::now();
        self.pace.due(now, 0, self.reply.services.live()).saturating_duration_since(now)
    }

    /// Tells and logs the deltas since the last time, each encoded once.
    async fn tell(&mut self) {
        self.held_since = None;
        if !self.output.has_updates() {
            return;
        }
        for update in self.output.take_updates() {
            let Ok(encoded) = serde_json::value::to_raw_value(&update) else { continue };
            let text = match &update {
                Update::Delta(delta) if delta.is_answer() => delta.delta.as_str(),
                _ => "",
            };
            self.append(&encoded, text).await;
            self.reply.audience.tell("response:completion", &encoded).await;
        }
        self.pace.told(Instant::now());
        self.unsaved = true;
        self.tell_whole_if_missed().await;
    }

    /// Tells the whole reply so far when sockets of another node may have missed a part. Clients that know of no
    /// resynchronisation are in step again by that.
    async fn tell_whole_if_missed(&mut self) {
        let missed = self.reply.services.reply_logs.missed();
        if missed == self.missed.0 || self.missed.1.elapsed() < WHOLE_EVERY {
            return;
        }
        self.missed = (missed, Instant::now());
        let whole = json!({ "output": self.output.json(Status::InProgress) });
        self.reply.audience.tell("chat:completion", &whole).await;
    }

    async fn append(&mut self, encoded: &RawValue, text: &str) {
        let Some(log) = &self.log else { return };
        let data = bytes::Bytes::copy_from_slice(encoded.get().as_bytes());
        let wants_state = match log.append(data, text).await {
            Ok(appended) => appended.wants_state,
            Err(error) => {
                tracing::warn!(%error, "a live reply is no longer logged; who reloads its chat sees the text with a delay");
                self.log = None;
                return;
            }
        };
        if wants_state && let Ok(state) = serde_json::to_vec(&self.output.json(Status::InProgress)) {
            // Without the state readers fold the entries instead.
            let _ = log.put_state(state.into()).await;
        }
    }

    async fn forward_raw(&self, chunk: &Chunk) {
        if let Ok(raw) = serde_json::from_slice::<&RawValue>(chunk.raw()) {
            self.reply.audience.tell("response:completion", &raw).await;
        }
    }

    /// Passes on an event that the provider itself sent: `{type, data}`.
    async fn forward(&self, event: &str) {
        #[derive(Deserialize, Serialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: String,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        if let Ok(Event { kind, data }) = serde_json::from_str(event) {
            match data {
                Some(data) => self.reply.audience.tell(&kind, &data).await,
                None => self.reply.audience.tell_bare(&kind).await,
            }
        }
    }

    /// Saves the text so far, so that a crash of this process loses little.
    async fn save(&mut self) {
        self.unsaved = false;
        self.saved_at = Instant::now();
        if !self.reply.stored {
            return;
        }
        let (text, output) = (self.output.text(), self.output.json(Status::InProgress));
        let saved =
            self.reply.services.save(&self.reply.chat_id, &self.reply.message_id, &text, &output).await;
        if let Err(error) = saved {
            tracing::warn!(%error, "the text so far of a reply could not be saved; it is saved again as it grows");
        }
    }

    /// Takes an answer that came in one piece although a stream was asked for.
    fn take_whole(&mut self, completion: &Value) -> Ending {
        let message = &completion["choices"][0]["message"];
        let reasoning = message["reasoning_content"].as_str().or_else(|| message["reasoning"].as_str());
        let mut grown = Ok(());
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            grown = self.output.push_reasoning(text);
        }
        if let Some(text) = message["content"].as_str().filter(|text| !text.is_empty()) {
            grown = grown.and_then(|()| self.output.push_text(text));
        }
        for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (id, function) = (text(&call["id"]), &call["function"]);
            grown = grown.and_then(|()| {
                self.output.push_call(index, &id, &text(&function["name"]), &text(&function["arguments"]))
            });
        }
        match grown {
            Ok(()) => {
                let usage = completion.get("usage").filter(|usage| !usage.is_null()).cloned();
                Ending::Completed { last: None, usage }
            }
            Err(error) => Ending::Failed(format!("The answer was cut off: {error}.")),
        }
    }

    async fn close(self) {
        if let Some(log) = self.log {
            // It expires by itself when this fails.
            let _ = log.finish().await;
        }
    }
}

/// The JSON of a chunk; the deltas in it are emptied where `said` tells that they hold something.
///
/// Clients add what a chunk brings to what they have, and the deltas were told before.
fn without_text(chunk: &Chunk, said: bool) -> Option<Box<RawValue>> {
    if !said {
        return serde_json::from_slice(chunk.raw()).ok();
    }
    let mut value: Value = serde_json::from_slice(chunk.raw()).ok()?;
    for choice in value["choices"].as_array_mut()?.iter_mut().filter_map(Value::as_object_mut) {
        choice.remove("message");
        choice.insert("delta".into(), Value::Object(Map::new()));
    }
    serde_json::value::to_raw_value(&value).ok()
}

/// A piece of a tool call, as providers stream it.
#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: usize,
    #[serde(default, deserialize_with = "or_empty")]
    id: String,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    #[serde(default, deserialize_with = "or_empty")]
    name: String,
    #[serde(default, deserialize_with = "or_empty")]
    arguments: String,
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// The pieces in the JSON text of a list of tool-call deltas; one that cannot be read brings none.
fn calls(raw: &str) -> Vec<CallDelta> {
    serde_json::from_str(raw).unwrap_or_default()
}

fn failed(error: &ProviderError) -> Ending {
    if matches!(error, ProviderError::Cancelled) {
        return Ending::Cancelled;
    }
    tracing::warn!(error = error.operator_message(), "a reply failed");
    Ending::Failed(error.user_message())
}
