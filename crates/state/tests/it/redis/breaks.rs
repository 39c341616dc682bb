//! Breaks that are the same in every topology: of the network, and by commands at the server.

use std::time::Duration;

use antiphon_cluster::{Direction, Kind, Options, Proxy, Rig, Server};

use super::support::{Links, Load, all_failures, name, tell};

/// Recovery after the cause is gone.
const RECOVERY: Duration = Duration::from_secs(2);
/// Time within which a break is noticed.
const NOTICED: Duration = Duration::from_millis(2500);

/// Breaks the network.
type Fault = fn(&Proxy);

/// Everybody who has clients.
fn all(rig: &Rig) -> Vec<&Server> {
    rig.servers().iter().chain(rig.sentinels()).collect()
}

async fn network(kind: Kind, tls: bool) {
    let rig = Rig::with(Options { tls, proxied: true, ..Options::new(kind) }).await.expect("a rig");
    let links = Links::to(&rig).await;
    links.round_trip("before").await;
    links.check_connections(&all(&rig)).await;
    let master = rig.master().await.expect("a master");
    let proxy = master.proxy().expect("a proxy");
    let faults: [(&str, Fault); 4] = [
        ("network cut", Proxy::cut),
        ("network silent", Proxy::black_hole),
        ("network silent from the server", |proxy| proxy.one_way(Direction::ToServer)),
        ("network silent to the server", |proxy| proxy.one_way(Direction::ToClient)),
    ];
    for (number, (case, fault)) in faults.into_iter().enumerate() {
        let load = Load::start(&links, 10);
        fault(proxy);
        let noticed = links.wait_unready(case).await;
        assert!(noticed < NOTICED, "{case}: {noticed:?}");
        proxy.pass();
        let recovery = links.wait_ready(case).await;
        links.round_trip(&format!("after {number}")).await;
        let report = load.end().await;
        tell(&format!("{}, {case}", name(kind, tls)), recovery, Some(&report));
        assert!(recovery < RECOVERY, "{case}: {recovery:?}");
        assert_eq!(report.failed, [], "{case}: the calls waited");
        links.check_connections(&all(&rig)).await;
    }
    let connects = links.connections.totals().connects;
    let load = Load::start(&links, 10);
    rig.proxies().for_each(|proxy| proxy.delay(Duration::from_millis(200)));
    for number in 0..5 {
        let took = links.round_trip(&format!("delayed {number}")).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let report = load.end().await;
    tell(&format!("{}, 200 ms delay", name(kind, tls)), Duration::ZERO, Some(&report));
    assert_eq!(report.failed, []);
    assert!(links.connections.status().is_ready(), "slow is not broken");
    assert_eq!(links.connections.totals().connects, connects, "no connection was replaced");
    rig.proxies().for_each(Proxy::pass);
    links.check_connections(&all(&rig)).await;
    // And from the start: signing in takes several round trips.
    rig.proxies().for_each(|proxy| proxy.delay(Duration::from_millis(200)));
    let slow = Links::start(&rig.variables());
    let start = slow.wait_ready("a slow start").await;
    tell(&format!("{}, 200 ms delay at the start", name(kind, tls)), start, None);
}

async fn commands(kind: Kind, tls: bool) {
    let rig = Rig::start(kind, tls).await.expect("a rig");
    let links = Links::to(&rig).await;
    links.round_trip("before").await;
    let admin = async |command: &[&str]| {
        for server in rig.servers() {
            server.admin(command).await.expect("a reply");
        }
    };
    for case in ["normal", "pubsub"] {
        let connects = links.connections.totals().connects;
        let load = Load::start(&links, 10);
        admin(&["CLIENT", "KILL", "TYPE", case]).await;
        let noticed = async || links.connections.totals().connects > connects;
        antiphon_cluster::wait_until("a connection is replaced", super::support::LIMIT, noticed)
            .await
            .expect("in time");
        let recovery = links.wait_ready(case).await;
        links.round_trip(&format!("after {case}")).await;
        let report = load.end().await;
        tell(&format!("{}, CLIENT KILL TYPE {case}", name(kind, tls)), recovery, Some(&report));
        assert!(recovery < RECOVERY, "{recovery:?}");
        assert_eq!(report.failed, []);
        links.check_connections(&all(&rig)).await;
    }

    let load = Load::start(&links, 10);
    admin(&["CLIENT", "PAUSE", "2500", "ALL"]).await;
    links.wait_unready("the pause").await;
    let paused = links.wait_ready("the pause").await;
    links.round_trip("after the pause").await;
    let report = load.end().await;
    tell(&format!("{}, CLIENT PAUSE 2500", name(kind, tls)), paused, Some(&report));
    // Counted from when it was noticed, with what was left of the pause.
    assert!(paused < Duration::from_millis(2500) + RECOVERY, "{paused:?}");
    assert_eq!(report.failed, []);
    links.check_connections(&all(&rig)).await;

    let connects = links.connections.totals().connects;
    admin(&["CONFIG", "SET", "timeout", "1"]).await;
    // Nothing can be waited for here: that nothing happens for twice that time is the point.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(links.connections.status().is_ready());
    assert_eq!(links.connections.totals().connects, connects, "probes keep the connections from idling");
    links.round_trip("after the timeout").await;
    tell(&format!("{}, server timeout 1", name(kind, tls)), Duration::ZERO, None);
    links.check_connections(&all(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_survives_every_fault_of_the_network() {
    network(Kind::Standalone, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_survives_every_fault_of_the_network() {
    network(Kind::Sentinel, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_survives_every_fault_of_the_network() {
    network(Kind::Cluster, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_survives_what_an_operator_does() {
    commands(Kind::Standalone, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_survives_what_an_operator_does() {
    commands(Kind::Sentinel, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_survives_what_an_operator_does() {
    commands(Kind::Cluster, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_every_topology_survives_the_same() {
    if !all_failures() {
        println!("SKIPPED: set ANTIPHON_TEST_FAILURES=1 for the breaks of every topology with TLS");
        return;
    }
    for kind in Kind::ALL {
        network(kind, true).await;
        commands(kind, true).await;
    }
}
