//! Three masters and their replicas.

use crate::start;
use antiphon_cluster::Kind;

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
