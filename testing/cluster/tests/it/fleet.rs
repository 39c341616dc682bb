//! Nodes as processes. They are the server of this workspace, which has to be built first: `cargo build -p antiphon`.

use crate::{LIMIT, start};
use antiphon_cluster::{Balancer, Error, Fleet, Kind};
use std::path::PathBuf;

/// The server beside the folder in which cargo puts this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("antiphon");
    assert!(program.exists(), "{} is missing; build it: cargo build -p antiphon", program.display());
    program
}

#[tokio::test]
async fn starts_breaks_and_restarts_nodes() {
    let rig = start(Kind::Standalone, false).await;
    let mut fleet = Fleet::start(&program(), 2, rig.variables()).await.unwrap();
    fleet.wait_ready(LIMIT).await.unwrap();
    let [first, second] = fleet.nodes() else { panic!("two nodes") };
    assert_ne!(first.port, second.port);
    assert!(first.log().unwrap().contains("webui.db"));
    assert!(first.memory().unwrap() > 1 << 20);
    assert!(first.open_files().unwrap() > 3);
    assert_eq!(first.status("/api/v1/auths/").await.unwrap(), 401);

    let balancer = Balancer::start(&fleet.ports()).await.unwrap();
    let pid = first.pid();
    second.freeze().unwrap();
    assert!(matches!(second.status("/health").await, Err(Error::Late { .. })));
    assert!(first.ready().await);
    second.thaw().unwrap();
    second.wait_ready(LIMIT).await.unwrap();

    first.kill().unwrap();
    assert_eq!(first.pid(), None);
    assert!(!first.ready().await);
    // The other one takes the requests of the one that is gone.
    for _ in 0..4 {
        assert_eq!(balancer.status("/health").await.unwrap(), 200);
    }
    first.set("GLOBAL_LOG_LEVEL", "DEBUG");
    first.restart().await.unwrap();
    first.wait_ready(LIMIT).await.unwrap();
    assert_ne!(first.pid(), pid);
    first.wait_logged("listens on", LIMIT).await.unwrap();

    second.terminate().await.unwrap();
    assert_eq!(second.pid(), None);
    assert!(!second.has_logged("panicked"));
    let added = fleet.add(&[("WEBUI_NAME", "third")]).await.unwrap();
    added.wait_ready(LIMIT).await.unwrap();
    let folder = fleet.folder().to_owned();
    drop(fleet);
    assert!(!folder.exists());
}

#[tokio::test]
async fn says_why_a_node_does_not_start() {
    let failed = Fleet::start(&program(), 1, [("PORT", "not a port")]).await.unwrap_err();
    assert!(matches!(&failed, Error::Ended { log, .. } if log.contains("PORT")), "{failed}");
}
