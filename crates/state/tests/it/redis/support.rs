//! A node's links under load, and what is seen of them while something breaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig, Server, wait_until};
use antiphon_config::Environment;
use antiphon_state::Exchange;
use antiphon_state::redis::{Connections, Event, NodeOptions, RedisError, Repeat, cmd};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

/// Bound of everything that is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Time between two calls of the load.
const EVERY: Duration = Duration::from_millis(10);
/// Longest time that a call may take with the default limit of 5 s.
pub(crate) const LONGEST_CALL: Duration = Duration::from_millis(5500);
/// Channel of the load.
const CHANNEL: &str = "open-webui:load";

/// What came out of the subscription.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) messages: Vec<String>,
    pub(crate) resumed: usize,
}

/// The links of one node.
pub(crate) struct Links {
    pub(crate) connections: Arc<Connections>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// Options from variables as an operator sets them.
pub(crate) fn options<N: AsRef<str>, T: AsRef<str>>(variables: &[(N, T)]) -> NodeOptions {
    let pairs = variables.iter().map(|(name, text)| (name.as_ref(), text.as_ref()));
    let loaded = antiphon_config::load(&Environment::from_pairs(pairs)).expect("a configuration");
    NodeOptions::from_config(&loaded.config).expect("Redis is configured")
}

/// A node's place in a fleet at a rig, whether Redis is there or not, and the task that reads for it.
pub(crate) fn exchange(rig: &Rig, further: &[(&str, &str)]) -> (Arc<Connections>, Exchange, JoinHandle<()>) {
    let mut variables: Vec<(&str, String)> = rig.variables();
    variables.extend(further.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let (connections, events) = Connections::start(options(&variables)).expect("the links start");
    let connections = Arc::new(connections);
    let exchange = Exchange::new(&connections);
    let reader = exchange.clone();
    (connections, exchange, tokio::spawn(async move { reader.run(events).await }))
}

/// Whether a fault, or the one behind it, is this.
pub(crate) fn means(fault: &RedisError, expected: &impl Fn(&RedisError) -> bool) -> bool {
    let fault = fault.cause();
    let behind = match fault {
        RedisError::NoSentinel { last, .. } | RedisError::NoCluster { last } => expected(last),
        _ => false,
    };
    expected(fault) || behind
}

impl Links {
    /// Starts the links without waiting for them.
    pub(crate) fn start<N: AsRef<str>, T: AsRef<str>>(variables: &[(N, T)]) -> Self {
        let (connections, mut events) = Connections::start(options(variables)).expect("the links start");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let sink = seen.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let mut seen = sink.lock();
                match event {
                    Event::Message { payload, .. } => {
                        seen.messages.push(String::from_utf8_lossy(&payload).into_owned());
                    }
                    Event::Resumed { .. } => seen.resumed += 1,
                }
            }
        });
        Self { connections: Arc::new(connections), seen }
    }

    /// Starts the links to a rig and waits until they work.
    pub(crate) async fn to(rig: &Rig) -> Self {
        let links = Self::start(&rig.variables());
        links.wait_ready("the start").await;
        links
    }

    /// Waits until every link works, and says how long that took.
    pub(crate) async fn wait_ready(&self, after: &str) -> Duration {
        let ready = async || self.connections.status().is_ready();
        match wait_until(&format!("the links work after {after}"), LIMIT, ready).await {
            Ok(took) => took,
            Err(error) => panic!("{error}: {:?}", self.connections.status()),
        }
    }

    /// Waits until a break is noticed.
    pub(crate) async fn wait_unready(&self, after: &str) -> Duration {
        let unready = async || !self.connections.status().is_ready();
        wait_until(&format!("{after} is noticed"), LIMIT, unready).await.expect("in time")
    }

    /// Waits until a fault of some link is this.
    pub(crate) async fn wait_fault(&self, what: &str, expected: impl Fn(&RedisError) -> bool) -> Duration {
        let seen = async || {
            self.connections
                .status()
                .links
                .iter()
                .filter_map(|link| link.fault.as_ref())
                .any(|fault| means(fault, &expected))
        };
        match wait_until(what, LIMIT, seen).await {
            Ok(took) => took,
            Err(error) => panic!("{error}: {:?}", self.connections.status()),
        }
    }

    /// Publishes one message and waits until it comes back.
    pub(crate) async fn round_trip(&self, text: &str) -> Duration {
        self.connections.subscriber().subscribe(CHANNEL).await.expect("subscribed");
        self.connections
            .sockets()
            .publish(Repeat::Idempotent, CHANNEL, text.as_bytes())
            .await
            .expect("published");
        let arrived = async || self.seen.lock().messages.iter().any(|message| message == text);
        wait_until(&format!("the message {text} arrives"), LIMIT, arrived).await.expect("in time")
    }

    /// Waits until each server has exactly the connections that the node says it keeps.
    pub(crate) async fn check_connections(&self, servers: &[&Server]) {
        for server in servers {
            // Asked for each time, because masters and Sentinels may still be changing.
            let expected = || -> usize {
                let all = self.connections.expected_connections();
                let here = all.iter().filter(|(endpoint, _)| endpoint.port == server.client_port());
                here.map(|(_, count)| count).sum()
            };
            let exact = async || server.connected_clients().await.is_ok_and(|clients| clients == expected());
            if let Err(error) = wait_until("the connections are exactly the expected", LIMIT, exact).await {
                panic!("{error}: {} to {}, but {:?}", expected(), server.name(), server.clients().await);
            }
            assert!(expected() <= 4, "{} connections to one server", expected());
        }
    }
}

