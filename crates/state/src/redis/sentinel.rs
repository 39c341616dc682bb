//! Sentinels name the master: all of them are asked at the same time, so one that is dead or frozen costs nothing.
//!
//! One connection to each Sentinel carries its announcements (`+switch-master`) and, every second, the question for the
//! master, which is also the probe. The answer with the highest configuration epoch wins, among equal ones the one that most
//! Sentinels give. Sentinels that the others tell of are used only while none of the configured ones answers, so that the
//! number of connections stays the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::connection::{Connection, PROBE_LIMIT, Pushes};
use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::options::{Credentials, SentinelOptions};
use super::reply::{Code, checked};
use super::request::{Batch, Request};
use super::supervisor::{Destination, Label};

/// Time between two questions to a Sentinel that announces nothing.
const POLL: Duration = Duration::from_secs(1);
/// Announcements of a failover that can be heard; the question follows at once.
const CHANNELS: [&str; 3] = ["+switch-master", "+promoted-slave", "+failover-end"];
/// An answer older than this counts no more.
const STALE: Duration = Duration::from_secs(5);
/// Time without any configured Sentinel after which others are tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sentinels that are remembered beyond the configured ones.
const MAX_LEARNT: usize = 16;
/// Reports that wait to be looked at.
const REPORTS: usize = 64;

/// What one Sentinel said.
#[derive(Clone, Debug)]
enum Said {
    /// Where the master is, at which epoch, and which other Sentinels there are.
    Master { endpoint: Endpoint, epoch: u64, others: Vec<Endpoint> },
    /// It knows no master of that name, but these.
    Unknown { known: Vec<String> },
    /// Nothing, because of this.
    Nothing(RedisError),
}

#[derive(Debug)]
struct Report {
    from: Endpoint,
    said: Said,
}

/// Asks the Sentinels as long as it lives.
#[derive(Debug)]
pub(crate) struct Sentinels {
    destinations: watch::Receiver<Destination>,
    connected: watch::Receiver<Vec<Endpoint>>,
    hosts: Vec<Endpoint>,
    /// Ends the work when dropped.
    _tasks: JoinSet<()>,
}

impl Sentinels {
    /// Begins to ask and returns at once.
    pub(crate) fn start(label: Label, dialer: Dialer, options: SentinelOptions) -> Self {
        let (destinations, destination) = watch::channel(Err(RedisError::NotYet));
        let (connected, connections) = watch::channel(Vec::new());
        let hosts = options.hosts.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(Work::new(label, dialer, options, destinations, connected).run());
        Self { destinations: destination, connected: connections, hosts, _tasks: tasks }
    }

    /// Where the master is, as it changes.
    pub(crate) fn destinations(&self) -> watch::Receiver<Destination> {
        self.destinations.clone()
    }

    /// The Sentinels that a connection is kept to: the configured ones, and others only in need.
    pub(crate) fn expected(&self) -> BTreeMap<Endpoint, usize> {
        self.hosts.iter().chain(&*self.connected.borrow()).map(|endpoint| (endpoint.clone(), 1)).collect()
    }
}

struct Work {
    label: Label,
    dialer: Dialer,
    options: Arc<SentinelOptions>,
    destinations: watch::Sender<Destination>,
    /// Sentinels beyond the configured ones that are asked now.
    connected: watch::Sender<Vec<Endpoint>>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    heard: HashMap<Endpoint, (Instant, Said)>,
    learnt: HashSet<Endpoint>,
    sessions: JoinSet<()>,
    substitutes: JoinSet<()>,
    /// It was told that nobody names the master any more.
    silence_told: bool,
}

