//! A master, two replicas and three Sentinels.

use crate::start;
use antiphon_cluster::Kind;

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