/// Calls one after another, ten milliseconds apart, whether earlier ones have ended or not.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
    calls: Arc<Mutex<Vec<Call>>>,
    under_way: Arc<AtomicUsize>,
    overdrawn: Arc<Mutex<Option<String>>>,
}

/// One call that has ended.
#[derive(Debug)]
pub(crate) struct Call {
    begin: Instant,
    end: Instant,
    error: Option<RedisError>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) calls: usize,
    pub(crate) failed: Vec<RedisError>,
    /// Longest time without a successful call.
    pub(crate) gap: Duration,
    pub(crate) longest_call: Duration,
}

impl Load {
    /// Begins: idempotent calls to keys of this many hash tags in turn.
    pub(crate) fn start(links: &Links, tags: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let under_way = Arc::new(AtomicUsize::new(0));
        let overdrawn = Arc::new(Mutex::new(None));
        let (stopped, record, running) = (stop.clone(), calls.clone(), under_way.clone());
        let (connections, too_many) = (links.connections.clone(), overdrawn.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            for number in 0_usize.. {
                ticks.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // The links may move to another server between two looks: what counts is the larger of before and after.
                let before = connections.expected_connections();
                let all_open = connections.open_connections();
                let after = connections.expected_connections();
                let sum = |counts: &BTreeMap<_, usize>| counts.values().sum::<usize>();
                // A link that moves is at the new server already while it is still expected at the old one, but never at both.
                let all_in_all = sum(&all_open) <= sum(&before).max(sum(&after));
                for (endpoint, open) in all_open {
                    let of = |expected: &BTreeMap<_, _>| expected.get(&endpoint).copied().unwrap_or(1);
                    if open > of(&before).max(of(&after)) && !all_in_all && too_many.lock().is_none() {
                        *too_many.lock() =
                            Some(format!("{open} to {endpoint}, expected {before:?}, then {after:?}"));
                    }
                }
                let (main, record, running) = (connections.main().clone(), record.clone(), running.clone());
                running.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let key = format!("open-webui:load:{{{}}}", number % tags);
                    let begin = Instant::now();
                    let set = cmd("SET").arg(key).arg(number).take();
                    let error = main.command::<()>(Repeat::Idempotent, set).await.err();
                    record.lock().push(Call { begin, end: Instant::now(), error });
                    running.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { stop, task, calls, under_way, overdrawn }
    }

    /// Ends, waits for the calls under way, and says what came of all.
    pub(crate) async fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load ends");
        let idle = async || self.under_way.load(Ordering::Relaxed) == 0;
        wait_until("every call has ended", LONGEST_CALL, idle).await.expect("no call is pending for longer");
        let mut calls = std::mem::take(&mut *self.calls.lock());
        calls.sort_by_key(|call| call.end);
        let mut gap = Duration::ZERO;
        let mut last = calls.iter().map(|call| call.begin).min();
        for call in calls.iter().filter(|call| call.error.is_none()) {
            gap = gap.max(last.map_or(Duration::ZERO, |last| call.end - last));
            last = Some(call.end);
        }
        assert_eq!(*self.overdrawn.lock(), None, "more connections than the constant");
        let longest_call = calls.iter().map(|call| call.end - call.begin).max().unwrap_or_default();
        assert!(longest_call < LONGEST_CALL, "a call took {longest_call:?}");
        Report {
            calls: calls.len(),
            failed: calls.iter().filter_map(|call| call.error.clone()).collect(),
            gap,
            longest_call,
        }
    }
}

/// A topology as the table of failures names it.
pub(crate) fn name(kind: Kind, tls: bool) -> String {
    let name = match kind {
        Kind::Standalone => "standalone",
        Kind::Sentinel => "Sentinel",
        Kind::Cluster => "cluster",
    };
    if tls { format!("{name} with TLS") } else { name.to_owned() }
}

/// Prints one line of the table of failures.
pub(crate) fn tell(case: &str, recovery: Duration, report: Option<&Report>) {
    let calls = report.map_or(String::new(), |report| {
        format!(
            "; {} calls, {} failed, gap {:.2} s, longest call {:.2} s",
            report.calls,
            report.failed.len(),
            report.gap.as_secs_f64(),
            report.longest_call.as_secs_f64()
        )
    });
    println!("FAILURE {case}: recovered in {:.2} s{calls}", recovery.as_secs_f64());
}

/// Whether the slower breaks are run too.
pub(crate) fn all_failures() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the server")]
    std::env::var("ANTIPHON_TEST_FAILURES").is_ok_and(|value| value == "1")
}
