//! A master that is lost gets a successor, with Sentinels and in a cluster.

use crate::{LIMIT, start};
use antiphon_cluster::{Kind, wait_until};
use std::time::Instant;

/// Breaks the master of a key, and expects a replica with the key in its place, and the old one among the replicas when it is
/// back.
async fn fails_over(kind: Kind, tls: bool, frozen: bool) {
    let rig = start(kind, tls).await;
    let owner = async || match kind {
        Kind::Cluster => rig.owner("greeting").await,
        _ => rig.master().await,
    };
    // Each master of the cluster has one replica, the only master of Sentinels two.
    let replicas = if kind == Kind::Cluster { "1" } else { "2" };
    let old = owner().await.unwrap();
    old.admin(&["SET", "greeting", "hello"]).await.unwrap();
    assert_eq!(old.admin(&["WAIT", replicas, "5000"]).await.unwrap(), replicas);
    if frozen { old.freeze() } else { old.kill() }.unwrap();
    let begin = Instant::now();
    let new = rig.new_master(old, LIMIT).await.unwrap();
    println!("{kind:?}, tls={tls}, frozen={frozen}: failed over in {:?}", begin.elapsed());
    assert_eq!(owner().await.unwrap().port, new.port);
    assert_eq!(new.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    if frozen {
        old.thaw().unwrap();
    } else {
        old.restart(false).await.unwrap();
    }
    wait_until("the old master follows the new one", LIMIT, async || {
        old.info("role").await.is_ok_and(|role| role == "slave")
            && old.info("master_link_status").await.is_ok_and(|status| status == "up")
    })
    .await
    .unwrap();
}

/// All four at the same time, because most of it is waiting.
async fn fails_over_in_each_way(kind: Kind) {
    tokio::join!(
        fails_over(kind, false, false),
        fails_over(kind, false, true),
        fails_over(kind, true, false),
        fails_over(kind, true, true)
    );
}

#[tokio::test]
async fn sentinels_fail_over_from_a_killed_and_from_a_frozen_master() {
    fails_over_in_each_way(Kind::Sentinel).await;
}

#[tokio::test]
async fn a_cluster_fails_over_from_a_killed_and_from_a_frozen_master() {
    fails_over_in_each_way(Kind::Cluster).await;
}