impl Work {
    fn new(
        label: Label,
        dialer: Dialer,
        options: SentinelOptions,
        destinations: watch::Sender<Destination>,
        connected: watch::Sender<Vec<Endpoint>>,
    ) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        Self {
            label,
            dialer,
            options: Arc::new(options),
            destinations,
            connected,
            reports,
            reporter,
            heard: HashMap::new(),
            learnt: HashSet::new(),
            sessions: JoinSet::new(),
            substitutes: JoinSet::new(),
            silence_told: false,
        }
    }

    async fn run(mut self) {
        for host in self.options.hosts.clone() {
            let session = self.session(host);
            self.sessions.spawn(session.run());
        }
        let mut answered = Instant::now();
        loop {
            match timeout(POLL, self.reports.recv()).await {
                Ok(Some(report)) => self.take(report),
                Ok(None) => return,
                Err(_) => {}
            }
            let now = Instant::now();
            self.heard.retain(|_, (at, _)| now.duration_since(*at) < STALE);
            let configured = |from: &Endpoint| self.options.hosts.contains(from);
            let alive = |said: &Said| !matches!(said, Said::Nothing(_));
            if self.heard.iter().any(|(from, (_, said))| configured(from) && alive(said)) {
                answered = now;
                self.dismiss_substitutes().await;
            } else if answered.elapsed() > PATIENCE {
                self.call_substitutes();
            }
            self.decide();
        }
    }

    fn session(&self, endpoint: Endpoint) -> Session {
        Session {
            endpoint,
            dialer: self.dialer.clone(),
            options: self.options.clone(),
            reporter: self.reporter.clone(),
        }
    }

    fn take(&mut self, report: Report) {
        if let Said::Master { others, .. } = &report.said {
            for other in others {
                if self.learnt.len() < MAX_LEARNT && !self.options.hosts.contains(other) {
                    self.learnt.insert(other.clone());
                }
            }
        }
        self.heard.insert(report.from, (Instant::now(), report.said));
    }

    fn call_substitutes(&mut self) {
        if !self.substitutes.is_empty() || self.learnt.is_empty() {
            return;
        }
        let substitutes: Vec<Endpoint> = self.learnt.iter().cloned().collect();
        self.connected.send_replace(substitutes.clone());
        for endpoint in substitutes {
            let session = self.session(endpoint);
            self.substitutes.spawn(session.run());
        }
    }

    async fn dismiss_substitutes(&mut self) {
        if !self.substitutes.is_empty() {
            self.substitutes.shutdown().await;
            self.heard.retain(|from, _| self.options.hosts.contains(from));
            self.connected.send_replace(Vec::new());
        }
    }

    /// Works out the master from what was heard.
    fn decide(&mut self) {
        let mut votes: HashMap<(&Endpoint, u64), usize> = HashMap::new();
        for (_, said) in self.heard.values() {
            if let Said::Master { endpoint, epoch, .. } = said {
                *votes.entry((endpoint, *epoch)).or_default() += 1;
            }
        }
        let best = votes.into_iter().max_by_key(|((_, epoch), count)| (*epoch, *count));
        let decided = match best {
            Some(((endpoint, _), _)) => Ok(endpoint.clone()),
            None => Err(self.why_not()),
        };
        self.tell(decided);
    }

    fn why_not(&self) -> RedisError {
        let mut last = RedisError::NotYet;
        for (_, said) in self.heard.values() {
            match said {
                Said::Unknown { known } => {
                    return RedisError::UnknownMaster {
                        name: self.options.master.clone(),
                        known: known.clone().into(),
                    };
                }
                // One that needs the operator says more than one that is away.
                Said::Nothing(fault) if !last.needs_operator() => last = fault.clone(),
                Said::Nothing(_) | Said::Master { .. } => {}
            }
        }
        if last == RedisError::NotYet {
            return last;
        }
        RedisError::NoSentinel { count: self.options.hosts.len(), last: Box::new(last) }
    }

    fn tell(&mut self, decided: Destination) {
        let silence_told = std::mem::replace(&mut self.silence_told, decided.is_err());
        let old = self.destinations.borrow().clone();
        if old == decided {
            if silence_told {
                tracing::info!(link = &*self.label.link, "The Sentinels are back.");
            }
            return;
        }
        match (&old, &decided) {
            (Ok(_), Ok(endpoint)) => {
                tracing::info!(link = &*self.label.link, %endpoint, "The Sentinels name a new master.");
            }
            // The connection to the master is kept while nobody names another.
            (Ok(_), Err(fault)) if !silence_told => tracing::warn!(
                link = &*self.label.link,
                "{fault}; the last known master is kept. {}",
                fault.remedy(self.label.variables)
            ),
            _ => {}
        }
        // An unknown master stays unknown through the silence of Sentinels, but a known one stays known.
        if decided.is_ok() || old.is_err() {
            self.destinations.send_modify(|destination| *destination = decided);
            self.label.changed();
        }
    }
}

/// One Sentinel, asked for ever.
struct Session {
    endpoint: Endpoint,
    dialer: Dialer,
    options: Arc<SentinelOptions>,
    reporter: mpsc::Sender<Report>,
}

