//! A cluster, and what breaks there.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig, Server, wait_until};
use antiphon_state::redis::{Batch, Endpoint, RedisError, Repeat, cmd};

use super::support::{LIMIT, LONGEST_CALL, Links, Load, all_failures, name, tell};

/// Recovery after the cluster has a new owner.
const OWNED: Duration = Duration::from_secs(2);

async fn rig() -> Rig {
    Rig::start(Kind::Cluster, false).await.expect("a rig")
}

fn living(rig: &Rig) -> Vec<&Server> {
    rig.servers().iter().filter(|server| server.answers()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_slots_are_reached_and_messages_cross_the_cluster() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    let main = links.connections.main();
    for number in 0..100 {
        let key = format!("key:{number}");
        main.command::<()>(Repeat::Idempotent, cmd("SET").arg(&key).arg(number).take()).await.expect("set");
        let back: u32 = main.command(Repeat::Idempotent, cmd("GET").arg(&key).take()).await.expect("read");
        assert_eq!(back, number);
    }
    let batch = Batch::atomic().with(cmd("INCR").arg("{t}a").take()).with(cmd("INCR").arg("{t}b").take());
    assert_eq!(main.batch::<(u32, u32)>(Repeat::Once, batch).await, Ok((1, 1)));
    let batch = Batch::new().with(cmd("GET").arg("a").take()).with(cmd("GET").arg("b").take());
    assert_eq!(main.batch::<()>(Repeat::Idempotent, batch).await, Err(RedisError::CrossSlot));
    // Any node takes a message, and it comes out where the subscription is.
    for number in 0..10 {
        links.round_trip(&format!("message {number}")).await;
    }
    links.check_connections(&living(&rig)).await;
    let expected: Vec<usize> = links.connections.expected_connections().into_values().collect();
    assert_eq!(
        (expected.len(), expected.iter().sum::<usize>()),
        (3, 4),
        "1 to each master, 1 for the subscription"
    );
}

/// Breaks the master that owns slot 0 and measures from its having a new owner.
async fn fail_over(rig: Rig, case: &str, subscribed_there: bool, how: impl AsyncFnOnce(&Server)) {
    let links = Links::to(&rig).await;
    links.round_trip("before").await;
    let old = if subscribed_there {
        let expected = links.connections.expected_connections();
        let place = expected.iter().find(|(_, count)| **count == 2).map(|(endpoint, _)| endpoint.port);
        rig.servers().iter().find(|server| Some(server.port) == place).expect("the place of the subscription")
    } else {
        rig.master().await.expect("an owner")
    };
    let index = rig.servers().iter().position(|server| server.port == old.port).expect("one of them");
    let replica = &rig.servers()[(index + 3) % 6];
    let load = Load::start(&links, 20);
    how(old).await;
    let promoted = async || replica.info("role").await.is_ok_and(|role| role == "master");
    wait_until("the replica takes over", LIMIT, promoted).await.expect("in time");
    let begin = Instant::now();
    let new = Endpoint::new("127.0.0.1", replica.port);
    let moved = async || {
        let expected = links.connections.expected_connections();
        links.connections.status().is_ready()
            && expected.contains_key(&new)
            && !expected.contains_key(&Endpoint::new("127.0.0.1", old.port))
    };
    if let Err(error) = wait_until("the links follow", LIMIT, moved).await {
        panic!("{error}: {:?} {:?}", links.connections.status(), links.connections.expected_connections());
    }
    let recovery = begin.elapsed();
    for number in 0..20 {
        links.round_trip(&format!("after {number}")).await;
    }
    let report = load.end().await;
    tell(&format!("{}, {case}", name(Kind::Cluster, rig.options().tls)), recovery, Some(&report));
    assert_eq!(report.failed, [], "idempotent calls wait for the next owner");
    assert!(recovery < OWNED, "{recovery:?}");
    links.check_connections(&living(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_followed_by_the_next_owner() {
    fail_over(rig().await, "master killed", false, async |master| master.kill().expect("killed")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_with_the_subscription_is_followed_by_the_next_owner() {
    fail_over(rig().await, "master frozen, which has the subscription", true, async |master| {
        master.freeze().expect("frozen");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed_without_a_failed_call() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    let main = links.connections.main();
    let tag = "{open-webui:load:0}";
    for number in 0..200 {
        let set = cmd("SET").arg(format!("{tag}{number}")).arg(number).take();
        main.command::<()>(Repeat::Idempotent, set).await.expect("set");
    }
    let get = async |number: u32| {
        main.command::<Option<u32>>(Repeat::Idempotent, cmd("GET").arg(format!("{tag}{number}")).take()).await
    };
    let from = rig.owner(tag).await.expect("an owner");
    let to = rig.servers()[..3].iter().find(|server| server.port != from.port).expect("another");
    let slot: u16 =
        from.admin(&["CLUSTER", "KEYSLOT", tag]).await.expect("a slot").parse().expect("a number");
    let moving = rig.move_slot(slot, to).await.expect("announced");
    // One key is moved: it is asked for at the new owner, and a command with keys on both sides has to wait.
    let port = to.client_port().to_string();
    from.admin(&["MIGRATE", "127.0.0.1", &port, &format!("{tag}0"), "0", "3000"]).await.expect("moved");
    assert_eq!(get(0).await, Ok(Some(0)), "ASK is followed");
    assert_eq!(get(1).await, Ok(Some(1)));
    let both = {
        let main = main.clone();
        tokio::spawn(async move {
            let both = cmd("MGET").arg(format!("{tag}0")).arg(format!("{tag}1")).take();
            main.command::<(u32, u32)>(Repeat::Idempotent, both).await
        })
    };
    let transaction = {
        let main = main.clone();
        let batch = Batch::atomic().with(cmd("GET").arg(format!("{tag}0")).take());
        tokio::spawn(async move { main.batch::<(u32,)>(Repeat::Idempotent, batch).await })
    };
    let script = antiphon_state::redis::Script::new("return redis.call('GET', KEYS[1])");
    let by_script: u32 =
        main.script(Repeat::Idempotent, &script, &[&format!("{tag}0")], &[]).await.expect("a script");
    assert_eq!(by_script, 0, "a script follows ASK too");
    let repeated = async || links.connections.totals().repeated_attempts > 0;
    wait_until("TRYAGAIN was met", LIMIT, repeated).await.expect("in time");
    assert!(moving.keys().await.expect("moved") >= 199);
    let begin = Instant::now();
    moving.finish().await.expect("finished");
    assert_eq!(both.await.expect("ended"), Ok((0, 1)), "TRYAGAIN passes");
    assert_eq!(transaction.await.expect("ended"), Ok((0,)), "a transaction waits for the end of the move");
    for number in 0..200 {
        assert_eq!(get(number).await, Ok(Some(number)), "MOVED is followed");
    }
    tell("cluster, slot moved", begin.elapsed(), None);
    links.round_trip("after").await;
    links.check_connections(&living(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_answers_and_hears_nothing_of_one_master_is_no_subscription() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    links.round_trip("before").await;
    let expected = links.connections.expected_connections();
    let place = expected.iter().find(|(_, count)| **count == 2).map(|(endpoint, _)| endpoint.port);
    let masters = &rig.servers()[..3];
    let place =
        masters.iter().find(|server| Some(server.port) == place).expect("the place of the subscription");
    let other = masters.iter().find(|server| server.port != place.port).expect("another");
    // One master passes nothing on to that with the subscription any more; all connections are up and answer.
    let id = place.admin(&["CLUSTER", "MYID"]).await.expect("an id");
    other.admin(&["CLUSTER", "FORGET", &id]).await.expect("forgotten");
    links.wait_fault("a master passes nothing on", |fault| matches!(fault, RedisError::Deaf { .. })).await;
    let bus = place.admin(&["CONFIG", "GET", "cluster-announce-bus-port"]).await.expect("a reply");
    let (port, bus) = (place.port.to_string(), bus.lines().nth(1).expect("a port"));
    other.admin(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await.expect("met");
    links.wait_ready("they met again").await;
    for number in 0..10 {
        links.round_trip(&format!("after {number}")).await;
    }
    links.check_connections(&living(&rig)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_a_new_owner_is_followed_too() {
    if !all_failures() {
        println!("SKIPPED: set ANTIPHON_TEST_FAILURES=1 for the failovers of a cluster with TLS");
        return;
    }
    let tls = async || Rig::start(Kind::Cluster, true).await.expect("a rig");
    fail_over(tls().await, "master killed", true, async |master| master.kill().expect("killed")).await;
    fail_over(tls().await, "master frozen", false, async |master| master.freeze().expect("frozen")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_away_altogether_is_found_again() {
    let rig = rig().await;
    let links = Links::to(&rig).await;
    for server in rig.servers() {
        server.kill().expect("killed");
    }
    links.wait_unready("the loss of all").await;
    let begin = Instant::now();
    let call =
        links.connections.main().command::<Option<String>>(Repeat::Idempotent, cmd("GET").arg("a").take());
    assert!(call.await.is_err() && begin.elapsed() < LONGEST_CALL, "{:?}", begin.elapsed());
    let late = Links::start(&rig.variables());
    late.wait_fault("nobody is there", |fault| matches!(fault, RedisError::NoCluster { .. })).await;
    for server in rig.servers() {
        server.restart(true).await.expect("restarted");
    }
    let whole = async || {
        rig.servers()[0].admin(&["CLUSTER", "INFO"]).await.is_ok_and(|info| info.contains("cluster_state:ok"))
    };
    wait_until("the cluster is whole", LIMIT, whole).await.expect("in time");
    let recovery = links.wait_ready("the return").await.max(late.wait_ready("the return").await);
    links.round_trip("after").await;
    tell("cluster, all nodes killed and back", recovery, None);
    assert!(recovery < OWNED, "{recovery:?}");
    drop(late);
    links.check_connections(&living(&rig)).await;
}
