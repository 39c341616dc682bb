//! One server.

use antiphon_cluster::{Kind, Options, Rig, wait_until};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn starts_and_ends() {
    let begin = Instant::now();
    let rig = Rig::start(Kind::Standalone, false).await.unwrap();
    println!("started in {:?}", begin.elapsed());
    let server = rig.master().await.unwrap();
    assert_eq!(server.admin(&["SET", "greeting", "hello"]).await.unwrap(), "OK");
    assert_eq!(server.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    let (pid, folder) = (server.pid().unwrap(), rig.folder().to_owned());
    server.freeze().unwrap();
    drop(rig);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_restart_without_keep_is_empty() {
    let rig = Rig::with(Options { persistent: true, ..Options::new(Kind::Standalone) }).await.unwrap();
    let server = &rig.servers()[0];
    server.admin(&["SET", "greeting", "hello"]).await.unwrap();
    server.restart(true).await.unwrap();
    assert_eq!(server.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    server.restart(false).await.unwrap();
    assert_eq!(server.admin(&["DBSIZE"]).await.unwrap(), "0");
    wait_until("nobody is connected", LIMIT, async || server.connected_clients().await.unwrap() == 0)
        .await
        .unwrap();
}
