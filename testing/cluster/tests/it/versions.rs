//! Other servers than Debian's Redis: those that `ANTIPHON_TEST_REDIS_SERVERS` names, paths joined by colons, see
//! `scripts/fetch-redis-versions`. They have no TLS.

use crate::{LIMIT, start_with};
use antiphon_cluster::{Kind, Options};
use std::path::Path;

/// Starts each topology of a program, loses its master, and makes it whole again.
async fn serves(program: &Path, kind: Kind) {
    let rig = start_with(Options { program: program.to_owned(), ..Options::new(kind) }).await;
    let old = rig.master().await.unwrap();
    let version = old.info("redis_version").await.unwrap();
    old.freeze().unwrap();
    if kind != Kind::Standalone {
        let new = rig.new_master(old, LIMIT).await.unwrap();
        assert_ne!(new.port, old.port);
    }
    rig.heal().await.unwrap();
    assert_eq!(rig.master().await.unwrap().connected_clients().await.unwrap(), 0);
    println!("{} {kind:?}: redis_version {version}", program.display());
}

#[tokio::test]
async fn serve_in_each_topology() {
    #[expect(clippy::disallowed_methods, reason = "tests are told where these servers are by their caller")]
    let Ok(programs) = std::env::var("ANTIPHON_TEST_REDIS_SERVERS") else {
        println!("skipped: ANTIPHON_TEST_REDIS_SERVERS is not set");
        return;
    };
    for program in programs.split(':').filter(|program| !program.is_empty()).map(Path::new) {
        tokio::join!(
            serves(program, Kind::Standalone),
            serves(program, Kind::Sentinel),
            serves(program, Kind::Cluster),
        );
    }
}