impl Session {
    async fn run(self) {
        let mut backoff = Backoff::new();
        let mut generation = 0;
        loop {
            generation += 1;
            let announced = Arc::new(Notify::new());
            match self.open(generation, announced.clone()).await {
                Ok(connection) => {
                    backoff.reset();
                    let fault = self.converse(&connection, &announced).await;
                    connection.close().await;
                    self.report(Said::Nothing(fault)).await;
                }
                Err(fault) => self.report(Said::Nothing(fault)).await,
            }
            sleep(backoff.pause()).await;
        }
    }

    async fn report(&self, said: Said) {
        let _ = self.reporter.send(Report { from: self.endpoint.clone(), said }).await;
    }

    async fn open(&self, generation: u64, announced: Arc<Notify>) -> Result<Connection> {
        let limit = self.dialer.connect_timeout;
        let opening = async {
            let dialled = match self.dialer.dial(&self.endpoint).await {
                // The credentials are those of the servers; a Sentinel without any does not know them.
                Err(RedisError::Reply { code: Code::WrongPass, .. }) if self.options.borrowed_credentials => {
                    let dialer = Dialer { credentials: Credentials::default(), ..self.dialer.clone() };
                    dialer.dial(&self.endpoint).await?
                }
                dialled => dialled?,
            };
            let pushes: Pushes = Arc::new(move |push: PushInfo| {
                if push.kind == PushKind::Message {
                    announced.notify_one();
                }
            });
            let connection = Connection::new(dialled, generation, Some(pushes)).await?;
            let channels = CHANNELS.map(Arc::from);
            match connection.subscribe(&channels).await {
                // The questions are enough where listening is not allowed.
                Err(RedisError::Reply { code: Code::NoPerm, .. }) | Ok(()) => Ok(connection),
                Err(fault) => Err(fault),
            }
        };
        let late = |_| RedisError::ConnectTimeout { endpoint: self.endpoint.clone(), limit };
        timeout(limit, opening).await.map_err(late)?
    }

    /// Asks every second, and at once after an announcement, until the Sentinel falls silent.
    async fn converse(&self, connection: &Connection, announced: &Notify) -> RedisError {
        loop {
            match timeout(PROBE_LIMIT, self.question(connection)).await {
                Ok(Ok(said)) => self.report(said).await,
                Ok(Err(fault)) => return fault,
                Err(_) => {
                    return RedisError::Silent { endpoint: self.endpoint.clone(), limit: PROBE_LIMIT };
                }
            }
            tokio::select! {
                () = sleep(POLL) => {}
                () = announced.notified() => {}
                fault = connection.watch() => return fault,
            }
        }
    }

    async fn question(&self, connection: &Connection) -> Result<Said> {
        let name = &*self.options.master;
        let ask = |word: &str| redis::cmd("SENTINEL").arg(word).arg(name).take();
        let questions = Batch::new()
            .with(ask("GET-MASTER-ADDR-BY-NAME"))
            .with(ask("MASTER"))
            .with(ask("SENTINELS"))
            .with(redis::cmd("SENTINEL").arg("MASTERS").take());
        let mut replies = connection.send(&Request::batch(questions)).await?.into_iter();
        let mut next = || checked(replies.next().unwrap_or_default(), &connection.endpoint);
        let address = next()?;
        // What a user is not allowed to ask is done without, and a name that is not known is an error.
        let facts = next().map(table).unwrap_or_default();
        let others = next().map_or_else(
            |_| Vec::new(),
            |list| tables(list).filter_map(|table| address_of(&table)).collect(),
        );
        let known = next().map_or_else(
            |_| Vec::new(),
            |list| tables(list).filter_map(|mut table| table.remove("name")).collect(),
        );
        let Ok((host, port)) = <(String, u16)>::from_redis_value(address) else {
            return Ok(Said::Unknown { known });
        };
        let epoch = facts.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        Ok(Said::Master { endpoint: Endpoint::new(&host, port), epoch, others })
    }
}

fn tables(list: Value) -> impl Iterator<Item = HashMap<String, String>> {
    let list = match list {
        Value::Array(list) => list,
        _ => Vec::new(),
    };
    list.into_iter().map(table)
}

fn table(facts: Value) -> HashMap<String, String> {
    HashMap::from_redis_value(facts).unwrap_or_default()
}

fn address_of(table: &HashMap<String, String>) -> Option<Endpoint> {
    Some(Endpoint::new(table.get("ip")?, table.get("port")?.parse().ok()?))
}
