//! Random failures for a long time, one after another: afterwards the node is as it was.

use super::failures::Patient;
use antiphon_cluster::{Failure, Kind};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngCore as _, SeedableRng as _};
use std::time::{Duration, Instant};

/// Growth of the node's memory that counts as flat, in bytes: buffers that were needed once stay.
const GROWTH: u64 = 24 << 20;

/// Tasks that may be under way at one moment and not at another.
const PASSING_TASKS: u64 = 8;

/// Failures that Redis did not take as it was told to, as a promotion for which Sentinels find no replica: one in so many.
const NOT_TAKEN: usize = 20;

/// Failures in each topology before memory and tasks are noted.
const WARMING_UP: usize = 3;

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the server")]
    std::env::var(name).ok()?.parse().ok()
}

async fn soak(kind: Kind, tls: bool) {
    let Some(seconds) = number("ANTIPHON_TEST_NODE_SOAK_SECONDS") else {
        println!(
            "SKIPPED: set ANTIPHON_TEST_NODE_SOAK_SECONDS for random failures over that time (make soak)"
        );
        return;
    };
    let seed = number("ANTIPHON_TEST_SEED").unwrap_or_else(|| rand::rng().next_u64());
    println!("{kind:?}, tls={tls}: ANTIPHON_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let patient = Patient::new(kind, tls).await;
    let failures = patient.failures();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut count, mut not_taken, mut before) = (0, 0, (0, 0));
    let mut last = Failure::ClientsKilled;
    while Instant::now() < end || count <= WARMING_UP {
        if count == WARMING_UP {
            before = (patient.node().memory().expect("a number"), patient.tasks(last).await);
        }
        last = *failures.choose(&mut random).expect("a failure");
        match patient.survives(last).await {
            Ok(()) => count += 1,
            Err(error) => {
                not_taken += 1;
                println!("NOT TAKEN {last}: {error}");
            }
        }
        assert!(not_taken <= 1 + count / NOT_TAKEN, "the rig fails, not the node");
    }
    let after = (patient.node().memory().expect("a number"), patient.tasks(last).await);
    println!(
        "SOAK {kind:?}, tls={tls}: {count} failures, {not_taken} not taken; memory {} to {} KiB, tasks {} to {}",
        before.0 / 1024,
        after.0 / 1024,
        before.1,
        after.1
    );
    assert!(after.0 <= before.0 + GROWTH, "memory");
    assert!(after.1 <= before.1 + PASSING_TASKS, "tasks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_a_standalone_server_stays_as_it_was() {
    soak(Kind::Standalone, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_sentinels_stays_as_it_was() {
    soak(Kind::Sentinel, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_a_cluster_stays_as_it_was() {
    soak(Kind::Cluster, false).await;
}
