//! What the nodes of a fleet tell each other: who listens on which channel, and the names of keys and channels.
//!
//! One subscription serves the whole node; [`Exchange::run`] hands its messages to those who listen. After every gap each
//! of them hears [`Listener::resumed`], and reads again what it mirrors: messages are only the fast way, never the truth.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use redis::FromRedisValue;
use uuid::Uuid;

use crate::redis::{Connections, Event, Events, RedisError, Repeat, Result, Script, prefix};

/// Somebody to whom messages of other nodes are handed.
///
/// Both calls come from one task, in order. They must not wait: work that does is spawned.
pub trait Listener: Send + Sync + 'static {
    /// A message on a channel that this listener has.
    fn message(&self, channel: &str, payload: &[u8]);

    /// Messages may have been missed during `gap`, which is over. Comes once at the start, too.
    fn resumed(&self, gap: Duration);
}

/// The node's place in its fleet. Clones share it. Does not keep the connections open.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

/// An exchange that is not kept: what a [`Listener`] holds that the exchange itself holds.
#[derive(Clone)]
pub(crate) struct WeakExchange(Weak<Inner>);

impl WeakExchange {
    /// The exchange, while somebody else has it.
    pub(crate) fn upgrade(&self) -> Option<Exchange> {
        self.0.upgrade().map(|inner| Exchange { inner })
    }
}

struct Inner {
    connections: Weak<Connections>,
    node_id: Arc<str>,
    keys: String,
    socket_keys: String,
    channels: String,
    named: RwLock<HashMap<Arc<str>, Arc<dyn Listener>>>,
    /// Gets what is on no named channel: the rooms of sockets come and go.
    rest: RwLock<Option<Arc<dyn Listener>>>,
}

impl Exchange {
    /// The exchange of a node that reaches Redis by these connections; the id of the node is fresh.
    pub fn new(connections: &Arc<Connections>) -> Self {
        let options = connections.options();
        Self {
            inner: Arc::new(Inner {
                connections: Arc::downgrade(connections),
                node_id: Uuid::new_v4().simple().to_string().into(),
                keys: prefix(&options.main),
                socket_keys: prefix(&options.sockets),
                channels: options.sockets.prefix.to_string(),
                named: RwLock::default(),
                rest: RwLock::default(),
            }),
        }
    }

    /// Hands out what comes from the subscription, until that ends.
    pub async fn run(&self, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::Message { channel, payload } => {
                    let named = self.inner.named.read().get(&channel).cloned();
                    let listener = named.or_else(|| self.inner.rest.read().clone());
                    if let Some(listener) = listener {
                        listener.message(&channel, &payload);
                    }
                }
                Event::Resumed { gap } => {
                    let named: Vec<_> = self.inner.named.read().values().cloned().collect();
                    let rest = self.inner.rest.read().clone();
                    named.into_iter().chain(rest).for_each(|listener| listener.resumed(gap));
                }
            }
        }
    }

    /// Gives the messages of a channel to a listener, from the moment at which this returns.
    ///
    /// While the subscription does not work this does not wait for it: the channel stays wanted, and
    /// [`Listener::resumed`] tells when it is heard.
    pub async fn listen(&self, channel: &str, listener: Arc<dyn Listener>) {
        let channel: Arc<str> = channel.into();
        self.inner.named.write().insert(channel.clone(), listener);
        let Ok(connections) = self.connections() else { return };
        let subscriber = connections.subscriber().clone();
        let works = subscriber.is_proven();
        let subscribing = tokio::spawn(async move {
            if let Err(error) = subscriber.subscribe(&channel).await {
                tracing::debug!(channel = &*channel, %error, "the channel is not heard yet");
            }
        });
        if works {
            // It ends within the bound of a command, and cannot fail to be joined but by a panic.
            let _ = subscribing.await;
        }
    }

    /// Gives the messages of all other channels to a listener, which subscribes to them itself.
    pub fn listen_to_the_rest(&self, listener: Arc<dyn Listener>) {
        *self.inner.rest.write() = Some(listener);
    }

    /// This exchange, for a listener of its own.
    pub(crate) fn downgrade(&self) -> WeakExchange {
        WeakExchange(Arc::downgrade(&self.inner))
    }

    /// The id of this node, 32 hexadecimal digits: another one after each start.
    pub fn node_id(&self) -> &Arc<str> {
        &self.inner.node_id
    }

    /// The connections, while the node has them.
    pub fn connections(&self) -> Result<Arc<Connections>> {
        self.inner.connections.upgrade().ok_or(RedisError::ShutDown)
    }

    /// Whether other nodes cannot be heard or told now, or not for sure.
    pub fn is_cut_off(&self) -> bool {
        !self.connections().is_ok_and(|connections| connections.status().is_ready())
    }

    /// `{prefix}:{name}`, a key at the main servers; in a cluster all of them share one slot.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.inner.keys)
    }

    /// `{prefix}:{name}`, a key at the servers of the sockets; in a cluster all of them share one slot.
    pub fn socket_key(&self, name: &str) -> String {
        format!("{}:{name}", self.inner.socket_keys)
    }

    /// `{prefix}:{name}`, a channel: never with a tag, so that those of a cluster spread.
    pub fn channel(&self, name: &str) -> String {
        format!("{}:{name}", self.inner.channels)
    }

    /// `{prefix}:antiphon:{id}:{name}`, a key of the node with this id at the servers of the sockets. In a cluster those of one
    /// node share a slot, which is not that of the others.
    pub fn key_of_node(&self, node_id: &str, name: &str) -> String {
        // A prefix with braces of its own is the tag; then all share one slot, which is right too.
        format!("{}:antiphon:{{{node_id}}}:{name}", self.inner.channels)
    }

    /// Publishes on a channel, once more if the connection breaks meanwhile.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<u64> {
        self.connections()?.sockets().publish(Repeat::Idempotent, channel, payload).await
    }

    /// Carries out a script at the main servers.
    pub async fn script<T: FromRedisValue>(
        &self,
        repeat: Repeat,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T> {
        self.connections()?.main().script(repeat, script, keys, arguments).await
    }

    /// The same at the servers of the sockets.
    pub(crate) async fn socket_script<T: FromRedisValue>(
        &self,
        repeat: Repeat,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T> {
        self.connections()?.sockets().script(repeat, script, keys, arguments).await
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("node_id", &self.inner.node_id).finish_non_exhaustive()
    }
}
