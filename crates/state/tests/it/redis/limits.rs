//! A server at its limits: clients, memory, loading, demoted.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Options, Rig, Server};
use antiphon_state::redis::{Code, Endpoint, RedisError, Repeat, Value, cmd};

use super::support::{LIMIT, LONGEST_CALL, Links, Load, all_failures, name, tell};

fn is(code: Code) -> impl Fn(&RedisError) -> bool {
    move |fault| matches!(fault, RedisError::Reply { code: seen, .. } if *seen == code)
}

/// Sends a command to every server of a rig.
async fn all(rig: &Rig, command: &[&str]) {
    for server in rig.servers() {
        server.admin(command).await.expect("a reply");
    }
}

async fn without_room_for_clients(kind: Kind) {
    let rig = Rig::start(kind, false).await.expect("a rig");
    let everybody: Vec<&Server> = rig.servers().iter().chain(rig.sentinels()).collect();
    let early = Links::to(&rig).await;
    // Whoever is connected stays.
    all(&rig, &["CONFIG", "SET", "maxclients", "1"]).await;
    let late = Links::start(&rig.variables());
    late.wait_fault("the limit is told", is(Code::MaxClients)).await;
    let status = late.connections.status();
    let told = status
        .links
        .iter()
        .filter_map(|link| link.remedy.as_ref())
        .any(|remedy| remedy.contains("maxclients"));
    assert!(told, "{status:?}");
    early.round_trip("those who are in stay in").await;
    // Those who have to come back wait outside, and come in as soon as there is room.
    all(&rig, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    early.wait_fault("the limit is told", is(Code::MaxClients)).await;
    all(&rig, &["CONFIG", "SET", "maxclients", "10000"]).await;
    let recovery = late.wait_ready("there is room").await.max(early.wait_ready("there is room").await);
    early.round_trip("they are in again").await;
    tell(&format!("{}, maxclients exhausted", name(kind, false)), recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    drop(early);
    late.check_connections(&everybody).await;
}

async fn memory(kind: Kind) {
    let rig = Rig::start(kind, false).await.expect("a rig");
    let everybody: Vec<&Server> = rig.servers().iter().chain(rig.sentinels()).collect();
    let links = Links::to(&rig).await;
    let main = links.connections.main();
    let set = || cmd("SET").arg("a").arg("b").take();
    main.command::<()>(Repeat::Idempotent, set()).await.expect("set");
    all(&rig, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let begin = Instant::now();
    let refused = main.command::<()>(Repeat::Idempotent, set()).await;
    assert!(refused.as_ref().is_err_and(|error| is(Code::OutOfMemory)(error)), "{refused:?}");
    assert!(begin.elapsed() < Duration::from_secs(1), "it is told at once");
    let get = cmd("GET").arg("a").take();
    assert_eq!(main.command::<String>(Repeat::Idempotent, get).await, Ok("b".to_owned()));
    links.round_trip("messages still go").await;
    assert!(links.connections.status().is_ready());
    all(&rig, &["CONFIG", "SET", "maxmemory", "0"]).await;
    main.command::<()>(Repeat::Idempotent, set()).await.expect("set again");
    tell(&format!("{}, out of memory with noeviction", name(kind, false)), Duration::ZERO, None);

    all(&rig, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    all(&rig, &["CONFIG", "SET", "maxmemory", "4mb"]).await;
    let load = Load::start(&links, 100);
    let value = vec![b'x'; 10_000];
    for number in 0..3000 {
        let set = cmd("SET").arg(format!("big:{number}")).arg(&value).take();
        main.command::<()>(Repeat::Idempotent, set).await.expect("set");
    }
    let master = rig.master().await.expect("a master");
    let evicted: u64 = master.info("evicted_keys").await.expect("a field").parse().expect("a number");
    assert!(evicted > 100, "{evicted}");
    links.round_trip("under pressure").await;
    let report = load.end().await;
    tell(&format!("{}, allkeys-lru under pressure", name(kind, false)), Duration::ZERO, Some(&report));
    assert_eq!(report.failed, []);
    links.check_connections(&everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_clients_is_told_and_entered_when_there_is_room() {
    without_room_for_clients(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_memory_refuses_writes_only_and_at_once() {
    memory(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_other_topologies_are_the_same() {
    if !all_failures() {
        println!(
            "SKIPPED: set ANTIPHON_TEST_FAILURES=1 for maxclients and memory with Sentinel and in a cluster"
        );
        return;
    }
    for kind in [Kind::Sentinel, Kind::Cluster] {
        without_room_for_clients(kind).await;
        memory(kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reads_its_data_is_waited_for() {
    let options = Options {
        persistent: true,
        // Microseconds per key while loading.
        settings: vec![
            "key-load-delay 1000".to_owned(),
            "loading-process-events-interval-bytes 1024".to_owned(),
            "enable-debug-command local".to_owned(),
        ],
        ..Options::new(Kind::Standalone)
    };
    let rig = Rig::with(options).await.expect("a rig");
    let server = &rig.servers()[0];
    let links = Links::to(&rig).await;
    server.admin(&["DEBUG", "POPULATE", "2500"]).await.expect("filled");
    // What DEBUG POPULATE writes is in the file only after a rewrite.
    server.admin(&["BGREWRITEAOF"]).await.expect("begun");
    let written = async || server.info("aof_rewrite_in_progress").await.is_ok_and(|flag| flag == "0");
    antiphon_cluster::wait_until("the file is written", LIMIT, written).await.expect("in time");
    let (restarted, recovery) = tokio::join!(server.restart(true), async {
        links.wait_fault("the loading is told", is(Code::Loading)).await;
        links.wait_ready("the loading").await
    });
    restarted.expect("restarted");
    tell("standalone, LOADING for 2.5 s", recovery, None);
    links.round_trip("after").await;
    links.check_connections(&[server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_promoted_by_hand_is_followed() {
    let rig = Rig::with(Options { replicas: 1, ..Options::new(Kind::Standalone) }).await.expect("a rig");
    let [old, new] = rig.servers() else { panic!("two servers") };
    let links = Links::to(&rig).await;
    let load = Load::start(&links, 1);
    new.admin(&["REPLICAOF", "NO", "ONE"]).await.expect("promoted");
    old.admin(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]).await.expect("demoted");
    let begin = Instant::now();
    let place = Endpoint::new("127.0.0.1", new.port);
    let moved = async || {
        links.connections.status().is_ready()
            && links.connections.expected_connections().get(&place) == Some(&2)
    };
    antiphon_cluster::wait_until("the links follow", LIMIT, moved).await.expect("in time");
    let recovery = begin.elapsed();
    links.round_trip("at the new master").await;
    let report = load.end().await;
    tell("standalone, replica promoted by hand", recovery, Some(&report));
    assert_eq!(report.failed, [], "READONLY is not shown to callers");
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    links.check_connections(&[old, new]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_master_is_away_is_told() {
    let rig = Rig::with(Options { replicas: 1, ..Options::new(Kind::Standalone) }).await.expect("a rig");
    let [old, new] = rig.servers() else { panic!("two servers") };
    let links = Links::to(&rig).await;
    old.admin(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]).await.expect("demoted");
    new.kill().expect("killed");
    let noticed =
        links.wait_fault("the replica is told", |fault| matches!(fault, RedisError::Replica { .. })).await;
    assert!(noticed < Duration::from_secs(2), "{noticed:?}");
    let begin = Instant::now();
    let set = cmd("SET").arg("a").arg("b").take();
    let refused = links.connections.main().command::<Value>(Repeat::Idempotent, set).await;
    assert!(refused.is_err() && begin.elapsed() < LONGEST_CALL, "{refused:?}");
    old.admin(&["REPLICAOF", "NO", "ONE"]).await.expect("promoted");
    let recovery = links.wait_ready("the promotion").await;
    tell("standalone, demoted by hand and promoted again", recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    links.check_connections(&[old]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_must_not_be_repeated_is_told_of_its_unknown_fate() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let links = Links::to(&rig).await;
    server.freeze().expect("frozen");
    let call = links.connections.main().command::<u64>(Repeat::Once, cmd("INCR").arg("n").take()).await;
    assert_eq!(call, Err(RedisError::FateUnknown));
    server.thaw().expect("thawed");
    links.wait_ready("the thaw").await;
    let count: u64 =
        links.connections.main().command(Repeat::Once, cmd("INCR").arg("n").take()).await.expect("counted");
    assert!(count <= 2, "{count}");
}
