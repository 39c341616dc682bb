//! Everything a node has to do with Redis, made from its options.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::watch;
use uuid::Uuid;

use super::cluster::Cluster;
use super::dial::{Dialer, Peer};
use super::endpoint::Endpoint;
use super::error::Result;
use super::events::Events;
use super::keys;
use super::ledger::Ledger;
use super::link::Redis;
use super::options::{NodeOptions, Reach, RedisOptions, SentinelOptions};
use super::route::{Route, Single, Source};
use super::sentinel::Sentinels;
use super::status::{LinkStatus, Status, Totals};
use super::subscription::{self, Parts, Subscriber};
use super::supervisor::{Label, Supervisor};
use super::tls;

/// The links and the subscription of one node. Dropping it, and every clone of its links, closes all connections.
#[derive(Debug)]
pub struct Connections {
    main: Redis,
    sockets: Redis,
    subscriber: Subscriber,
    /// The Sentinels that are asked, each list once.
    sentinels: Vec<Arc<Sentinels>>,
    options: NodeOptions,
    ledger: Ledger,
    changes: Arc<watch::Sender<u64>>,
}

/// Makes the links of one node.
struct Builder {
    ledger: Ledger,
    changes: Arc<watch::Sender<u64>>,
    sentinels: Vec<(SentinelOptions, Arc<Sentinels>)>,
}

/// The way to one role's servers.
struct Way {
    dialer: Dialer,
    label: Label,
    place: Place,
}

enum Place {
    One(Source),
    Cluster(Arc<Cluster>),
}

impl Connections {
    /// Begins to connect and returns at once, whether Redis is there or not. Must be called inside of a Tokio runtime.
    ///
    /// An error means a file for TLS that cannot be used.
    pub fn start(options: NodeOptions) -> Result<(Self, Events)> {
        let changes = Arc::new(watch::channel(0).0);
        let mut builder =
            Builder { ledger: Ledger::default(), changes: changes.clone(), sentinels: Vec::new() };
        let main_way = builder.way(&options.main)?;
        let main = main_way.link(&options.main);
        // The subscription lives where the sockets are; channels know no databases.
        let (sockets, way) = if options.shared() {
            (main.clone(), main_way)
        } else {
            let way = builder.way(&options.sockets)?;
            (way.link(&options.sockets), way)
        };
        let (subscriber, events) = way.subscription(&options.sockets, &sockets);
        let sentinels = builder.sentinels.into_iter().map(|(_, sentinels)| sentinels).collect();
        let ledger = builder.ledger;
        let connections = Self { main, sockets, subscriber, sentinels, options, ledger, changes };
        Ok((connections, events))
    }

    /// The link for accounts, tasks, limits and caches.
    pub fn main(&self) -> &Redis {
        &self.main
    }

    /// The link for live events and the state of sockets; the same as [`Self::main`] when nothing else is configured.
    pub fn sockets(&self) -> &Redis {
        &self.sockets
    }

    /// The subscription, at the servers of the sockets.
    pub fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    /// What was configured.
    pub fn options(&self) -> &NodeOptions {
        &self.options
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let main = self.options.main.role.variables();
        let sockets = if self.options.shared() { main } else { self.options.sockets.role.variables() };
        let mut links = vec![LinkStatus::new("main", self.main.fault(), main)];
        if !self.options.shared() {
            links.push(LinkStatus::new("sockets", self.sockets.fault(), sockets));
        }
        links.push(LinkStatus::new("subscription", self.subscriber.shared().fault(), sockets));
        Status { links }
    }

    /// Waits for changes of [`Self::status`]: the number changes with each.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many connections this node keeps to each server, at most 4; it changes only when masters do.
    pub fn expected_connections(&self) -> BTreeMap<Endpoint, usize> {
        let mut expected = self.main.route().expected();
        let mut add = |more: BTreeMap<Endpoint, usize>| {
            for (endpoint, count) in more {
                *expected.entry(endpoint).or_default() += count;
            }
        };
        if !self.options.shared() {
            add(self.sockets.route().expected());
        }
        for sentinels in &self.sentinels {
            add(sentinels.expected());
        }
        if let Some(endpoint) = self.subscriber.shared().supervisor.destination() {
            add(BTreeMap::from([(endpoint, 1)]));
        }
        expected
    }

