//! The one subscription of a node: what is wanted is kept here, and brought back after every loss.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connection::{Connection, Pushes};
use super::error::{RedisError, Result};
use super::events::{Events, Queue};
use super::link::Redis;
use super::proof::{PROOF_AGAIN, PROOF_INTERVAL, PROOF_LIMIT, Proof, Verdict};
use super::supervisor::{Label, State, Supervisor};

/// Channels that one `SUBSCRIBE` names at most.
const CHANNELS_AT_ONCE: usize = 500;
/// Wishes that wait to be looked at.
const WISHES: usize = 1024;

/// Subscribes and unsubscribes. Clones share the subscription; the messages come out of [`Events`].
#[derive(Clone, Debug)]
pub struct Subscriber {
    wishes: mpsc::Sender<Wish>,
    shared: Arc<Shared>,
    limit: Duration,
}

/// What everybody knows of the subscription.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) queue: Arc<Queue>,
    /// Generation of the connection on which a proof succeeded last; 0 for none.
    proven: AtomicU64,
    resubscriptions: AtomicU64,
}

#[derive(Debug)]
struct Wish {
    channel: Arc<str>,
    wanted: bool,
    done: oneshot::Sender<Result<()>>,
}

impl Subscriber {
    /// Subscribes to a channel, and returns when the server has confirmed it.
    ///
    /// With an error other than a refusal by the server the channel stays wanted: it is subscribed as soon as that is
    /// possible, and [`super::Event::Resumed`] follows.
    pub async fn subscribe(&self, channel: &str) -> Result<()> {
        self.wish(channel, true).await
    }

    /// Ends the subscription to a channel. Without a connection that is so at once.
    pub async fn unsubscribe(&self, channel: &str) -> Result<()> {
        self.wish(channel, false).await
    }

    /// Whether the last proof succeeded on the present connection.
    pub fn is_proven(&self) -> bool {
        self.shared.is_proven()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    async fn wish(&self, channel: &str, wanted: bool) -> Result<()> {
        let (done, confirmed) = oneshot::channel();
        let wish = Wish { channel: channel.into(), wanted, done };
        let granted = async {
            self.wishes.send(wish).await.map_err(|_| RedisError::ShutDown)?;
            confirmed.await.map_err(|_| RedisError::ShutDown)?
        };
        match timeout(self.limit, granted).await {
            Ok(result) => result,
            Err(_) => Err(match self.shared.supervisor.fault() {
                Some(fault) => RedisError::Away { cause: Box::new(fault) },
                None => RedisError::Timeout { limit: self.limit },
            }),
        }
    }
}

impl Shared {
    pub(crate) fn is_proven(&self) -> bool {
        let proven = self.proven.load(Ordering::Relaxed);
        self.supervisor.current().is_some_and(|connection| connection.generation == proven)
    }

    /// Why the subscription does not work, if so.
    pub(crate) fn fault(&self) -> Option<RedisError> {
        if self.is_proven() { None } else { Some(self.supervisor.fault().unwrap_or(RedisError::NotYet)) }
    }

