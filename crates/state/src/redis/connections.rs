//! Everything a node has to do with Redis, made from its options.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::watch;
use uuid::Uuid;

use super::dial::{Dialer, Peer};
use super::endpoint::Endpoint;
use super::error::Result;
use super::events::Events;
use super::keys;
use super::ledger::Ledger;
use super::link::Redis;
use super::options::{NodeOptions, Reach, RedisOptions};
use super::route::{Route, Single};
use super::status::{LinkStatus, Status, Totals};
use super::subscription::{self, Parts, Subscriber};
use super::supervisor::{Destination, Label, Supervisor};
use super::tls;

/// The links and the subscription of one node. Dropping it, and every clone of its links, closes all connections.
#[derive(Debug)]
pub struct Connections {
    main: Redis,
    sockets: Redis,
    subscriber: Subscriber,
    options: NodeOptions,
    ledger: Ledger,
    changes: Arc<watch::Sender<u64>>,
}

/// Makes the links of one node.
struct Builder {
    ledger: Ledger,
    changes: Arc<watch::Sender<u64>>,
}

/// The way to one role's servers.
struct Way {
    dialer: Dialer,
    label: Label,
    destinations: watch::Receiver<Destination>,
    keep: Option<watch::Sender<Destination>>,
}

impl Connections {
    /// Begins to connect and returns at once, whether Redis is there or not. Must be called inside of a Tokio runtime.
    ///
    /// An error means a file for TLS that cannot be used.
    pub fn start(options: NodeOptions) -> Result<(Self, Events)> {
        let changes = Arc::new(watch::channel(0).0);
        let builder = Builder { ledger: Ledger::default(), changes: changes.clone() };
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
        let connections = Self { main, sockets, subscriber, options, ledger: builder.ledger, changes };
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
        let sockets = self.options.sockets.role.variables();
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
    fn way(&self, options: &RedisOptions) -> Result<Way> {
        let role = options.role;
        let label = Label {
            link: role.to_string().into(),
            variables: role.variables(),
            changes: self.changes.clone(),
        };
        let tls = options.tls.as_ref().map(tls::client_config).transpose()?;
        let dialer = self.dialer(options, tls);
        let endpoint = match &options.reach {
            Reach::Standalone(endpoint) | Reach::Cluster(endpoint) => endpoint.clone(),
            Reach::Sentinel(sentinel) => sentinel.hosts[0].clone(),
        };
        let (keep, destinations) = watch::channel(Ok(endpoint));
        Ok(Way { dialer, label, destinations, keep: Some(keep) })
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
        let supervisor =
            Supervisor::start(self.label.clone(), self.dialer.clone(), self.destinations.clone(), None);
        let single = Single { supervisor: Arc::new(supervisor), _destination: self.keep.clone() };
        Redis::new(Route::Single(single), options)
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
        subscription::start(parts, |pushes| Supervisor::start(label, dialer, self.destinations, Some(pushes)))
    }
}
