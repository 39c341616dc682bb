//! One server, and what breaks there.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig};
use antiphon_state::redis::{Batch, RedisError, Repeat, Script, cmd};

use super::support::{LIMIT, LONGEST_CALL, Links, Load, tell};

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

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_channels_come_back_after_a_loss() {
    const CHANNELS: usize = 5000;
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let links = Links::to(&rig).await;
    let subscriber = links.connections.subscriber();
    let names: Vec<String> = (0..CHANNELS).map(|number| format!("open-webui:room:{number}")).collect();
    let begin = Instant::now();
    let all = names.iter().map(|name| subscriber.subscribe(name));
    let confirmed = futures_util::future::join_all(all).await;
    assert!(confirmed.iter().all(Result::is_ok));
    tell("standalone, 5000 channels subscribed one by one at the same time", begin.elapsed(), None);
    // The private channel is one more.
    let count = async || {
        let channels = server.admin(&["PUBSUB", "CHANNELS"]).await.expect("a reply");
        channels.lines().count()
    };
    assert_eq!(count().await, CHANNELS + 1);
    let resumed = links.seen.lock().resumed;
    server.admin(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.expect("killed");
    let again = async || links.seen.lock().resumed > resumed;
    let recovery = antiphon_cluster::wait_until("the gap is told", LIMIT, again).await.expect("in time");
    assert_eq!(count().await, CHANNELS + 1, "the gap ends when everything is subscribed");
    tell("standalone, subscription with 5000 channels killed", recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    let all = names.iter().map(|name| subscriber.unsubscribe(name));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(count().await, 1);
    links.check_connections(&[server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_during_a_break_are_granted_after_it() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let mut variables = rig.variables();
    variables.push(("REDIS_SOCKET_TIMEOUT", "0.5".to_owned()));
    let links = Links::start(&variables);
    links.wait_ready("the start").await;
    let subscriber = links.connections.subscriber();
    subscriber.subscribe("left").await.expect("subscribed");
    server.kill().expect("killed");
    links.wait_unready("the kill").await;
    let begin = Instant::now();
    assert!(subscriber.subscribe("wanted").await.is_err(), "it is not confirmed");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    subscriber.unsubscribe("left").await.expect("at once");
    server.restart(false).await.expect("restarted");
    links.wait_ready("the restart").await;
    let count = server.admin(&["PUBSUB", "NUMSUB", "wanted", "left"]).await.expect("a reply");
    assert_eq!(count, "wanted\n1\nleft\n0");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_take_three_connections_and_dropping_takes_none() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let mut variables = rig.variables();
    for (name, text) in &mut variables {
        if *name == "WEBSOCKET_REDIS_URL" {
            *text = text.replace("/0", "/1");
        }
    }
    let links = Links::start(&variables);
    links.wait_ready("the start").await;
    links.round_trip("hello").await;
    links.check_connections(&[server]).await;
    assert_eq!(server.connected_clients().await.expect("a count"), 3);
    let set = cmd("SET").arg("where").arg("sockets").take();
    links.connections.sockets().command::<()>(Repeat::Once, set).await.expect("set");
    let get = cmd("GET").arg("where").take();
    let main: Option<String> = links.connections.main().command(Repeat::Idempotent, get).await.expect("read");
    assert_eq!(main, None, "databases are apart");
    let (two, ends) = (Links::to(&rig).await, links);
    drop(ends);
    let rest = async || server.connected_clients().await.is_ok_and(|count| count == 2);
    antiphon_cluster::wait_until("the dropped links are closed", LIMIT, rest).await.expect("in time");
    two.round_trip("the other node goes on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_break_makes_calls_fail_at_once() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let links = Links::to(&rig).await;
    server.freeze().expect("frozen");
    let get =
        || links.connections.main().command::<Option<String>>(Repeat::Idempotent, cmd("GET").arg("a").take());
    let first = Instant::now();
    assert!(get().await.is_err());
    assert!(first.elapsed() < LONGEST_CALL, "{:?}", first.elapsed());
    let at_once = async || {
        let begin = Instant::now();
        get().await.is_err() && begin.elapsed() < Duration::from_millis(50)
    };
    antiphon_cluster::wait_until("calls fail at once", LIMIT, at_once).await.expect("in time");
    server.thaw().expect("thawed");
    let recovery = links.wait_ready("the thaw").await;
    tell("standalone, frozen for longer than calls wait", recovery, None);
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    get().await.expect("served again");
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_and_host_names_are_reached() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let ipv6 = tokio::net::TcpListener::bind("[::1]:0").await.is_ok();
    for host in ["[::1]", "localhost"].into_iter().filter(|host| ipv6 || *host == "localhost") {
        let mut variables = rig.variables();
        for (_, text) in &mut variables {
            *text = text.replace("127.0.0.1", host);
        }
        let links = Links::start(&variables);
        links.wait_ready(host).await;
        links.round_trip(host).await;
        let endpoint = links.connections.expected_connections().into_keys().next().expect("a server");
        assert!(endpoint.to_string().starts_with(host), "{endpoint}");
    }
    let mut variables = rig.variables();
    for (_, text) in &mut variables {
        *text = text.replace("127.0.0.1", "no-such-host.invalid");
    }
    let links = Links::start(&variables);
    links.wait_fault("the name is unknown", |fault| matches!(fault, RedisError::Name { .. })).await;
}
