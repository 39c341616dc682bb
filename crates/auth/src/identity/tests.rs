use std::time::Duration;

use super::*;
use crate::Role;
use crate::error::AuthError;
use crate::testing::FakeAccounts;

/// Lets the tasks that the cache started run as far as they can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn cache() -> (IdentityCache, Arc<FakeAccounts>) {
    let accounts = Arc::new(FakeAccounts::default());
    accounts.add("ada", Role::User);
    (IdentityCache::new(accounts.clone()), accounts)
}

async fn name(cache: &IdentityCache) -> String {
    cache.get("ada").await.unwrap().unwrap().name.clone()
}

#[tokio::test(start_paused = true)]
async fn many_requests_cost_one_load() {
    let (cache, accounts) = cache();
    for _ in 0..100 {
        cache.get("ada").await.unwrap().unwrap();
    }
    tokio::time::advance(MAX_AGE / 2).await;
    cache.get("ada").await.unwrap().unwrap();
    assert_eq!(accounts.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_at_once_share_the_load() {
    let (cache, accounts) = cache();
    accounts.set_delay(Duration::from_millis(50));
    let gets = (0..20).map(|_| cache.get("ada"));
    for found in futures_util::future::join_all(gets).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!(accounts.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_identity_is_served_while_it_is_loaded_again() {
    let (cache, accounts) = cache();
    assert_eq!(name(&cache).await, "ada");
    accounts.rename("ada", "Ada");
    tokio::time::advance(MAX_AGE).await;
    assert_eq!(name(&cache).await, "ada");
    settle().await;
    assert_eq!(name(&cache).await, "Ada");
    assert_eq!(accounts.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_identity_nobody_asked_for_in_a_while_is_loaded_before_it_is_served() {
    let (cache, accounts) = cache();
    name(&cache).await;
    accounts.rename("ada", "Ada");
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(name(&cache).await, "Ada");
}

#[tokio::test(start_paused = true)]
async fn invalidation_takes_effect_at_once() {
    let (cache, accounts) = cache();
    name(&cache).await;
    accounts.rename("ada", "Ada");
    cache.invalidate("ada");
    assert_eq!(name(&cache).await, "Ada");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_the_change_is_not_kept() {
    let (cache, accounts) = cache();
    let cache = Arc::new(cache);
    accounts.set_delay(Duration::from_millis(50));
    let early = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { name(&cache).await }
    });
    settle().await;
    // The fake has read its row by now and is on its way back.
    accounts.rename("ada", "Ada");
    cache.invalidate("ada");
    assert_eq!(early.await.unwrap(), "ada");
    assert_eq!(name(&cache).await, "Ada");
    assert_eq!(accounts.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_stop_the_load_for_others() {
    let (cache, accounts) = cache();
    accounts.set_delay(Duration::from_millis(50));
    tokio::time::timeout(Duration::from_millis(10), cache.get("ada")).await.unwrap_err();
    assert_eq!(name(&cache).await, "ada");
    assert_eq!(accounts.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn known_identities_outlive_an_outage_up_to_the_limit() {
    let (cache, accounts) = cache();
    name(&cache).await;
    accounts.set_down(true);
    let mut waited = Duration::ZERO;
    while waited + Duration::from_secs(30) < OUTAGE_LIMIT {
        tokio::time::advance(Duration::from_secs(30)).await;
        waited += Duration::from_secs(30);
        assert_eq!(name(&cache).await, "ada");
        settle().await;
    }
    assert!(matches!(cache.get("bob").await, Err(AuthError::Unavailable)));
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(matches!(cache.get("ada").await, Err(AuthError::Unavailable)));
    accounts.set_down(false);
    assert_eq!(name(&cache).await, "ada");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_not_asked_for_every_request() {
    let (cache, accounts) = cache();
    name(&cache).await;
    accounts.set_down(true);
    tokio::time::advance(MAX_AGE * 3).await;
    let before = accounts.loads();
    for _ in 0..100 {
        name(&cache).await;
    }
    assert_eq!(accounts.loads() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_is_given_up() {
    let (cache, accounts) = cache();
    accounts.set_delay(Duration::from_hours(1));
    let started = tokio::time::Instant::now();
    assert!(matches!(cache.get("ada").await, Err(AuthError::Unavailable)));
    assert_eq!(started.elapsed(), LOAD_TIMEOUT);
    accounts.set_delay(Duration::ZERO);
    assert_eq!(name(&cache).await, "ada");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_does_not_block_the_next() {
    let (cache, accounts) = cache();
    accounts.set_panics(true);
    assert!(matches!(cache.get("ada").await, Err(AuthError::Unavailable)));
    accounts.set_panics(false);
    assert_eq!(name(&cache).await, "ada");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_account_is_remembered_for_a_moment() {
    let (cache, accounts) = cache();
    for _ in 0..10 {
        assert!(cache.get("nobody").await.unwrap().is_none());
    }
    assert_eq!(accounts.loads(), 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    accounts.add("nobody", Role::User);
    assert!(cache.get("nobody").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_cache_stays_bounded_and_purges_what_is_too_old() {
    let (cache, _) = cache();
    for n in 0..MAX_IDENTITIES + 5_000 {
        assert!(cache.get(&format!("u{n}")).await.unwrap().is_none());
    }
    assert!(cache.len() <= MAX_IDENTITIES);
    tokio::time::advance(OUTAGE_LIMIT).await;
    cache.purge();
    assert_eq!(cache.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_accounts_are_loaded_with_one_call() {
    let (cache, accounts) = cache();
    let ids: Vec<String> = (0..500).map(|number| format!("user-{number}")).collect();
    for id in &ids {
        accounts.add(id, Role::User);
    }
    cache.get("ada").await.unwrap().unwrap();
    let all: Vec<&str> = ids.iter().map(String::as_str).chain(["ada", "nobody"]).collect();
    cache.load_many(&all).await.unwrap();
    assert_eq!(accounts.loads(), 2);
    for id in &ids {
        assert_eq!(&*cache.get(id).await.unwrap().unwrap().id, id.as_str());
    }
    assert!(cache.get("nobody").await.unwrap().is_none());
    cache.load_many(&all).await.unwrap();
    assert_eq!(accounts.loads(), 2, "nothing is left to be loaded");
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_many_are_loaded_waits_for_the_same_load() {
    let (cache, accounts) = cache();
    accounts.set_delay(Duration::from_millis(50));
    let (many, one) = tokio::join!(cache.load_many(&["ada", "bob"]), async {
        tokio::task::yield_now().await;
        cache.get("ada").await
    });
    assert!(many.is_ok() && one.unwrap().is_some());
    assert_eq!(accounts.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_while_many_are_loaded_is_not_covered_by_them() {
    let (cache, accounts) = cache();
    accounts.set_delay(Duration::from_millis(50));
    let (many, ()) = tokio::join!(cache.load_many(&["ada"]), async {
        settle().await;
        accounts.rename("ada", "Ada");
        cache.invalidate("ada");
    });
    many.unwrap();
    assert_eq!(name(&cache).await, "Ada");
}

#[tokio::test(start_paused = true)]
async fn many_accounts_that_cannot_be_loaded_are_told_so_once() {
    let (cache, accounts) = cache();
    accounts.set_down(true);
    assert!(matches!(cache.load_many(&["ada", "bob"]).await, Err(AuthError::Unavailable)));
    assert_eq!(accounts.loads(), 1);
    accounts.set_down(false);
    assert_eq!(name(&cache).await, "ada", "the next one tries again");
    accounts.set_panics(true);
    assert!(cache.load_many(&["bob"]).await.is_err());
}
