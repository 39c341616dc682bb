//! Work that one node does at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Rig};
use antiphon_state::Locks;

use crate::presence::support::{Member, members, soon};

/// Lifetime of the locks of these tests.
const LIFETIME: Duration = Duration::from_millis(900);

async fn one_at_a_time(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let (inside, last, turns) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = [&a, &b, &a, &b]
        .into_iter()
        .map(|member| {
            let locks = Locks::new(member.exchange.clone());
            let (inside, last, turns) = (inside.clone(), last.clone(), turns.clone());
            tokio::spawn(async move {
                let begin = Instant::now();
                while turns.load(Ordering::SeqCst) < 40 {
                    assert!(begin.elapsed() < Duration::from_secs(20), "{turns:?} turns");
                    let Some(held) = locks.take("work", LIFETIME).await.unwrap() else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                    assert!(last.swap(held.fence(), Ordering::SeqCst) < held.fence(), "the number grows");
                    turns.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    held.release().await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_holder_at_a_time() {
    one_at_a_time(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_holder_at_a_time_with_sentinel() {
    one_at_a_time(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_holder_at_a_time_in_a_cluster() {
    one_at_a_time(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_renewed_and_lost_when_another_takes_it() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let (here, there) = (Locks::new(a.exchange.clone()), Locks::new(b.exchange.clone()));
    let held = here.take("work", LIFETIME).await.unwrap().expect("free");
    let begin = Instant::now();
    soon("it outlives its lifetime", async || {
        assert!(there.take("work", LIFETIME).await.unwrap().is_none());
        begin.elapsed() > 2 * LIFETIME
    })
    .await;
    assert!(!held.lost().is_cancelled());
    assert!(there.take("other work", LIFETIME).await.unwrap().is_some());
    rig.servers()[0].admin(&["FLUSHALL"]).await.unwrap();
    let second = there.take("work", LIFETIME).await.unwrap().expect("nobody knows of the first");
    assert!(second.fence() > held.fence(), "even after a flush");
    soon("the first holder learns of it", async || held.lost().is_cancelled()).await;
    held.release().await;
    assert!(
        here.take("work", LIFETIME).await.unwrap().is_none(),
        "the first holder has not ended the second's lock"
    );
    drop(second);
    soon("a dropped lock is given back", async || here.take("work", LIFETIME).await.unwrap().is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_ends_without_its_holder_and_is_lost_while_redis_is_frozen() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = members(&rig).await;
    let there = Locks::new(b.exchange.clone());
    let held = Locks::new(a.exchange.clone()).take("work", LIFETIME).await.unwrap().expect("free");
    rig.servers()[0].freeze().unwrap();
    let begin = Instant::now();
    soon("the holder stops in time", async || held.lost().is_cancelled()).await;
    assert!(begin.elapsed() < LIFETIME + Duration::from_millis(500), "{:?}", begin.elapsed());
    rig.servers()[0].thaw().unwrap();
    soon("another has it", async || matches!(there.take("work", LIFETIME).await, Ok(Some(_)))).await;

    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let c = Member::start(&rig, &[]).await;
    let server = &rig.servers()[0];
    server
        .admin(&["SET", "open-webui:antiphon:lock:work", "a holder that was killed", "PX", "900"])
        .await
        .unwrap();
    let locks = Locks::new(c.exchange.clone());
    assert!(locks.take("work", LIFETIME).await.unwrap().is_none());
    soon("it has ended", async || locks.take("work", LIFETIME).await.unwrap().is_some()).await;
}
