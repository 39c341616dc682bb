//! The one task that publishes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::Cmd;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::outgoing::{Item, Outgoing};
use super::owed::{Remedy, resync};
use super::parts::Part;
use super::{Inner, LogWrite};
use crate::exchange::Exchange;
use crate::redis::{Batch, RedisError, Repeat, Result, Role, cmd};

/// Time between two looks whether what is owed can be sent.
const OWED_EVERY: Duration = Duration::from_millis(500);
/// Messages of what is owed that are published in one round trip.
const OWED_AT_ONCE: usize = 128;
/// Parts of one event that are published in one round trip: at most 1 MiB.
const PARTS_AT_ONCE: usize = 4;
/// Pause after these. Redis answers whether subscribers have read or not, so this is their time to: for each node that sends, some
/// 100 MiB a second.
const BETWEEN_PARTS: Duration = Duration::from_millis(5);
/// Time in which all parts of an event have to be published. Those who put them together wait for longer.
const ALL_PARTS_WITHIN: Duration = Duration::from_secs(15);

/// Publishes until the queue is closed and empty, or the node has no links any more.
pub(super) async fn run(outgoing: Arc<Outgoing>, bus: Weak<Inner>, exchange: Exchange) {
    let way = exchange.key_of_node(exchange.node_id(), "");
    let mut sender = Sender { outgoing, bus, exchange, way, in_parts: 0, failing: None };
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
    /// A key of this node: all goes by way of the server that has it.
    way: String,
    /// Events that were sent in parts.
    in_parts: u64,
    /// Since when, and how many messages were lost, while nothing can be published.
    failing: Option<(Instant, usize)>,
}

impl Sender {
    /// Publishes in one round trip. What is lost is noted as owed.
    async fn send(&mut self, items: Vec<Item>) -> Result<()> {
        let in_parts = items.iter().any(|item| item.in_parts);
        let repeat = if items.iter().any(|item| item.reply.is_some()) {
            Repeat::Once
        } else {
            // Lost is worse than doubled: events name what they are about, and pages take them twice without harm.
            Repeat::Idempotent
        };
        let published = match items.as_slice() {
            // It comes alone.
            [item] if in_parts => self.publish_in_parts(repeat, item).await,
            items => self.publish(repeat, items).await,
        };
        match published {
            Ok(numbers) => {
                let events = items.iter().filter(|item| item.log.is_none()).count();
                if let Some(bus) = self.bus.upgrade() {
                    bus.counters.published.fetch_add(events as u64, Ordering::Relaxed);
                    bus.counters.commands.fetch_add(numbers.len() as u64, Ordering::Relaxed);
                }
                // A call goes alone.
                if let Some(reply) = items.into_iter().find_map(|item| item.reply) {
                    let _ = reply.send(numbers.last().copied().unwrap_or_default());
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

    /// Carries out all in one round trip. Gives the reply of each command; of a `PUBLISH`, how many subscriptions it reached.
    async fn publish(&self, repeat: Repeat, items: &[Item]) -> Result<Vec<u64>> {
        let mut batch = self.batch();
        let mut commands = Vec::with_capacity(items.len());
        let mut rest = items;
        while let [item, following @ ..] = rest {
            rest = following;
            let command = match &item.log {
                Some(log) => {
                    // The event of an entry stands behind it; both are one command.
                    let event = following
                        .first()
                        .filter(|next| log.is_append() && next.log.is_none() && next.reply.is_none());
                    if event.is_some() {
                        rest = following.get(1..).unwrap_or_default();
                    }
                    log.command(event.map(|event| (event.channel.as_str(), event.payload.as_str())))
                }
                None => publication(&item.channel, &item.payload),
            };
            batch = batch.with(command);
            commands.push(item);
        }
        let numbers = self.carry_out(repeat, batch).await?;
        for (item, number) in commands.iter().zip(&numbers) {
            if let Some(log) = &item.log {
                log.written(*number);
            }
        }
        Ok(numbers)
    }

    /// Publishes an event in parts, a few in each round trip. Gives the reply of each command.
    async fn publish_in_parts(&mut self, repeat: Repeat, item: &Item) -> Result<Vec<u64>> {
        let host_id = self.bus.upgrade().and_then(|bus| Some(bus.inbox.get()?.host_id().to_owned()));
        let host_id = host_id.unwrap_or_else(|| self.exchange.node_id().to_string());
        self.in_parts += 1;
        let mut parts = Part::cut(&item.payload, self.in_parts, &item.remedy, &host_id);
        let end = Instant::now() + ALL_PARTS_WITHIN;
        let mut numbers = Vec::new();
        loop {
            let mut batch = self.batch();
            let mut is_last = true;
            for part in parts.by_ref().take(PARTS_AT_ONCE) {
                is_last = part.index + 1 == part.count;
                let json =
                    part.to_json().map_err(|error| RedisError::Form { reason: error.to_string().into() })?;
                batch = batch.with(publication(&item.channel, &json));
            }
            let late = |_| RedisError::Timeout { limit: ALL_PARTS_WITHIN };
            numbers.extend(timeout_at(end, self.carry_out(repeat, batch)).await.map_err(late)??);
            if is_last {
                return Ok(numbers);
            }
            sleep(BETWEEN_PARTS).await;
        }
    }

    /// A batch by way of the node's server: in a cluster messages through different ones overtake each other.
    fn batch(&self) -> Batch {
        Batch::new().by_way_of(&self.way)
    }

    async fn carry_out(&self, repeat: Repeat, batch: Batch) -> Result<Vec<u64>> {
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
        let (logs, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.log.is_some());
        logs.iter().filter_map(|item| item.log.as_ref()).for_each(LogWrite::lost);
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

fn publication(channel: &str, payload: &str) -> Cmd {
    cmd("PUBLISH").arg(channel).arg(payload).take()
}
