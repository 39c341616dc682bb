//! Other servers than Debian's Redis: those that `ANTIPHON_TEST_REDIS_SERVERS` names, paths joined by colons.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Options, Rig, Server};
use antiphon_state::redis::{Batch, Repeat, Script, cmd};

use super::support::{Links, Load, name, tell};

#[tokio::test(flavor = "multi_thread")]
async fn other_versions_serve_and_fail_over_alike() {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where other servers are")]
    let Ok(programs) = std::env::var("ANTIPHON_TEST_REDIS_SERVERS") else {
        println!("SKIPPED: set ANTIPHON_TEST_REDIS_SERVERS, see scripts/fetch-redis-versions");
        return;
    };
    for program in programs.split(':').filter(|program| !program.is_empty()) {
        for kind in Kind::ALL {
            let rig =
                Rig::with(Options { program: program.into(), ..Options::new(kind) }).await.expect("a rig");
            let version = rig.servers()[0].info("redis_version").await.expect("a version");
            let file = program.rsplit('/').next().unwrap_or(program);
            let links = Links::to(&rig).await;
            links.round_trip("hello").await;
            let main = links.connections.main();
            let batch =
                Batch::atomic().with(cmd("INCR").arg("{t}a").take()).with(cmd("INCR").arg("{t}b").take());
            assert_eq!(main.batch::<(u32, u32)>(Repeat::Once, batch).await, Ok((1, 1)));
            let script = Script::new("return redis.call('GET', KEYS[1])");
            let read: u32 = main.script(Repeat::Idempotent, &script, &["{t}a"], &[]).await.expect("a script");
            assert_eq!(read, 1);
            let load = Load::start(&links, 10);
            let old = rig.master().await.expect("a master");
            old.freeze().expect("frozen");
            links.wait_unready("the freeze").await;
            if kind == Kind::Standalone {
                old.thaw().expect("thawed");
            } else {
                rig.new_master(old, super::support::LIMIT).await.expect("a successor");
            }
            let begin = Instant::now();
            links.wait_ready("the failover").await;
            let recovery = begin.elapsed();
            links.round_trip("after").await;
            let report = load.end().await;
            tell(
                &format!("{}, {file} ({version}), master frozen", name(kind, false)),
                recovery,
                Some(&report),
            );
            assert!(recovery < Duration::from_secs(2), "{recovery:?}");
            assert_eq!(report.failed, []);
            let everybody = rig.servers().iter().chain(rig.sentinels());
            let living: Vec<&Server> = everybody.filter(|server| server.answers()).collect();
            links.check_connections(&living).await;
        }
    }
}