    /// How many connections are open to each server, those that are being made included.
    pub fn open_connections(&self) -> BTreeMap<Endpoint, usize> {
        self.ledger.counts()
    }

    /// Counts since the start.
    pub fn totals(&self) -> Totals {
        let mut links = vec![&self.main];
        if !self.options.shared() {
            links.push(&self.sockets);
        }
        let shared = self.subscriber.shared();
        Totals::sum(&links, shared.supervisor.connects(), shared.resubscriptions(), shared.queue.left_out())
    }

    /// Lines for the log at the start: topology, addresses without secrets, number of connections.
    pub fn describe(&self) -> Vec<String> {
        super::status::describe(&self.options)
    }
}

impl Builder {
    fn way(&mut self, options: &RedisOptions) -> Result<Way> {
        let role = options.role;
        let label = Label {
            link: role.to_string().into(),
            variables: role.variables(),
            changes: self.changes.clone(),
        };
        let tls = options.tls.as_ref().map(tls::client_config).transpose()?;
        let dialer = self.dialer(options, tls);
        let place = match &options.reach {
            Reach::Standalone(endpoint) => Place::One(Source::fixed(endpoint.clone())),
            Reach::Sentinel(sentinel) => {
                Place::One(Source::Sentinels(self.sentinels(options, sentinel, &label)?))
            }
            Reach::Cluster(seed) => {
                Place::Cluster(Arc::new(Cluster::start(label.clone(), dialer.clone(), seed.clone())))
            }
        };
        Ok(Way { dialer, label, place })
    }

    /// Those who ask the Sentinels; the same for both roles when they ask for the same.
    fn sentinels(
        &mut self,
        options: &RedisOptions,
        sentinel: &SentinelOptions,
        label: &Label,
    ) -> Result<Arc<Sentinels>> {
        if let Some((_, sentinels)) = self.sentinels.iter().find(|(known, _)| known == sentinel) {
            return Ok(sentinels.clone());
        }
        let tls = sentinel.tls.as_ref().map(tls::client_config).transpose()?;
        let dialer = Dialer {
            peer: Peer::Sentinel,
            credentials: sentinel.credentials.clone(),
            database: 0,
            name: "antiphon-watch".into(),
            ..self.dialer(options, tls)
        };
        let sentinels = Arc::new(Sentinels::start(label.clone(), dialer, sentinel.clone()));
        self.sentinels.push((sentinel.clone(), sentinels.clone()));
        Ok(sentinels)
    }

    fn dialer(&self, options: &RedisOptions, tls: Option<Arc<ClientConfig>>) -> Dialer {
        Dialer {
            peer: Peer::Master,
            tls,
            credentials: options.credentials.clone(),
            database: options.database,
            keepalive: options.keepalive,
            connect_timeout: options.connect_timeout,
            user_timeout: options.command_timeout,
            name: format!("antiphon-{}", options.role).into(),
            ledger: self.ledger.clone(),
        }
    }
}

impl Way {
    fn link(&self, options: &RedisOptions) -> Redis {
        let route = match &self.place {
            Place::Cluster(cluster) => Route::Cluster(cluster.clone()),
            Place::One(source) => {
                let (label, dialer) = (self.label.clone(), self.dialer.clone());
                let supervisor = Supervisor::start(label, dialer, source.destinations(), None);
                Route::Single(Single { supervisor: Arc::new(supervisor), _source: source.clone() })
            }
        };
        Redis::new(route, options)
    }

    fn subscription(self, options: &RedisOptions, commands: &Redis) -> (Subscriber, Events) {
        let label = Label { link: "subscription".into(), ..self.label };
        let parts = Parts {
            label: label.clone(),
            nonce_channel: keys::nonce_channel(options, &Uuid::new_v4().simple().to_string()),
            commands: commands.clone(),
            limit: options.command_timeout,
        };
        let dialer = Dialer { name: "antiphon-subscription".into(), ..self.dialer };
        let destinations = match &self.place {
            Place::One(source) => source.destinations(),
            Place::Cluster(cluster) => cluster.subscription_place(),
        };
        subscription::start(parts, |pushes| Supervisor::start(label, dialer, destinations, Some(pushes)))
    }
}