    /// How often the subscription was made anew.
    pub(crate) fn resubscriptions(&self) -> u64 {
        self.resubscriptions.load(Ordering::Relaxed)
    }
}

/// The parts from which a subscription is made.
pub(crate) struct Parts {
    pub(crate) label: Label,
    /// Private channel of this node.
    pub(crate) nonce_channel: Arc<str>,
    /// Publishes the nonces.
    pub(crate) commands: Redis,
    /// Bound of one call.
    pub(crate) limit: Duration,
}

/// Begins a subscription; `supervise` makes the supervisor of its connection, which pushes what it gets.
pub(crate) fn start(parts: Parts, supervise: impl FnOnce(Pushes) -> Supervisor) -> (Subscriber, Events) {
    let queue = Arc::new(Queue::default());
    let proof = Arc::new(Proof::new(parts.nonce_channel));
    let supervisor = Arc::new(supervise(pushes(queue.clone(), proof.clone())));
    let shared = Arc::new(Shared {
        supervisor,
        queue: queue.clone(),
        proven: AtomicU64::new(0),
        resubscriptions: AtomicU64::new(0),
    });
    let (wishes, waiting) = mpsc::channel(WISHES);
    let work = Work {
        label: parts.label,
        shared: shared.clone(),
        commands: parts.commands,
        proof,
        limit: parts.limit,
        wishes: waiting,
        wanted: HashSet::new(),
        waiters: HashMap::new(),
        silent_since: Instant::now(),
    };
    tokio::spawn(work.run());
    (Subscriber { wishes, shared, limit: parts.limit }, Events { queue })
}

/// What the driver of the connection calls with everything that is pushed.
fn pushes(queue: Arc<Queue>, proof: Arc<Proof>) -> Pushes {
    Arc::new(move |push: PushInfo| {
        if push.kind != PushKind::Message {
            return;
        }
        let mut data = push.data.into_iter();
        let (Some(Value::BulkString(channel)), Some(Value::BulkString(payload))) = (data.next(), data.next())
        else {
            return;
        };
        proof.message();
        if *channel == *proof.channel.as_bytes() {
            proof.arrived(payload);
        } else if let Ok(channel) = std::str::from_utf8(&channel) {
            queue.message(channel, payload);
        }
    })
}

struct Work {
    label: Label,
    shared: Arc<Shared>,
    commands: Redis,
    proof: Arc<Proof>,
    limit: Duration,
    wishes: mpsc::Receiver<Wish>,
    wanted: HashSet<Arc<str>>,
    /// Who waits for a channel to be confirmed while there is no connection.
    waiters: HashMap<Arc<str>, Vec<oneshot::Sender<Result<()>>>>,
    silent_since: Instant,
}

impl Work {
    async fn run(mut self) {
        let mut state = self.shared.supervisor.state();
        loop {
            let connection = match &*state.borrow_and_update() {
                State::Up(connection) => Some(connection.clone()),
                State::Down { .. } => None,
            };
            let over = if let Some(connection) = connection {
                let over = tokio::select! {
                    over = self.serve(&connection) => over,
                    changed = state.changed() => changed.is_err(),
                };
                self.silent_since = Instant::from_std(connection.last_heard());
                self.set_proven(0);
                over
            } else {
                tokio::select! {
                    changed = state.changed() => changed.is_err(),
                    wish = self.wishes.recv() => match wish {
                        Some(wish) => {
                            self.postpone(wish);
                            false
                        }
                        None => true,
                    },
                }
            };
            if over {
                self.shared.queue.close();
                return;
            }
        }
    }

    /// Takes a wish for later.
    fn postpone(&mut self, wish: Wish) {
        if wish.wanted {
            self.wanted.insert(wish.channel.clone());
            let waiters = self.waiters.entry(wish.channel).or_default();
            // Those whose time is up are forgotten, so that this stays as small as the number of calls under way.
            waiters.retain(|waiter| !waiter.is_closed());
            waiters.push(wish.done);
        } else {
            self.wanted.remove(&wish.channel);
            self.waiters.remove(&wish.channel);
            let _ = wish.done.send(Ok(()));
        }
    }

