//! A cluster: which master owns which slot, one connection to each of them, and what redirections say.
//!
//! The map comes from `CLUSTER SLOTS`, which every version and every service knows. All masters are asked at the same time,
//! and the answer with the highest epoch wins, so that a frozen or cut-off node cannot mislead. It is asked for every few
//! seconds, at once after any fault, and several times a second while a master is away.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::seq::IndexedRandom;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::connection::Connection;
use super::dial::{Dialer, Peer};
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::route::Source;
use super::slot::Slot;
use super::slot_map::{SlotMap, View};
use super::supervisor::{Destination, GRACE, Label, Supervisor};

/// Time between two looks at a cluster in which all is well.
const REFRESH: Duration = Duration::from_secs(5);
/// The same while a master is away.
const REFRESH_WHILE_DOWN: Duration = Duration::from_millis(250);
/// Shortest time between two looks.
const REFRESH_AT_MOST: Duration = Duration::from_millis(50);
/// Bound of asking all masters.
const ASK_LIMIT: Duration = Duration::from_millis(500);
/// Nodes that are asked over a connection of their own when no master answers.
const MAX_STRANGERS: usize = 12;
/// A node that owns no slots but was named by a redirection keeps its connection for this long.
const LINGER: Duration = Duration::from_secs(10);
/// So long such a node may take to be reached.
const REACHED: Duration = Duration::from_secs(1);
/// So long the subscription keeps its place although that master has not been reached for the first time yet.
const FIRST_REACHED: Duration = Duration::from_millis(500);
/// Connections to nodes that one node keeps at most.
const MAX_NODES: usize = 1000;

/// A cluster. Dropping it closes all its connections.
#[derive(Debug)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    place: watch::Receiver<Destination>,
    /// Ends the work when dropped.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    label: Label,
    dialer: Dialer,
    seed: Endpoint,
    map: watch::Sender<Known>,
    nodes: Mutex<HashMap<Endpoint, Node>>,
    refresh: Notify,
}

/// What is known of the slots.
#[derive(Clone, Debug)]
struct Known {
    /// The map, once there was one.
    map: Option<Arc<SlotMap>>,
    /// Why there is none.
    fault: RedisError,
    since: Instant,
}

#[derive(Debug)]
struct Node {
    supervisor: Arc<Supervisor>,
    _source: Source,
    /// When a redirection named it last.
    named: Instant,
}

