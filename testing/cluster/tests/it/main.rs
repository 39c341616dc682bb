//! The rig against the real servers that it starts.

#![cfg(test)]

mod balancer;
mod cluster;
mod failover;
mod failures;
mod fleet;
mod program;
mod proxy;
mod sentinel;
mod standalone;
mod variables;
mod versions;

use antiphon_cluster::{Kind, Options, Rig};
use std::time::{Duration, Instant};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts a rig and prints how long that took.
async fn start(kind: Kind, tls: bool) -> Rig {
    start_with(Options { tls, ..Options::new(kind) }).await
}

async fn start_with(options: Options) -> Rig {
    let begin = Instant::now();
    let rig = Rig::with(options).await.expect("the rig starts");
    println!("{:?} tls={} started in {:?}", rig.options().kind, rig.options().tls, begin.elapsed());
    rig
}
