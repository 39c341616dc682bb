//! The engine on a model of random numbers.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use parking_lot::Mutex;

use super::chat::FinishReason;
use super::*;
use crate::layout::LocalModel;
use crate::model::test_weights::small_llama;
use crate::sampling::SamplingOptions;
use crate::text::template::{Role, Turn};
use crate::text::test_vocabulary::small_tokenizer;

/// Far more than any step of these tests takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn small_chat_model() -> ChatModel {
    ChatModel::of(small_llama(1024), small_tokenizer())
}

/// An engine whose chat model is made by `loader`; it has no embedding model.
pub(crate) fn engine_with(
    loader: impl Fn() -> Result<ChatModel, LocalError> + Send + Sync + 'static,
) -> Engine {
    let layout = LocalModel::layout("no such folder");
    let embedding = layout.clone();
    let embedding = Lazy::new(move || EmbeddingModel::load(&embedding));
    Engine::start_with(layout, NonZeroUsize::MIN, Lazy::new(loader), embedding).unwrap()
}

fn request(text: &str, most_tokens: usize) -> ChatRequest {
    let turns = vec![
        Turn { role: Role::System, text: "s".to_owned() },
        Turn { role: Role::User, text: text.to_owned() },
    ];
    let sampling = SamplingOptions { temperature: 1.0, seed: Some(3), ..SamplingOptions::default() };
    ChatRequest { turns, sampling, most_tokens, stops: Vec::new() }
}

/// A whole reply: prompt tokens, cached tokens, text, reason, answer tokens.
#[derive(Debug)]
struct Whole {
    prompt: usize,
    cached: usize,
    text: String,
    reason: FinishReason,
    answer: usize,
}

async fn next(events: &mut mpsc::Receiver<ChatEvent>) -> Option<ChatEvent> {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("the engine is stuck")
}

async fn whole(engine: &Engine, request: ChatRequest) -> Result<Whole, LocalError> {
    let mut events = engine.chat(request)?;
    let (prompt, cached) = match next(&mut events).await {
        Some(ChatEvent::Started { prompt_tokens, cached_tokens }) => (prompt_tokens, cached_tokens),
        Some(ChatEvent::Failed(error)) => return Err(error),
        other => panic!("{other:?} before the start"),
    };
    let mut text = String::new();
    loop {
        match next(&mut events).await {
            Some(ChatEvent::Text(more)) => {
                assert!(!more.is_empty());
                text.push_str(&more);
            }
            Some(ChatEvent::Finished { reason, answer_tokens }) => {
                assert!(next(&mut events).await.is_none(), "nothing comes after the end");
                return Ok(Whole { prompt, cached, text, reason, answer: answer_tokens });
            }
            Some(ChatEvent::Failed(error)) => return Err(error),
            other => panic!("{other:?} in the middle"),
        }
    }
}

#[tokio::test]
async fn a_reply_comes_in_order_and_the_same_seed_repeats_it() {
    let engine = engine_with(|| Ok(small_chat_model()));
    let first = whole(&engine, request("hi", 12)).await.unwrap();
    assert_eq!((first.reason, first.answer), (FinishReason::Length, 12));
    // The start, "system\ns", the end and a new line; the same with "user\n" and the one token "hi"; the start, "assistant\n".
    assert_eq!(first.prompt, (1 + 8 + 2) + (1 + 6 + 2) + (1 + 10));
    let again = whole(&engine, request("hi", 12)).await.unwrap();
    assert_eq!(again.text, first.text);
    assert_eq!(again.cached, first.prompt - 1);
}

#[tokio::test]
async fn the_next_turn_reads_only_what_is_new() {
    let engine = engine_with(|| Ok(small_chat_model()));
    let first = whole(&engine, request("hi", 5)).await.unwrap();
    let mut next = request("hi", 5);
    next.turns.push(Turn { role: Role::Assistant, text: "x".repeat(10) });
    next.turns.push(Turn { role: Role::User, text: "more".into() });
    let second = whole(&engine, next).await.unwrap();
    assert!(second.cached >= first.prompt && second.cached < second.prompt, "{second:?}");
}

#[tokio::test]
async fn a_stop_sequence_ends_the_reply_before_it() {
    let engine = engine_with(|| Ok(small_chat_model()));
    let free = whole(&engine, request("hi", 60)).await.unwrap();
    let stop: String = free.text.chars().skip(10).take(2).collect();
    let mut stopping = request("hi", 60);
    stopping.stops = vec![stop.clone()];
    let stopped = whole(&engine, stopping).await.unwrap();
    assert_eq!(stopped.reason, FinishReason::Stop);
    assert_eq!(stopped.text, free.text.split(&stop).next().unwrap());
}