    /// Subscribes to everything that is wanted, then serves wishes and proves the subscription until the connection is of
    /// no use any more. True when nobody can wish anything any more.
    async fn serve(&mut self, connection: &Arc<Connection>) -> bool {
        if let Err(fault) = self.resubscribe(connection).await {
            self.give_up(connection, fault);
            return self.until_replaced().await;
        }
        let mut ticks = interval(PROOF_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (commands, proof) = (self.commands.clone(), self.proof.clone());
        let prove = || {
            let (commands, proof) = (commands.clone(), proof.clone());
            let connection = connection.clone();
            async move { proof.run(&commands, &connection).await }.boxed()
        };
        let mut running = None;
        loop {
            tokio::select! {
                _ = ticks.tick(), if running.is_none() => running = Some(prove()),
                verdict = async {
                    match running.as_mut() {
                        Some(running) => running.await,
                        None => std::future::pending().await,
                    }
                } => {
                    running = None;
                    match verdict {
                        Verdict::Proven => self.resume(connection),
                        Verdict::Unknown => {
                            self.set_proven(0);
                            ticks.reset_after(PROOF_AGAIN);
                        }
                        Verdict::Deaf => {
                            let endpoint = connection.endpoint.clone();
                            self.give_up(connection, RedisError::Deaf { endpoint, limit: PROOF_LIMIT });
                            return self.until_replaced().await;
                        }
                    }
                }
                wish = self.wishes.recv() => {
                    let Some(wish) = wish else { return true };
                    if let Err(fault) = self.grant(connection, wish).await {
                        self.give_up(connection, fault);
                        return self.until_replaced().await;
                    }
                }
            }
        }
    }

    fn give_up(&self, connection: &Connection, fault: RedisError) {
        self.set_proven(0);
        self.shared.supervisor.report(connection.generation, fault);
    }

    /// Collects wishes until the caller, which watches the state, ends this.
    async fn until_replaced(&mut self) -> bool {
        while let Some(wish) = self.wishes.recv().await {
            self.postpone(wish);
        }
        true
    }

    async fn resubscribe(&mut self, connection: &Connection) -> Result<()> {
        let mut channels = vec![self.proof.channel.clone()];
        channels.extend(self.wanted.iter().cloned());
        for batch in channels.chunks(CHANNELS_AT_ONCE) {
            self.subscribe(connection, batch).await?;
        }
        Ok(())
    }

    /// Grants a wish together with all others that wait, so that a crowd costs few round trips.
    async fn grant(&mut self, connection: &Connection, first: Wish) -> Result<()> {
        let mut next = Some(first);
        let mut added = Vec::new();
        let mut removed = HashMap::new();
        while let Some(wish) = next {
            let Wish { channel, wanted, done } = wish;
            if !wanted {
                added.retain(|added| *added != channel);
                self.waiters.remove(&channel);
                if self.wanted.remove(&channel) {
                    removed.insert(channel, done);
                } else {
                    let _ = done.send(Ok(()));
                }
            } else if self.wanted.contains(&channel) && !self.waiters.contains_key(&channel) {
                let _ = done.send(Ok(()));
            } else {
                if let Some(undone) = removed.remove(&channel) {
                    let _ = undone.send(Ok(()));
                }
                if !added.contains(&channel) {
                    added.push(channel.clone());
                }
                self.postpone(Wish { channel, wanted, done });
            }
            let room = added.len() + removed.len() < CHANNELS_AT_ONCE;
            next = if room { self.wishes.try_recv().ok() } else { None };
        }
        if !removed.is_empty() {
            let channels: Vec<Arc<str>> = removed.keys().cloned().collect();
            let ended = self.bounded(connection, connection.unsubscribe(&channels)).await;
            for done in removed.into_values() {
                // Without the connection the subscription is gone too.
                let _ = done.send(Ok(()));
            }
            ended?;
        }
        if !added.is_empty() {
            self.subscribe(connection, &added).await?;
        }
        Ok(())
    }

    /// Subscribes to channels and tells those who wait for them. An error means that the connection is of no use.
    async fn subscribe(&mut self, connection: &Connection, channels: &[Arc<str>]) -> Result<()> {
        match self.bounded(connection, connection.subscribe(channels)).await {
            Ok(()) => {
                for channel in channels {
                    self.tell(channel, &Ok(()));
                }
                Ok(())
            }
            // The server refuses all when it refuses one, so each is tried by itself.
            Err(RedisError::Reply { .. }) if channels.len() > 1 => {
                for channel in channels {
                    Box::pin(self.subscribe(connection, std::slice::from_ref(channel))).await?;
                }
                Ok(())
            }
            Err(fault @ RedisError::Reply { .. }) => {
                let [channel] = channels else { return Err(fault) };
                if *channel == self.proof.channel {
                    return Err(fault);
                }
                tracing::warn!(
                    link = &*self.label.link,
                    "Redis refuses the subscription to {channel}: {fault}. {}",
                    fault.remedy(self.label.variables)
                );
                self.wanted.remove(channel);
                self.tell(channel, &Err(fault));
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    fn tell(&mut self, channel: &Arc<str>, result: &Result<()>) {
        for waiter in self.waiters.remove(channel).unwrap_or_default() {
            let _ = waiter.send(result.clone());
        }
    }

    async fn bounded(&self, connection: &Connection, done: impl Future<Output = Result<()>>) -> Result<()> {
        let late = |_| RedisError::Silent { endpoint: connection.endpoint.clone(), limit: self.limit };
        timeout(self.limit, done).await.map_err(late)?
    }

    /// Takes note of a successful proof; the first on a connection ends the gap.
    fn resume(&self, connection: &Connection) {
        if self.shared.is_proven() {
            return;
        }
        self.shared.resubscriptions.fetch_add(1, Ordering::Relaxed);
        self.shared.queue.resumed(self.silent_since.elapsed());
        self.set_proven(connection.generation);
    }

    fn set_proven(&self, generation: u64) {
        if self.shared.proven.swap(generation, Ordering::Relaxed) != generation {
            self.label.changed();
        }
    }
}