impl Cluster {
    /// Begins to look for the cluster and returns at once.
    pub(crate) fn start(label: Label, dialer: Dialer, seed: Endpoint) -> Self {
        let unknown = Known { map: None, fault: RedisError::NotYet, since: Instant::now() };
        let shared = Arc::new(Shared {
            label,
            // Replicas are of use too: they say who took over.
            dialer: Dialer { peer: Peer::Node, ..dialer },
            seed,
            map: watch::channel(unknown).0,
            nodes: Mutex::default(),
            refresh: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        let work = shared.clone();
        tasks.spawn(async move { work.run().await });
        let (sender, place) = watch::channel(Err(RedisError::NotYet));
        let work = shared.clone();
        tasks.spawn(async move { work.place_subscription(&sender).await });
        Self { shared, place, _tasks: tasks }
    }

    /// Has the slots looked up again, soon.
    pub(crate) fn refresh(&self) {
        self.shared.refresh.notify_one();
    }

    /// The master that owns a slot, waiting until one does; for no slot any master, preferably one that answers.
    pub(crate) async fn owner(
        &self,
        slot: Option<Slot>,
        near: Option<Slot>,
        deadline: Instant,
    ) -> Result<Arc<Supervisor>> {
        let mut known = self.shared.map.subscribe();
        loop {
            let (fault, since) = {
                let known = known.borrow_and_update();
                if let Some(map) = &known.map {
                    match slot {
                        None => return Ok(self.any(map, near)),
                        Some(slot) => match map.owner(slot) {
                            Some(endpoint) => return Ok(self.shared.add(endpoint)),
                            None => (RedisError::NoOwner { slot: slot.0 }, Instant::now()),
                        },
                    }
                } else {
                    (known.fault.clone(), known.since)
                }
            };
            let until = deadline.min(since + GRACE);
            if fault.needs_operator() || Instant::now() >= until {
                return Err(RedisError::Away { cause: Box::new(fault) });
            }
            self.refresh();
            match timeout_at(until, known.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(RedisError::ShutDown),
                Err(_) => return Err(RedisError::Away { cause: Box::new(fault) }),
            }
        }
    }

    /// The node of this address; a connection to it is made when there is none yet.
    pub(crate) fn node(&self, endpoint: &Endpoint) -> Result<Arc<Supervisor>> {
        self.shared.node(endpoint)
    }

    fn any(&self, map: &SlotMap, near: Option<Slot>) -> Arc<Supervisor> {
        let preferred = near.and_then(|slot| map.owner(slot)).map(|endpoint| self.shared.add(endpoint));
        if let Some(preferred) = preferred
            && preferred.current().is_some_and(|live| live.is_lively())
        {
            return preferred;
        }
        let masters = self.shared.supervisors(map);
        let answering: Vec<&Arc<Supervisor>> =
            masters.iter().filter(|master| master.current().is_some_and(|live| live.is_lively())).collect();
        let chosen = answering.choose(&mut rand::rng()).copied().or_else(|| masters.first());
        match chosen {
            Some(supervisor) => supervisor.clone(),
            // A map has at least one master.
            None => self.shared.add(&self.shared.seed),
        }
    }

    /// The supervisors of all masters that own slots.
    pub(crate) fn masters(&self) -> Vec<Arc<Supervisor>> {
        let map = self.shared.map.borrow().map.clone();
        map.map_or_else(Vec::new, |map| self.shared.supervisors(&map))
    }

    /// Why not all slots are served, if so.
    pub(crate) fn fault(&self) -> Option<RedisError> {
        let known = self.shared.map.borrow().clone();
        let Some(map) = known.map else { return Some(known.fault) };
        if let Some(slot) = map.first_without_owner() {
            return Some(RedisError::NoOwner { slot });
        }
        self.shared.supervisors(&map).iter().find_map(|master| master.fault())
    }

    /// How many connections are kept to each node.
    pub(crate) fn expected(&self) -> BTreeMap<Endpoint, usize> {
        self.shared.nodes.lock().keys().map(|endpoint| (endpoint.clone(), 1)).collect()
    }

    /// Where the subscription is to be: some master, the same one while it owns slots and answers.
    pub(crate) fn subscription_place(&self) -> watch::Receiver<Destination> {
        self.place.clone()
    }
}

impl Shared {
    async fn run(&self) {
        loop {
            let begin = Instant::now();
            match self.look().await {
                Ok(map) => self.apply(map),
                Err(fault) => self.none(&fault),
            }
            // Subscribed before the look, so that no loss falls in between.
            let mut changes = self.label.changes.subscribe();
            let whole = self.is_whole();
            let pause = if whole && !self.has_guests() { REFRESH } else { REFRESH_WHILE_DOWN };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.refresh.notified() => {}
                // A master that is lost has another one soon, also when no command is under way that would notice.
                () = self.until_broken(&mut changes), if whole => {}
            }
            sleep(REFRESH_AT_MOST.saturating_sub(begin.elapsed())).await;
        }
    }

    /// Waits until some master's connection is lost.
    async fn until_broken(&self, changes: &mut watch::Receiver<u64>) {
        while self.is_whole() {
            // The sender is this cluster's own, so it is never gone.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether there are connections to nodes that own no slots.
    fn has_guests(&self) -> bool {
        let map = self.map.borrow().map.clone();
        map.is_some_and(|map| self.nodes.lock().len() > map.masters().len())
    }

    fn is_whole(&self) -> bool {
        let Some(map) = self.map.borrow().map.clone() else { return false };
        map.first_without_owner().is_none()
            && self.supervisors(&map).iter().all(|master| master.current().is_some())
    }

    /// Asks the masters, and strangers when none of them answers.
    async fn look(&self) -> Result<SlotMap> {
        let connections: Vec<Arc<Connection>> = {
            let nodes = self.nodes.lock();
            nodes.values().filter_map(|node| node.supervisor.current()).collect()
        };
        let asked = connections.iter().map(|connection| timeout(ASK_LIMIT, View::ask(connection)));
        let views: Vec<View> = join_all(asked).await.into_iter().filter_map(|view| view.ok()?.ok()).collect();
        if let Some(map) = SlotMap::best(&views) {
            return Ok(map);
        }
        self.ask_strangers().await
    }

    /// Asks nodes that there is no connection to: all that were ever named, and the one that was configured.
    async fn ask_strangers(&self) -> Result<SlotMap> {
        let mut strangers = self.map.borrow().map.as_ref().map_or_else(Vec::new, |map| map.nodes().to_vec());
        strangers.push(self.seed.clone());
        let mut last = RedisError::NotYet;
        {
            // Those that a connection is kept to are called already, and will be asked as soon as they answer.
            let nodes = self.nodes.lock();
            strangers.retain(|stranger| !nodes.contains_key(stranger));
            if let Some(fault) = nodes.values().find_map(|node| node.supervisor.fault()) {
                last = fault;
            }
        }
        strangers.sort();
        strangers.dedup();
        strangers.truncate(MAX_STRANGERS);
        let mut asked = JoinSet::new();
        for stranger in strangers {
            let dialer = self.dialer.clone();
            asked.spawn(async move {
                let opening = async {
                    let connection = Connection::new(dialer.dial(&stranger).await?, 0, None).await?;
                    let view = View::ask(&connection).await;
                    connection.close().await;
                    view
                };
                let late = |_| RedisError::ConnectTimeout {
                    endpoint: stranger.clone(),
                    limit: dialer.connect_timeout,
                };
                timeout(dialer.connect_timeout, opening).await.map_err(late)?
            });
        }
        let mut views = Vec::new();
        // The first answer opens a short time for the others; those that are frozen are not waited for.
        let mut deadline = Instant::now() + self.dialer.connect_timeout;
        while let Ok(Some(answer)) = timeout_at(deadline, asked.join_next()).await {
            match answer {
                Ok(Ok(view)) => {
                    views.push(view);
                    deadline = deadline.min(Instant::now() + ASK_LIMIT);
                }
                Ok(Err(fault)) if !last.needs_operator() => last = fault,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        asked.shutdown().await;
        SlotMap::best(&views).ok_or_else(|| RedisError::NoCluster { last: Box::new(last) })
    }

    fn none(&self, fault: &RedisError) {
        let changed = self.map.send_if_modified(|known| {
            // A map that was right is better than none: nodes come back.
            let changed = known.map.is_none() && known.fault != *fault;
            if changed {
                known.fault = fault.clone();
            }
            changed
        });
        if changed {
            let remedy = fault.remedy(self.label.variables);
            tracing::warn!(link = &*self.label.link, "The cluster cannot be reached: {fault}. {remedy}");
            self.label.changed();
        }
    }

    fn apply(&self, map: SlotMap) {
        let masters = map.masters().to_vec();
        for master in &masters {
            self.add(master);
        }
        // A supervisor without its source ends, and calls that wait for it look for the new owner. Of the others only a master
        // that has no slots yet is of use: a replica sends everybody on, and who cannot be reached was named by mistake.
        self.nodes.lock().retain(|endpoint, node| {
            let reached = node.supervisor.current().is_some() || node.named.elapsed() < REACHED;
            masters.contains(endpoint)
                || (node.named.elapsed() < LINGER && reached && !map.nodes().contains(endpoint))
        });
        let changed = self.map.send_if_modified(|known| {
            let changed = known.map.as_deref() != Some(&map);
            if changed {
                known.map = Some(Arc::new(map));
            }
            changed
        });
        if changed {
            let names: Vec<String> = masters.iter().map(ToString::to_string).collect();
            tracing::info!(link = &*self.label.link, "The masters of the cluster are {}.", names.join(", "));
            self.label.changed();
        }
    }

    fn supervisors(&self, map: &SlotMap) -> Vec<Arc<Supervisor>> {
        let nodes = self.nodes.lock();
        map.masters()
            .iter()
            .filter_map(|master| nodes.get(master))
            .map(|node| node.supervisor.clone())
            .collect()
    }

    fn node(&self, endpoint: &Endpoint) -> Result<Arc<Supervisor>> {
        let full = {
            let nodes = self.nodes.lock();
            nodes.len() >= MAX_NODES && !nodes.contains_key(endpoint)
        };
        if full {
            return Err(RedisError::Overloaded { limit: MAX_NODES });
        }
        let supervisor = self.add(endpoint);
        if let Some(node) = self.nodes.lock().get_mut(endpoint) {
            node.named = Instant::now();
        }
        Ok(supervisor)
    }

    fn add(&self, endpoint: &Endpoint) -> Arc<Supervisor> {
        let mut nodes = self.nodes.lock();
        let node = nodes.entry(endpoint.clone()).or_insert_with(|| {
            let source = Source::fixed(endpoint.clone());
            let label =
                Label { link: format!("{} {endpoint}", self.label.link).into(), ..self.label.clone() };
            let supervisor = Supervisor::start(label, self.dialer.clone(), source.destinations(), None);
            // Long ago, so that it lingers only when a redirection names it.
            Node { supervisor: Arc::new(supervisor), _source: source, named: Instant::now() - LINGER }
        });
        node.supervisor.clone()
    }

    /// Chooses a place for the subscription whenever the present one is of no use.
    async fn place_subscription(&self, place: &watch::Sender<Destination>) {
        let mut known = self.map.subscribe();
        let mut status = self.label.changes.subscribe();
        let mut chosen = Instant::now();
        loop {
            let map = known.borrow_and_update().map.clone();
            status.mark_unchanged();
            let mut patience = None;
            if let Some(map) = map {
                let masters = self.supervisors(&map);
                let live: Vec<Endpoint> =
                    masters.iter().filter_map(|master| Some(master.current()?.endpoint.clone())).collect();
                let present = place.borrow().clone();
                // At the start no connection is there yet, and waiting for one would only cost time.
                let candidates = if present.is_err() && live.is_empty() { map.masters() } else { &live };
                let present = present.ok().filter(|present| map.masters().contains(present));
                let begins = present.as_ref().is_some_and(|present| is_first_called(&masters, present));
                if begins && chosen.elapsed() < FIRST_REACHED {
                    // The others were quicker by a moment; to follow them would be a loss of events for nothing.
                    patience = Some(chosen + FIRST_REACHED);
                } else if present.is_none_or(|present| !live.contains(&present))
                    && let Some(next) = candidates.choose(&mut rand::rng())
                {
                    chosen = Instant::now();
                    place.send_modify(|place| *place = Ok(next.clone()));
                }
            } else {
                let fault = known.borrow().fault.clone();
                place.send_if_modified(|place| {
                    let changed = place.as_ref().err() != Some(&fault);
                    if changed {
                        *place = Err(fault);
                    }
                    changed
                });
            }
            tokio::select! {
                changed = known.changed() => if changed.is_err() { return },
                changed = status.changed() => if changed.is_err() { return },
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {}
            }
        }
    }
}

/// Whether no attempt to reach this master has come to an end yet.
fn is_first_called(masters: &[Arc<Supervisor>], endpoint: &Endpoint) -> bool {
    masters.iter().any(|master| {
        master.destination().as_ref() == Some(endpoint) && master.fault() == Some(RedisError::NotYet)
    })
}
