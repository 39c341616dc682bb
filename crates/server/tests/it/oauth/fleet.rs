//! A sign-in begun at one node and finished at another.

use super::browser::{Browser, Cookie};
use super::provider::Provider;
use crate::fleet::{fleet_at, rig};
use crate::support::{Site, eventually};
use antiphon_cluster::{Fleet, Kind, Rig};
use std::time::{Duration, Instant};

/// Two nodes at which people sign in through this provider.
async fn nodes(rig: &Rig, provider: &Provider, sessions: bool) -> (Fleet, [Site; 2]) {
    let mut variables = provider.variables();
    variables.push(("ENABLE_STAR_SESSIONS_MIDDLEWARE", sessions.to_string()));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let fleet = fleet_at(rig, 2, &variables).await;
    let sites = [0, 1].map(|index: usize| Site::at(fleet.nodes()[index].url()));
    (fleet, sites)
}

fn attempt(browser: &Browser) -> &Cookie {
    browser.cookie("owui-session").expect("the cookie of the attempt")
}

fn is_id(cookie: &Cookie) -> bool {
    cookie.value.len() == 32 && cookie.value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What Redis has under a key.
async fn at_redis(rig: &Rig, command: &str, key: &str) -> String {
    rig.keeper().await.expect("a master").admin(&[command, key]).await.expect("an answer")
}

async fn is_finished_elsewhere(kind: Kind) {
    let (rig, provider) = (rig(kind).await, Provider::start().await);
    for sessions in [true, false] {
        let (fleet, [first, second]) = nodes(&rig, &provider, sessions).await;
        let mut browser = Browser::new();
        let asked = browser.begin(&first).await.location();
        assert_eq!(is_id(attempt(&browser)), sessions, "{}", attempt(&browser).value);
        let key = format!("{}:session:{}", rig.prefix(), attempt(&browser).value);
        if sessions {
            let left = at_redis(&rig, "TTL", &key).await;
            let left: u64 = left.trim().parse().expect("a number");
            assert!((1..=600).contains(&left), "{left}");
        }
        let answer = browser.at_provider(&asked, "ada").await;
        let mut replayed = browser.clone();
        let page = browser.finish(&second, &answer).await;
        assert!(page.sets("token"), "{}", page.location());
        let token = browser.cookie("token").expect("a session").value.clone();
        for site in [&first, &second] {
            let session = site.client().with_token(&token).get("/api/v1/auths/").await;
            assert_eq!(session.expect(200)["email"], "ada@example.org");
        }
        let problem = replayed.finish(&first, &answer).await.problem();
        assert!(problem.contains("This sign-in is over"), "the other node knows: {problem}");
        if sessions {
            assert_eq!(at_redis(&rig, "EXISTS", &key).await.trim(), "0");
        }
        drop(fleet);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_finished_elsewhere_standalone() {
    is_finished_elsewhere(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_finished_elsewhere_sentinel() {
    is_finished_elsewhere(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_finished_elsewhere_cluster() {
    is_finished_elsewhere(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_holds_no_sign_in_up() {
    let (rig, provider) = (rig(Kind::Standalone).await, Provider::start().await);
    let (fleet, [first, second]) = nodes(&rig, &provider, true).await;
    let mut before = Browser::new();
    let answer = before.answer(&first, "ada").await;
    rig.servers()[0].freeze().expect("frozen");

    // What is in Redis cannot be had; the person learns it and begins again, which works.
    let begin = Instant::now();
    let problem = before.finish(&second, &answer).await.problem();
    assert!(problem.contains("could not be finished right now. Start again"), "{problem}");
    let mut during = Browser::new();
    let asked = during.begin(&first).await.location();
    assert!(!is_id(attempt(&during)), "the attempt travels with the browser");
    let answer = during.at_provider(&asked, "ada").await;
    let page = during.finish(&second, &answer).await;
    assert!(page.sets("token"), "{}", page.location());
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());

    rig.servers()[0].thaw().expect("thawed");
    eventually("attempts are kept in Redis again", async || {
        let mut after = Browser::new();
        after.begin(&first).await;
        is_id(attempt(&after)).then_some(())
    })
    .await;
    drop(fleet);
}
