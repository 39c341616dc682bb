//! Three masters and their replicas.

use crate::{LIMIT, start};
use antiphon_cluster::Kind;

/// Breaks the master of a key, and expects its replica in its place, and the old one as a replica when it is back.
async fn fails_over(tls: bool, frozen: bool) {
    let rig = start(Kind::Cluster, tls).await;
    assert_eq!(rig.servers().len(), 6);
    let old = rig.owner("greeting").await.unwrap();
    old.admin(&["SET", "greeting", "hello"]).await.unwrap();
    assert_eq!(old.admin(&["WAIT", "1", "5000"]).await.unwrap(), "1");
    if frozen {
        old.freeze().unwrap();
    } else {
        old.kill().unwrap();
    }
    let begin = std::time::Instant::now();
    let new = rig.new_master(old, LIMIT).await.unwrap();
    println!("tls={tls} frozen={frozen}: failed over in {:?}", begin.elapsed());
    assert_eq!(rig.owner("greeting").await.unwrap().port, new.port);
    assert_eq!(new.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    if frozen {
        old.thaw().unwrap();
    } else {
        old.restart(false).await.unwrap();
    }
    antiphon_cluster::wait_until("the old master follows the new one", LIMIT, async || {
        old.info("role").await.is_ok_and(|role| role == "slave")
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
async fn moves_a_slot() {
    let rig = start(Kind::Cluster, false).await;
    let from = rig.owner("greeting").await.unwrap();
    from.admin(&["SET", "greeting", "hello"]).await.unwrap();
    let slot: u16 = from.admin(&["CLUSTER", "KEYSLOT", "greeting"]).await.unwrap().parse().unwrap();
    let to = rig.servers()[..3].iter().find(|server| server.port != from.port).unwrap();
    let moving = rig.move_slot(slot, to).await.unwrap();
    let ask = from.admin(&["GET", "{greeting}none"]).await.unwrap_err().to_string();
    assert!(ask.contains("ASK"), "{ask}");
    assert_eq!(moving.keys().await.unwrap(), 1);
    moving.finish().await.unwrap();
    assert_eq!(rig.owner("greeting").await.unwrap().port, to.port);
    assert_eq!(to.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    let moved = from.admin(&["GET", "greeting"]).await.unwrap_err().to_string();
    assert!(moved.contains("MOVED"), "{moved}");
}

#[tokio::test]
async fn fails_over_by_hand() {
    let rig = start(Kind::Cluster, false).await;
    let old = rig.master().await.unwrap();
    let new = rig.fail_over().await.unwrap();
    assert_ne!(old.port, new.port);
    assert_eq!(rig.master().await.unwrap().port, new.port);
    rig.servers()[1].kill().unwrap();
    rig.servers()[2].freeze().unwrap();
    rig.heal().await.unwrap();
    for slot in [0, 8_000, 16_383] {
        rig.slot_owner(slot).await.unwrap();
    }
}
