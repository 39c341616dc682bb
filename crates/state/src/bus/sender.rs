//! The one task that publishes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::outgoing::{Item, Outgoing};
use super::owed::{Remedy, resync};
use crate::exchange::Exchange;
use crate::redis::{Batch, RedisError, Repeat, Result, Role, cmd};

/// Time between two looks whether what is owed can be sent.
const OWED_EVERY: Duration = Duration::from_millis(500);
/// Messages of what is owed that are published in one round trip.
const OWED_AT_ONCE: usize = 128;

/// Publishes until the queue is closed and empty, or the node has no links any more.
pub(super) async fn run(outgoing: Arc<Outgoing>, bus: Weak<Inner>, exchange: Exchange) {
    let mut sender = Sender { outgoing, bus, exchange, failing: None };
    let mut next_look = Instant::now();
    loop {
        let work = tokio::select! {
            work = sender.outgoing.next() => Some(work),
            () = sleep_until(next_look), if sender.outgoing.owes() => None,
        };
        if Instant::now() >= next_look && sender.outgoing.owes() {
            next_look = Instant::now() + OWED_EVERY;
            if sender.make_good().await == Err(RedisError::ShutDown) {
                return;
            }
        }
        let Some(work) = work else { continue };
        if !work.expired.is_empty() {
            sender.lose(work.expired, &RedisError::NotYet);
        }
        let ended = work.closed && work.batch.is_empty();
        if ended || (!work.batch.is_empty() && sender.send(work.batch).await == Err(RedisError::ShutDown)) {
            return;
        }
    }
}

struct Sender {
    outgoing: Arc<Outgoing>,
    bus: Weak<Inner>,
    exchange: Exchange,
    /// Since when, and how many messages were lost, while nothing can be published.
    failing: Option<(Instant, usize)>,
}

impl Sender {
    /// Publishes in one round trip. What is lost is noted as owed.
    async fn send(&mut self, items: Vec<Item>) -> Result<()> {
        let repeat = if items.iter().any(|item| item.reply.is_some()) {
            Repeat::Once
        } else {
            // Lost is worse than doubled: events name what they are about, and pages take them twice without harm.
            Repeat::Idempotent
        };
        match self.publish(repeat, &items).await {
            Ok(subscriptions) => {
                if let Some(bus) = self.bus.upgrade() {
                    bus.counters.published.fetch_add(items.len() as u64, Ordering::Relaxed);
                }
                for (item, subscriptions) in items.into_iter().zip(subscriptions) {
                    if let Some(reply) = item.reply {
                        let _ = reply.send(subscriptions);
                    }
                }
                self.works();
                Ok(())
            }
            Err(error) => {
                self.lose(items, &error);
                Err(error)
            }
        }
    }

    async fn publish(&self, repeat: Repeat, items: &[Item]) -> Result<Vec<u64>> {
        // All of a node by way of one server: in a cluster messages through different ones overtake each other.
        let batch = items.iter().fold(Batch::new().by_way_of(self.exchange.node_id()), |batch, item| {
            batch.with(cmd("PUBLISH").arg(&item.channel).arg(&item.payload).take())
        });
        let sockets = self.exchange.connections()?.sockets().clone();
        sockets.batch(repeat, batch).await
    }

    /// Tells the rooms that missed something and sends commands again, once Redis is there.
    async fn make_good(&mut self) -> Result<()> {
        if !self.exchange.connections()?.sockets().is_up() {
            return Ok(());
        }
        let Some(bus) = self.bus.upgrade() else { return Ok(()) };
        let host_id = bus.inbox.get().map(|inbox| inbox.host_id().to_owned());
        let (commands, targets) = self.outgoing.take_owed().into_parts();
        let commands =
            commands.into_iter().map(|(channel, payload)| Item::new(channel, payload, Remedy::Again, None));
        let events = targets.into_iter().filter_map(|target| {
            let message = resync(target, host_id.clone())?;
            let payload = message.to_json().ok()?;
            Some(Item::new(bus.channels.of(&message), payload, Remedy::of(&message), None))
        });
        // First those who may leave a room by a command.
        let mut items: Vec<Item> = events.chain(commands).collect();
        drop(bus);
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(OWED_AT_ONCE));
            // On failure it is owed again, the rest too.
            let sent = self.send(items).await;
            items = rest;
            if let Err(error) = sent {
                self.lose(items, &error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn lose(&mut self, items: Vec<Item>, error: &RedisError) {
        if let Some(bus) = self.bus.upgrade() {
            bus.lost(items.len());
        }
        match &mut self.failing {
            Some((_, lost)) => *lost += items.len(),
            failing => {
                *failing = Some((Instant::now(), items.len()));
                if *error != RedisError::ShutDown {
                    tracing::warn!(
                        "Events cannot be published: {error}. Sockets of this node get them; those of other nodes are told to \
                         read again once they can. {}",
                        error.remedy(Role::Sockets.variables())
                    );
                }
            }
        }
        for item in items {
            self.outgoing.owe(item);
        }
    }

    fn works(&mut self) {
        if let Some((since, lost)) = self.failing.take() {
            tracing::info!(
                lost,
                "events are published again, after {:.1} s; the sockets that missed some are told to read again",
                since.elapsed().as_secs_f64()
            );
        }
    }
}
