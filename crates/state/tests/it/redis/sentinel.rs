//! A master that Sentinels name, and what breaks there.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Options, Rig, Server, wait_until};
use antiphon_state::redis::{Endpoint, RedisError};

use super::support::{LIMIT, Links, Load, all_failures, name, tell};

/// Recovery after the Sentinels announced a new master.
const ANNOUNCED: Duration = Duration::from_secs(1);

async fn rig() -> Rig {
    Rig::start(Kind::Sentinel, false).await.expect("a rig")
}

/// All servers and Sentinels that answer.
fn living(rig: &Rig) -> Vec<&Server> {
    rig.servers().iter().chain(rig.sentinels()).filter(|server| server.answers()).collect()
}

/// Breaks the master, and measures from the announcement of the next one.
async fn fail_over(rig: &Rig, case: &str, how: impl AsyncFnOnce(&Server)) {
    let links = Links::to(rig).await;
    links.round_trip("before").await;
    links.check_connections(&living(rig)).await;
    let old = rig.master().await.expect("a master");
    let load = Load::start(&links, 1);
    how(old).await;
    let announced = async || rig.master().await.is_ok_and(|master| master.port != old.port);
    wait_until("a new master is announced", LIMIT, announced).await.expect("in time");
    let begin = Instant::now();
    let moved = async || {
        let new = rig.master().await.map(|master| master.port);
        let expected = links.connections.expected_connections();
        links.connections.status().is_ready()
            && expected.iter().any(|(endpoint, count)| {
                *count == 2 && Ok(endpoint.port) == new.as_ref().map(|port| *port).map_err(|_| ())
            })
    };
    if let Err(error) = wait_until("the links follow", LIMIT, moved).await {
        panic!("{error}: {:?}", links.connections.status());
    }
    let recovery = begin.elapsed();
    // It is in the queue by now, but the task that reads the queue may not have had its turn.
    let told = async || links.seen.lock().resumed >= 2;
    wait_until("the gap is told to those who mirror a state", LIMIT, told).await.expect("in time");
    // Nothing that is published after the recovery is lost.
    for number in 0..20 {
        links.round_trip(&format!("after {number}")).await;
    }
    let report = load.end().await;
    tell(&format!("{}, {case}", name(Kind::Sentinel, rig.options().tls)), recovery, Some(&report));
    assert_eq!(report.failed, [], "idempotent calls wait for the next master");
    assert!(recovery < ANNOUNCED, "{recovery:?}");
    links.check_connections(&living(rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_followed_by_the_next() {
    let rig = rig().await;
    fail_over(&rig, "master killed", async |master| master.kill().expect("killed")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_is_followed_by_the_next() {
    let rig = rig().await;
    fail_over(&rig, "master frozen", async |master| master.freeze().expect("frozen")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_hand_loses_no_call() {
    let rig = rig().await;
    fail_over(&rig, "failover by hand", async |_| {
        rig.sentinels()[0].admin(&["SENTINEL", "FAILOVER", "mymaster"]).await.expect("accepted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sentinel_frozen_or_dead_costs_nothing_at_the_start() {
    let rig = rig().await;
    let first = &rig.sentinels()[0];
    for case in ["frozen", "dead"] {
        if case == "frozen" { first.freeze() } else { first.kill() }.expect("broken");
        let begin = Instant::now();
        let links = Links::to(&rig).await;
        let took = begin.elapsed();
        tell(&format!("Sentinel, the first Sentinel {case} at the start"), took, None);
        assert!(took < Duration::from_secs(1), "{took:?}");
        links.check_connections(&living(&rig)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sentinels_the_master_is_kept_and_they_are_found_again() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    let load = Load::start(&links, 1);
    for sentinel in rig.sentinels() {
        sentinel.kill().expect("killed");
    }
    // A node that starts now has nobody to ask, and says so.
    let late = Links::start(&rig.variables());
    late.wait_fault("no Sentinel answers", |fault| matches!(fault, RedisError::NoSentinel { .. })).await;
    links.round_trip("meanwhile").await;
    for sentinel in rig.sentinels() {
        sentinel.restart(true).await.expect("restarted");
    }
    let recovery = late.wait_ready("the Sentinels are back").await;
    let report = load.end().await;
    tell("Sentinel, all Sentinels gone and back", recovery, Some(&report));
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    assert_eq!(report.failed, [], "the master was there all the time");
    drop(late);
    links.check_connections(&living(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_that_others_told_of_stand_in_for_the_configured_one() {
    let rig = rig().await;
    let first = &rig.sentinels()[0];
    let mut variables = rig.variables();
    for (name, text) in &mut variables {
        if name.ends_with("SENTINEL_HOSTS") {
            *text = first.address();
        }
    }
    let links = Links::start(&variables);
    links.wait_ready("the start").await;
    links.check_connections(&living(&rig)).await;
    let others = async || {
        let known = first.admin(&["SENTINEL", "SENTINELS", "mymaster"]).await.unwrap_or_default();
        rig.sentinels()[1..].iter().all(|sentinel| known.contains(&sentinel.port.to_string()))
    };
    wait_until("it knows the others", LIMIT, others).await.expect("in time");
    // The links ask each second, so they know them too after one more question.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let old = rig.master().await.expect("a master");
    let load = Load::start(&links, 1);
    first.kill().expect("killed");
    old.kill().expect("killed");
    let new = rig.new_master(old, LIMIT).await.expect("a successor");
    let begin = Instant::now();
    let place = Endpoint::new("127.0.0.1", new.port);
    let moved = async || {
        links.connections.status().is_ready()
            && links.connections.expected_connections().get(&place) == Some(&2)
    };
    wait_until("the links follow", LIMIT, moved).await.expect("in time");
    let recovery = begin.elapsed();
    links.round_trip("after").await;
    let report = load.end().await;
    tell("Sentinel, master and the only configured Sentinel killed", recovery, Some(&report));
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    assert_eq!(report.failed, []);
    links.check_connections(&living(&rig)).await;
    first.restart(true).await.expect("back");
    // The configured one is enough again.
    links.check_connections(&living(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_master_name_is_told_with_the_known_ones() {
    let rig = Rig::with(Options { master_name: "TheMaster".to_owned(), ..Options::new(Kind::Sentinel) })
        .await
        .expect("a rig");
    let good = Links::to(&rig).await;
    good.check_connections(&living(&rig)).await;
    let mut variables = rig.variables();
    for (name, text) in &mut variables {
        if name.ends_with("REDIS_URL") {
            *text = text.replace("TheMaster", "themaster");
        }
    }
    let begin = Instant::now();
    let links = Links::start(&variables);
    links
        .wait_fault("the name is told", |fault| {
            matches!(fault, RedisError::UnknownMaster { name, known } if &**name == "themaster" && known[..] == ["TheMaster"])
        })
        .await;
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn slower_failovers_are_followed_too() {
    if !all_failures() {
        println!(
            "SKIPPED: set ANTIPHON_TEST_FAILURES=1 for failovers with TLS, with a frozen Sentinel, and by hand"
        );
        return;
    }
    let tls = async || Rig::start(Kind::Sentinel, true).await.expect("a rig");
    fail_over(&tls().await, "master killed", async |master| master.kill().expect("killed")).await;
    fail_over(&tls().await, "master frozen", async |master| master.freeze().expect("frozen")).await;
    let frozen = rig().await;
    fail_over(&frozen, "master killed, first Sentinel frozen", async |master| {
        frozen.sentinels()[0].freeze().expect("frozen");
        master.kill().expect("killed");
    })
    .await;
    promoted_by_hand().await;
}

/// Somebody promotes a replica past the Sentinels. The links follow what the old master says, and then what the Sentinels say.
async fn promoted_by_hand() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    let old = rig.master().await.expect("a master");
    let replica = rig.servers().iter().find(|server| server.port != old.port).expect("a replica");
    let load = Load::start(&links, 1);
    replica.admin(&["REPLICAOF", "NO", "ONE"]).await.expect("promoted");
    old.admin(&["REPLICAOF", "127.0.0.1", &replica.client_port().to_string()]).await.expect("demoted");
    let begin = Instant::now();
    let place = Endpoint::new("127.0.0.1", replica.port);
    let moved = async || {
        links.connections.status().is_ready()
            && links.connections.expected_connections().get(&place) == Some(&2)
    };
    wait_until("the links follow", LIMIT, moved).await.expect("in time");
    let recovery = begin.elapsed();
    links.round_trip("at the promoted one").await;
    tell("Sentinel, replica promoted by hand", recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    let agreed = async || match rig.master().await {
        Ok(master) => master.info("role").await.is_ok_and(|role| role == "master"),
        Err(_) => false,
    };
    wait_until("the Sentinels name a master that is one", Duration::from_mins(1), agreed)
        .await
        .expect("in time");
    let recovery = links.wait_ready("the correction").await;
    links.round_trip("after").await;
    let report = load.end().await;
    tell("Sentinel, promotion by hand seen by the Sentinels", recovery, Some(&report));
    links.check_connections(&living(&rig)).await;
}
