//! Attempts that are counted by all nodes together.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig};
use antiphon_state::limits::{Decision, RateLimit, SIGN_IN};
use antiphon_state::{Clock, Limits};

use crate::presence::support::{Member, members, soon};

/// The bound of a count, and some time for a busy machine.
const BOUND: Duration = Duration::from_millis(400);

/// A minute that the tests of a topology do not leave.
const NOW: u64 = 1_800_000_000;

fn of(member: &Member, clock: &Clock) -> Limits {
    Limits::fleet(clock.clone(), member.exchange.clone())
}

async fn the_limit_is_that_of_the_fleet(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let clock = Clock::manual(NOW);
    let nodes = [of(&a, &clock), of(&b, &clock)];
    for number in 0..SIGN_IN.limit {
        let node = &nodes[usize::from(number % 2 == 0)];
        assert_eq!(node.hit(SIGN_IN, "Ada@Example.org").await, Decision::Allowed, "{number}");
    }
    for node in &nodes {
        assert!(matches!(node.hit(SIGN_IN, "ada@example.org").await, Decision::Limited { .. }));
        assert_eq!(node.hit(SIGN_IN, "bob@example.org").await, Decision::Allowed);
        let other = RateLimit { name: "other", limit: 100, ..SIGN_IN };
        assert_eq!(node.hit(other, "ada@example.org").await, Decision::Allowed, "another limit");
    }
    // The window passes on both.
    clock.advance(Duration::from_mins(4));
    assert_eq!(nodes[0].hit(SIGN_IN, "ada@example.org").await, Decision::Allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_fleet_wide() {
    the_limit_is_that_of_the_fleet(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_fleet_wide_with_sentinel() {
    the_limit_is_that_of_the_fleet(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_fleet_wide_in_a_cluster() {
    the_limit_is_that_of_the_fleet(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counters_are_those_of_the_reference_and_end() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, _b) = members(&rig).await;
    let limits = of(&a, &Clock::manual(NOW));
    let server = &rig.servers()[0];
    limits.hit(SIGN_IN, "Ada@Example.org").await;
    let key = format!("open-webui:ratelimit:ada@example.org:{}", NOW / 60);
    assert_eq!(server.admin(&["GET", &key]).await.unwrap().trim(), "1");
    let lifetime: u64 = server.admin(&["TTL", &key]).await.unwrap().trim().parse().unwrap();
    assert!((230..=240).contains(&lifetime), "{lifetime}");
    // What nodes of the reference have counted counts.
    server
        .admin(&["SET", &format!("open-webui:ratelimit:ada@example.org:{}", NOW / 60 - 3), "14"])
        .await
        .unwrap();
    assert!(matches!(limits.hit(SIGN_IN, "ada@example.org").await, Decision::Limited { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_one_node_refuses_by_itself_are_refused_by_the_others_too() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let clock = Clock::manual(NOW);
    let (here, there) = (of(&a, &clock), of(&b, &clock));
    for _ in 0..SIGN_IN.limit {
        assert_eq!(here.hit(SIGN_IN, "ada").await, Decision::Allowed);
    }
    // Three minutes on, those still count, so that all of these are refused by the node's own count.
    clock.advance(Duration::from_mins(3));
    for _ in 0..SIGN_IN.limit {
        assert!(matches!(here.hit(SIGN_IN, "ada").await, Decision::Limited { .. }));
    }
    // The allowed ones have left the window. What was refused since keeps the address shut, for as long as the node
    // that refused says itself.
    clock.advance(Duration::from_mins(1));
    let elsewhere = there.hit(SIGN_IN, "ada").await;
    assert_eq!(elsewhere, Decision::Limited { retry_after: Duration::from_mins(3) });
    assert_eq!(here.hit(SIGN_IN, "ada").await, elsewhere);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_trying_costs_redis_no_more_than_the_limit_a_minute() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let clock = Clock::manual(NOW);
    let nodes = [of(&a, &clock), of(&b, &clock)];
    let counted = async |minute: u64| -> u32 {
        let key = format!("open-webui:ratelimit:ada:{}", NOW / 60 + minute);
        rig.servers()[0].admin(&["GET", &key]).await.unwrap().trim().parse().unwrap()
    };
    for minute in 0..2 {
        for _ in 0..10 * SIGN_IN.limit {
            for node in &nodes {
                node.hit(SIGN_IN, "ada").await;
            }
        }
        assert_eq!(counted(minute).await, 2 * SIGN_IN.limit, "each node told of as many as the limit");
        clock.advance(Duration::from_mins(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_node_counts_and_what_was_counted_elsewhere_is_never_more_lenient() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, _b) = members(&rig).await;
    let limits = of(&a, &Clock::manual(NOW));
    for _ in 0..10 {
        assert_eq!(limits.hit(SIGN_IN, "ada").await, Decision::Allowed);
    }
    rig.servers()[0].admin(&["FLUSHALL"]).await.unwrap();
    for _ in 10..SIGN_IN.limit {
        assert_eq!(limits.hit(SIGN_IN, "ada").await, Decision::Allowed);
    }
    assert!(matches!(limits.hit(SIGN_IN, "ada").await, Decision::Limited { .. }), "a flush forgives nothing");
    rig.servers()[0].freeze().unwrap();
    for frozen in ["just now", "for longer"] {
        let begin = Instant::now();
        assert!(matches!(limits.hit(SIGN_IN, "ada").await, Decision::Limited { .. }));
        assert_eq!(limits.hit(SIGN_IN, frozen).await, Decision::Allowed);
        assert!(begin.elapsed() < 2 * BOUND, "{:?}, frozen {frozen}", begin.elapsed());
        soon("the break is noticed", async || !a.connections.status().is_ready()).await;
    }
    for _ in 0..SIGN_IN.limit {
        assert_eq!(limits.hit(SIGN_IN, "carol").await, Decision::Allowed);
    }
    assert!(matches!(limits.hit(SIGN_IN, "carol").await, Decision::Limited { .. }), "the node counts alone");
    rig.servers()[0].thaw().unwrap();
}
