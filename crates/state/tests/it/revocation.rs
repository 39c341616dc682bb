//! Revocations and servers of another kind: marks in Redis, found and left.

use std::time::Duration;

use antiphon_cluster::{Kind, Rig};
use antiphon_state::revocation::{Revoked, RevokedToken};
use antiphon_state::{Clock, Revocations};
use tokio::time::timeout;

use crate::presence::support::{Member, soon};

async fn revocations(member: &Member) -> Revocations {
    Revocations::fleet(Clock::system(), member.exchange.clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_another_server_revoked_is_found_within_a_second_or_so() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let member = Member::start(&rig, &[]).await;
    let (heeds, does_not) = (revocations(&member).await, revocations(&member).await);
    heeds.heed_others();
    let mut events = heeds.subscribe();
    assert_eq!(heeds.look_up("a", "ada", Some(u64::MAX)).await, None);
    server.admin(&["SET", "open-webui:auth:token:a:revoked", "1", "EX", "100"]).await.expect("written");
    let expected = RevokedToken { token_id: "a".into(), user_id: "ada".into(), expires_at: Some(u64::MAX) };
    let mut found = None;
    let took = soon("the mark is found", async || {
        found = heeds.look_up("a", "ada", Some(u64::MAX)).await;
        found.is_some()
    })
    .await;
    assert!(took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(found, Some(expected));
    assert!(heeds.is_revoked("a", "ada", Some(1)));
    assert!(!heeds.is_revoked("b", "ada", Some(1)), "another session of the user goes on");
    assert_eq!(events.try_recv(), Ok(Revoked::Token { token_id: "a".into(), user_id: "ada".into() }));
    // Known now: nobody is asked, and nobody is told again.
    server.admin(&["DEL", "open-webui:auth:token:a:revoked"]).await.expect("removed");
    assert_eq!(heeds.look_up("a", "ada", Some(u64::MAX)).await, None);
    assert!(heeds.is_revoked("a", "ada", Some(1)));
    assert!(events.is_empty());
    server.admin(&["SET", "open-webui:auth:token:b:revoked", "1", "EX", "100"]).await.expect("written");
    assert_eq!(does_not.look_up("b", "ada", None).await, None);
    assert!(!does_not.is_revoked("b", "ada", None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_on_a_user_refuses_what_was_issued_up_to_it() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let member = Member::start(&rig, &[]).await;
    let heeds = revocations(&member).await;
    heeds.heed_others();
    let mut events = heeds.subscribe();
    rig.servers()[0].admin(&["SET", "open-webui:auth:user:ada:revoked_at", "1000"]).await.expect("written");
    assert_eq!(heeds.look_up("a", "ada", None).await, None);
    assert_eq!(heeds.look_up("b", "ada", None).await, None);
    assert!(heeds.is_revoked("a", "ada", Some(1000)) && !heeds.is_revoked("a", "ada", Some(1001)));
    assert_eq!(events.try_recv(), Ok(Revoked::Changed { user_id: "ada".into() }));
    assert!(events.is_empty(), "told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_frozen_a_look_is_short_and_finds_nothing() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let member = Member::start(&rig, &[]).await;
    let heeds = revocations(&member).await;
    heeds.heed_others();
    server.admin(&["SET", "open-webui:auth:token:a:revoked", "1"]).await.expect("written");
    server.freeze().expect("frozen");
    let looked = timeout(Duration::from_millis(500), heeds.look_up("a", "ada", None)).await;
    server.thaw().expect("thawed");
    assert_eq!(looked.expect("in time"), None);
    soon("it is found afterwards", async || heeds.look_up("a", "ada", None).await.is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_servers_are_to_be_told_only_where_it_was_revoked_and_once_the_mark_is_there() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (one, two) = (Member::start(&rig, &[]).await, Member::start(&rig, &[]).await);
    let (here, there) = (revocations(&one).await, revocations(&two).await);
    let (mut events, mut elsewhere) = (here.subscribe(), there.subscribe());
    let token = RevokedToken { token_id: "a".into(), user_id: "ada".into(), expires_at: None };
    let revoking = tokio::spawn(async move { here.revoke_token(token).await });
    let of_token = Ok(Revoked::Token { token_id: "a".into(), user_id: "ada".into() });
    assert_eq!(events.recv().await, of_token);
    assert_eq!(events.recv().await, Ok(Revoked::Told { user_id: "ada".into() }));
    let mark = rig.servers()[0].admin(&["GET", "open-webui:auth:token:a:revoked"]).await.expect("answered");
    assert_eq!(mark.trim(), "1");
    revoking.await.expect("revoked");
    assert_eq!(elsewhere.recv().await, of_token);
    assert!(elsewhere.is_empty());
}
