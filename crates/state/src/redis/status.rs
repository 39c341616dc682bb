//! How the links stand, for readiness, metrics and the log.

use std::sync::atomic::Ordering;

use super::error::{RedisError, Variables};
use super::link::Redis;
use super::options::{NodeOptions, Reach, RedisOptions};

/// How one link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// `main`, `sockets` or `subscription`.
    pub name: &'static str,
    /// Why it does not work, if so.
    pub fault: Option<RedisError>,
    /// What the operator can do then.
    pub remedy: Option<String>,
}

impl LinkStatus {
    pub(crate) fn new(name: &'static str, fault: Option<RedisError>, variables: Variables) -> Self {
        let remedy = fault.as_ref().map(|fault| fault.remedy(variables));
        Self { name, fault, remedy }
    }
}

/// How all links of a node stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// One by one.
    pub links: Vec<LinkStatus>,
}

impl Status {
    /// Whether all of them work and the subscription is proven.
    pub fn is_ready(&self) -> bool {
        self.links.iter().all(|link| link.fault.is_none())
    }
}

/// Counts since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that were made.
    pub connects: u64,
    /// Calls that ended in an error.
    pub failed_calls: u64,
    /// Attempts that were repeated.
    pub repeated_attempts: u64,
    /// Times that the subscription began to work.
    pub resubscriptions: u64,
    /// Messages that were left out because nobody read them in time.
    pub left_out_messages: u64,
}

impl Totals {
    pub(crate) fn sum(
        links: &[&Redis],
        subscription_connects: u64,
        resubscriptions: u64,
        left_out: u64,
    ) -> Self {
        let mut totals = Self {
            connects: subscription_connects,
            resubscriptions,
            left_out_messages: left_out,
            ..Self::default()
        };
        for link in links {
            totals.connects += link.route().masters().iter().map(|master| master.connects()).sum::<u64>();
            totals.failed_calls += link.totals().failed.load(Ordering::Relaxed);
            totals.repeated_attempts += link.totals().repeated.load(Ordering::Relaxed);
        }
        totals
    }
}

/// Lines for the log at the start.
pub(crate) fn describe(options: &NodeOptions) -> Vec<String> {
    let shared = options.shared();
    let mut lines = vec![line(&options.main, if shared { "everything" } else { "the main role" })];
    if !shared {
        lines.push(line(&options.sockets, "sockets"));
    }
    let commands = if shared { 1 } else { 2 };
    let all = commands + 1;
    let kept = match (&options.sockets.reach, options.main.reach == options.sockets.reach) {
        (Reach::Cluster(_), true) => {
            format!("{commands} to each master, and 1 more to one of them for the subscription")
        }
        (Reach::Standalone(_), true) => format!("{all} to the server"),
        (Reach::Sentinel(_), true) => format!("{all} to the master, 1 to each Sentinel"),
        (_, false) => "1 for the main role, 2 for the sockets, and 1 to each Sentinel there is".to_owned(),
    };
    lines.push(format!("Redis connections of this node, whatever the number of users: {kept}."));
    lines
}

fn line(options: &RedisOptions, purpose: &str) -> String {
    let tls = if options.tls.is_some() { " with TLS" } else { "" };
    let database = options.database;
    match &options.reach {
        Reach::Standalone(endpoint) => {
            format!("Redis for {purpose}: standalone{tls} at {endpoint}, database {database}.")
        }
        Reach::Sentinel(sentinel) => {
            let hosts: Vec<String> = sentinel.hosts.iter().map(ToString::to_string).collect();
            format!(
                "Redis for {purpose}: master {}{tls}, database {database}, named by the Sentinels {}.",
                sentinel.master,
                hosts.join(", ")
            )
        }
        Reach::Cluster(endpoint) => format!("Redis for {purpose}: cluster{tls} by way of {endpoint}."),
    }
}
