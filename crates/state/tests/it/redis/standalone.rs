//! One server, and what breaks there.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig};
use antiphon_state::redis::{Batch, RedisError, Repeat, Script, cmd};

use super::support::{Links, Load, tell};

#[tokio::test(flavor = "multi_thread")]
async fn commands_batches_scripts_and_messages_go_through() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let links = Links::to(&rig).await;
    let main = links.connections.main();
    let count: u64 = main.command(Repeat::Once, cmd("INCR").arg("n").take()).await.expect("counted");
    assert_eq!(count, 1);
    let batch = Batch::atomic().with(cmd("INCR").arg("n").take()).with(cmd("GET").arg("n").take());
    let both: (u64, String) = main.batch(Repeat::Once, batch).await.expect("a transaction");
    assert_eq!(both, (2, "2".to_owned()));
    let batch = Batch::new().with(cmd("GET").arg("n").take()).with(cmd("EXISTS").arg("m").take());
    let both: (u64, bool) = main.batch(Repeat::Idempotent, batch).await.expect("a batch");
    assert_eq!(both, (2, false));
    let script = Script::new("return redis.call('GET', KEYS[1]) .. ARGV[1]");
    for _ in 0..2 {
        let text: String = main.script(Repeat::Idempotent, &script, &["n"], &[b"!"]).await.expect("a script");
        assert_eq!(text, "2!");
    }
    let wrong = main.command::<()>(Repeat::Once, cmd("LPUSH").arg("n").arg("x").take()).await;
    assert!(matches!(wrong, Err(RedisError::Reply { .. })), "{wrong:?}");
    links.round_trip("hello").await;
    links.connections.subscriber().unsubscribe("open-webui:load").await.expect("unsubscribed");
    assert_eq!(
        rig.servers()[0].admin(&["PUBSUB", "NUMSUB", "open-webui:load"]).await.expect("a reply"),
        "open-webui:load\n0"
    );
    links.check_connections(&[&rig.servers()[0]]).await;
    assert_eq!(rig.servers()[0].connected_clients().await.expect("a count"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_reconnected_when_it_is_back() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let links = Links::to(&rig).await;
    let server = &rig.servers()[0];
    links.round_trip("before").await;
    let load = Load::start(&links, 1);
    server.kill().expect("killed");
    links.wait_unready("the kill").await;
    server.restart(false).await.expect("restarted, and empty");
    let recovery = links.wait_ready("the restart").await;
    links.round_trip("after").await;
    let report = load.end().await;
    tell("standalone, master killed, back and empty", recovery, Some(&report));
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    assert_eq!(report.failed, [], "the calls waited");
    links.check_connections(&[server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_noticed_and_found_again() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let links = Links::to(&rig).await;
    let server = &rig.servers()[0];
    let load = Load::start(&links, 1);
    server.freeze().expect("frozen");
    let noticed = links.wait_unready("the freeze").await;
    assert!(noticed < Duration::from_secs(2), "{noticed:?}");
    server.thaw().expect("thawed");
    let recovery = links.wait_ready("the thaw").await;
    let report = load.end().await;
    tell("standalone, master frozen", recovery, Some(&report));
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    assert_eq!(report.failed, [], "the calls waited");
    links.round_trip("after").await;
    links.check_connections(&[server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_does_not_wait_for_redis() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    server.kill().expect("killed");
    let begin = Instant::now();
    let links = Links::start(&rig.variables());
    assert!(begin.elapsed() < Duration::from_millis(500));
    links.wait_fault("the refusal is told", |fault| matches!(fault, RedisError::Refused { .. })).await;
    server.restart(false).await.expect("started");
    let recovery = links.wait_ready("Redis was started").await;
    tell("standalone, Redis away at the start", recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    links.check_connections(&[server]).await;
}
