//! Sign-in through a provider as administrators set it up.

use super::browser::{Browser, address, parameter};
use super::provider::{Provider, SECRET};
use super::start;
use crate::fleet::{LIMIT, at, fleet_at, rig};
use crate::support::{Account, Place, Site, on_both, with_sqlite};
use antiphon_cluster::{Kind, wait_until};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/auths/admin/config/oauth";
const MASK: &str = "********";
const ADMINS_DECIDE: (&str, &str) = ("ENABLE_OAUTH_PERSISTENT_CONFIG", "true");

on_both!(what_an_administrator_sets_up_lasts,);

/// A form that sets this provider up, as a page sends it.
fn form(provider: &Provider) -> Value {
    json!({
        "OPENID_PROVIDER_URL": format!("{}/.well-known/openid-configuration", provider.issuer),
        "OAUTH_CLIENT_ID": "antiphon", "OAUTH_CLIENT_SECRET": SECRET, "OAUTH_PROVIDER_NAME": "Example Id",
        "ENABLE_OAUTH_SIGNUP": true, "OAUTH_TIMEOUT": 5, "OAUTH_AUDIENCE": "chat", "OAUTH_SUB_CLAIM": null,
    })
}

/// The providers that the sign-in page of a site shows.
async fn shown(site: &Site) -> Value {
    site.client().get("/api/config").await.expect(200)["oauth"]["providers"].clone()
}

async fn what_an_administrator_sets_up_lasts(place: Place) {
    let provider = Provider::start().await;
    let node = place.start(&[ADMINS_DECIDE]).await;
    let ada = node.sign_up("Root").await;
    assert_eq!(shown(&node).await, json!({}));
    let before = ada.get(PATH).await.expect(200).clone();
    assert_eq!((&before["OAUTH_CLIENT_SECRET"], &before["OAUTH_TIMEOUT"]), (&json!(""), &json!("")));
    assert_eq!(before["ENABLE_OAUTH_PERSISTENT_CONFIG"], true);

    let after = ada.post(PATH, form(&provider)).await;
    assert!(!String::from_utf8_lossy(&after.bytes).contains(SECRET), "nobody is told the secret");
    let after = after.expect(200).clone();
    assert_eq!((&after["OAUTH_CLIENT_SECRET"], &after["OAUTH_TIMEOUT"]), (&json!(MASK), &json!(5)));
    assert_eq!(after["OAUTH_EMAIL_CLAIM"], before["OAUTH_EMAIL_CLAIM"], "what the form leaves out stays");
    assert_eq!(ada.get(PATH).await.expect(200), &after);
    assert_eq!(shown(&node).await, json!({ "oidc": "Example Id" }));

    // The form sent back as it was shown, with another name: the secret is still the right one.
    let mut renamed = after.clone();
    renamed["OAUTH_PROVIDER_NAME"] = json!("Another Id");
    ada.post(PATH, renamed).await.expect(200);
    let mut browser = Browser::new();
    let asked = browser.begin(&node).await.location();
    assert_eq!(parameter(&asked, "audience").as_deref(), Some("chat"));
    let answer = browser.at_provider(&asked, "ada").await;
    assert!(browser.finish(&node, &answer).await.sets("token"));

    // What does not fit changes nothing.
    for wrong in [
        json!({ "OAUTH_PROVIDER_NAME": "x", "OPENID_PROVIDER_URL": "id.example.org" }),
        json!({ "OAUTH_PROVIDER_NAME": "x", "OAUTH_TIMEOUT": -1 }),
        json!({ "OAUTH_PROVIDER_NAME": "x", "ENABLE_OAUTH": "yes" }),
        json!(["OAUTH_PROVIDER_NAME"]),
    ] {
        let refused = ada.post(PATH, wrong.clone()).await;
        assert_eq!(refused.status, 422, "{wrong}: {}", refused.body);
    }
    assert_eq!(shown(&node).await, json!({ "oidc": "Another Id" }));
    let bob = node.add(&ada, "Bob", "user").await;
    bob.get(PATH).await.expect_plain(401);
    bob.post(PATH, json!({ "ENABLE_OAUTH": false })).await.expect_plain(401);
    node.client().get(PATH).await.expect(401);
    node.stop().await;

    // It outlives the node and wins over the environment, unless the environment is to decide.
    let named = ("OAUTH_PROVIDER_NAME", "By environment");
    let node = place.start(&[ADMINS_DECIDE, named]).await;
    assert_eq!(shown(&node).await, json!({ "oidc": "Another Id" }));
    let root = node.sign_in("Root").await;
    root.post(PATH, json!({ "ENABLE_OAUTH": false })).await.expect(200);
    assert_eq!(shown(&node).await, json!({}));
    node.client().get("/oauth/oidc/login").await.expect_plain(404);
    node.stop().await;
    let node = start(&place, &provider, &[named]).await;
    assert_eq!(shown(&node).await, json!({ "oidc": "By environment" }));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_environment_decides_nobody_changes_it() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        let ada = node.sign_up("Root").await;
        let before = ada.get(PATH).await;
        assert!(!String::from_utf8_lossy(&before.bytes).contains(SECRET), "nobody is told the secret");
        let before = before.expect(200).clone();
        assert_eq!(before["ENABLE_OAUTH_PERSISTENT_CONFIG"], false);
        assert_eq!(before["OAUTH_CLIENT_SECRET"], MASK);
        // Pages send all their forms together; this one asks for nothing.
        assert_eq!(ada.post(PATH, before.clone()).await.expect(200), &before);
        let refused = ada.post(PATH, json!({ "ENABLE_OAUTH": false })).await;
        assert!(refused.expect_plain(400).contains("ENABLE_OAUTH_PERSISTENT_CONFIG=true"));
        assert_eq!(ada.get(PATH).await.expect(200), &before);
        let stored = place.database().await.settings().all().await.expect("the settings").values;
        let stored: Vec<_> = stored.keys().filter(|key| key.starts_with("oauth.")).collect();
        assert!(stored.is_empty(), "the secret of the environment stays there: {stored:?}");
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_up_at_one_node_is_offered_by_every_node() {
    let (rig, provider) = (rig(Kind::Standalone).await, Provider::start().await);
    let fleet = fleet_at(&rig, 2, &[ADMINS_DECIDE]).await;
    let [one, other] = fleet.nodes() else { panic!("two nodes") };
    let (here, there) = (Site::at(one.url()), Site::at(other.url()));
    let root: Account = here.sign_up("Root").await;
    root.post(PATH, form(&provider)).await.expect(200);
    let offered = async || shown(&there).await == json!({ "oidc": "Example Id" });
    wait_until("the other node offers it", LIMIT, offered).await.expect("in time");
    assert_eq!(at(other, &root).get(PATH).await.expect(200)["OAUTH_CLIENT_SECRET"], MASK);
    let mut browser = Browser::new();
    let answer = browser.answer(&there, "ada").await;
    assert_eq!(browser.finish(&here, &answer).await.location(), address(&here, "/auth"));
    assert!(browser.cookie("token").is_some());
    let keeper = rig.keeper().await.expect("a master");
    for (key, expected) in [("oauth.provider_name", "1"), ("oauth.client_secret", "0")] {
        let key = format!("{}:config:{key}", rig.prefix());
        let found = async || keeper.admin(&["EXISTS", &key]).await.expect("an answer").trim() == expected;
        wait_until("operators see the settings, not the secret", LIMIT, found).await.expect("in time");
    }
}
