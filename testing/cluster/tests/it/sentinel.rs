//! A master, two replicas and three Sentinels.

use crate::{LIMIT, start};
use antiphon_cluster::Kind;

/// Breaks the master, and expects a replica in its place, and the old one among the replicas when it is back.
async fn fails_over(tls: bool, frozen: bool) {
    let rig = start(Kind::Sentinel, tls).await;
    assert_eq!((rig.servers().len(), rig.sentinels().len()), (3, 3));
    let old = rig.master().await.unwrap();
    old.admin(&["SET", "greeting", "hello"]).await.unwrap();
    assert_eq!(old.admin(&["WAIT", "2", "5000"]).await.unwrap(), "2");
    if frozen {
        old.freeze().unwrap();
    } else {
        old.kill().unwrap();
    }
    let begin = std::time::Instant::now();
    let new = rig.new_master(old, LIMIT).await.unwrap();
    println!("tls={tls} frozen={frozen}: failed over in {:?}", begin.elapsed());
    assert_eq!(new.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    new.admin(&["SET", "greeting", "again"]).await.unwrap();
    if frozen {
        old.thaw().unwrap();
    } else {
        old.restart(false).await.unwrap();
    }
    antiphon_cluster::wait_until("the old master follows the new one", LIMIT, async || {
        old.info("role").await.is_ok_and(|role| role == "slave")
            && old.admin(&["GET", "greeting"]).await.is_ok_and(|value| value == "again")
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn fails_over_from_a_killed_and_from_a_frozen_master() {
    // At the same time, because most of it is waiting.
    tokio::join!(
        fails_over(false, false),
        fails_over(false, true),
        fails_over(true, false),
        fails_over(true, true)
    );
}

#[tokio::test]
async fn fails_over_by_hand() {
    let rig = start(Kind::Sentinel, false).await;
    let old = rig.master().await.unwrap();
    let new = rig.fail_over().await.unwrap();
    assert_ne!(old.port, new.port);
    rig.sentinels()[0].freeze().unwrap();
    rig.sentinels()[1].kill().unwrap();
    old.kill().unwrap();
    rig.heal().await.unwrap();
    assert_eq!(rig.master().await.unwrap().port, new.port);
    assert_eq!(old.info("master_link_status").await.unwrap(), "up");
}