#[tokio::test]
async fn what_cannot_be_answered_is_said_and_the_worker_goes_on() {
    let engine = engine_with(|| Ok(small_chat_model()));
    let error = whole(&engine, request(&"long ".repeat(400), 5)).await.unwrap_err();
    assert!(matches!(error, LocalError::ContextLength { .. }), "{error}");
    assert!(whole(&engine, request("hi", 5)).await.is_ok());
}

#[tokio::test]
async fn missing_weights_and_a_panic_fail_one_request_only() {
    let attempts = AtomicUsize::new(0);
    let engine = engine_with(move || match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => Err(LocalError::Missing { path: "weights".into() }),
        1 => panic!("on purpose"),
        _ => Ok(small_chat_model()),
    });
    assert_eq!(engine.status().chat, LoadState::NotInstalled);
    assert!(matches!(whole(&engine, request("hi", 2)).await, Err(LocalError::Missing { .. })));
    let panicked = whole(&engine, request("hi", 2)).await.unwrap_err().to_string();
    assert!(panicked.contains("on purpose"), "{panicked}");
    assert!(whole(&engine, request("hi", 2)).await.is_ok());
    assert_eq!(engine.status().chat, LoadState::Loaded);
}

#[tokio::test]
async fn a_full_queue_refuses_and_those_who_leave_make_room() {
    let (release, wait) = std_mpsc::channel::<()>();
    let (loading, started) = std_mpsc::channel::<()>();
    let (wait, loading) = (Mutex::new(wait), Mutex::new(loading));
    let engine = engine_with(move || {
        loading.lock().send(()).unwrap();
        wait.lock().recv_timeout(PATIENCE).unwrap();
        Ok(small_chat_model())
    });
    let mut running = engine.chat(request("hi", 3)).unwrap();
    started.recv_timeout(PATIENCE).unwrap();
    assert_eq!(engine.status().chat, LoadState::Loading);
    let mut waiting: Vec<_> = (0..CHAT_QUEUE).map(|_| engine.chat(request("hi", 3)).unwrap()).collect();
    assert_eq!(engine.status().chat_waiting, CHAT_QUEUE);
    let refused = engine.chat(request("hi", 3)).unwrap_err();
    assert!(matches!(refused, LocalError::Busy { waiting: CHAT_QUEUE }), "{refused}");
    waiting.pop();
    waiting.push(engine.chat(request("hi", 3)).unwrap());
    release.send(()).unwrap();
    waiting.insert(0, running.try_recv().map_or(running, |early| panic!("{early:?} before the weights")));
    for mut events in waiting {
        assert!(matches!(next(&mut events).await, Some(ChatEvent::Started { .. })));
        let mut last = None;
        while let Some(event) = next(&mut events).await {
            last = Some(event);
        }
        assert!(matches!(last, Some(ChatEvent::Finished { .. })), "{last:?}");
    }
}

#[tokio::test]
async fn a_reply_that_nobody_wants_is_not_written() {
    let gate = Arc::new(Gate::new(NonZeroUsize::MIN));
    let model = Lazy::new(|| Ok(small_chat_model()));
    let request = request("hi", 900);
    let (events, mut receiver) = mpsc::channel(request.most_events());
    let worker = std::thread::spawn({
        let gate = gate.clone();
        move || ChatWorker::new(gate).run(&model, ChatJob { request, events })
    });
    assert!(matches!(next(&mut receiver).await, Some(ChatEvent::Started { .. })));
    assert!(matches!(next(&mut receiver).await, Some(ChatEvent::Text(_))));
    // With the gate held the worker cannot take another step, so what is written is written before the client leaves.
    let written = gate.step(|| {
        receiver.close();
        let mut written = 1;
        while receiver.try_recv().is_ok() {
            written += 1;
        }
        written
    });
    worker.join().unwrap().unwrap();
    assert!(written < 900, "{written} tokens were written for nobody");
    assert!(receiver.try_recv().is_err());
}

#[tokio::test]
async fn embedding_without_its_files_names_what_is_missing() {
    let engine = engine_with(|| Ok(small_chat_model()));
    let outcome = engine.embed(vec!["a".into()]).unwrap().await.unwrap();
    let message = outcome.unwrap_err().to_string();
    assert!(
        message.contains("all-MiniLM-L6-v2") && message.contains("scripts/fetch-local-model"),
        "{message}"
    );
}
