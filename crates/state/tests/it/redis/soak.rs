//! Random failures for a long time: afterwards everything is as it was.

use std::time::{Duration, Instant};

use antiphon_cluster::{Direction, Kind, Options, Proxy, Rig, Server};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::support::{Links, Load, name, tell};

/// Breaks that the soak chooses from.
const BREAKS: [&str; 9] =
    ["kill", "freeze", "cut", "silent", "one way", "delay", "kill clients", "pause", "fail over"];
/// Growth of the process that counts as flat. The rest of the test is in the same process.
const GROWTH: u64 = 64 << 20;

/// Resident memory of this process in bytes.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("a file of the kernel");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Seconds in all, over the three topologies; 0 without the variable.
fn seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the server")]
    std::env::var("ANTIPHON_TEST_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn break_something(rig: &Rig, what: &str, random: &mut StdRng) {
    let servers: Vec<&Server> = rig.servers().iter().collect();
    let server = servers.choose(random).expect("a server");
    let proxy = server.proxy().expect("a proxy");
    match what {
        "kill" => server.kill().expect("killed"),
        "freeze" => server.freeze().expect("frozen"),
        "cut" => proxy.cut(),
        "silent" => proxy.black_hole(),
        "one way" => {
            let direction = if random.random() { Direction::ToClient } else { Direction::ToServer };
            proxy.one_way(direction);
        }
        "delay" => rig.proxies().for_each(|proxy: &Proxy| proxy.delay(Duration::from_millis(100))),
        "kill clients" => {
            let kind = if random.random() { "normal" } else { "pubsub" };
            server.admin(&["CLIENT", "KILL", "TYPE", kind]).await.expect("killed");
        }
        "pause" => {
            server.admin(&["CLIENT", "PAUSE", "1000", "ALL"]).await.expect("paused");
        }
        _ if rig.options().kind == Kind::Standalone => server.restart(false).await.expect("restarted"),
        _ => {
            // Refused when a failover is under way already.
            let _ = rig.fail_over().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(random.random_range(100..3000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_failures_leave_nothing_behind() {
    let seconds = seconds();
    if seconds == 0 {
        println!("SKIPPED: set ANTIPHON_TEST_SOAK_SECONDS for random failures over that time");
        return;
    }
    for (seed, kind) in (1..).zip(Kind::ALL) {
        let mut random = StdRng::seed_from_u64(seed);
        let rig = Rig::with(Options { proxied: true, ..Options::new(kind) }).await.expect("a rig");
        let links = Links::to(&rig).await;
        let everybody: Vec<&Server> = rig.servers().iter().chain(rig.sentinels()).collect();
        links.round_trip("before").await;
        let (tasks_before, memory_before) = (tasks(), memory());
        let until = Instant::now() + Duration::from_secs(seconds / 3);
        let (mut worst, mut rounds, mut failed) = (Duration::ZERO, 0, 0);
        while Instant::now() < until {
            let what = BREAKS.choose(&mut random).expect("a break");
            let load = Load::start(&links, 10);
            break_something(&rig, what, &mut random).await;
            rig.heal().await.expect("whole again");
            let recovery = links.wait_ready(what).await;
            links.round_trip(&format!("round {rounds}")).await;
            failed += load.end().await.failed.len();
            links.check_connections(&everybody).await;
            println!("SOAK {} round {rounds}: {what}, {:.2} s", name(kind, false), recovery.as_secs_f64());
            worst = worst.max(recovery);
            rounds += 1;
            let flat = async || tasks() <= tasks_before;
            if let Err(error) =
                antiphon_cluster::wait_until("the tasks are flat", super::support::LIMIT, flat).await
            {
                panic!("{error}: {} after {what}, {tasks_before} before", tasks());
            }
            links.seen.lock().messages.clear();
        }
        let growth = memory().saturating_sub(memory_before);
        println!(
            "SOAK {}: {rounds} breaks, {failed} calls failed, {} kB more memory, {tasks_before} tasks",
            name(kind, false),
            growth >> 10
        );
        tell(&format!("{}, worst of {rounds} random breaks", name(kind, false)), worst, None);
        assert!(growth < GROWTH, "{growth} bytes more");
    }
}
