//! Who may sign in through a provider, and as whom.

use super::browser::Browser;
use super::provider::Provider;
use super::{session, start};
use crate::support::{PASSWORD, with_sqlite};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_only_where_the_operator_says_so() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[("ENABLE_OAUTH_SIGNUP", "false")]).await;
        let problem = Browser::new().sign_in(&node, "ada").await.problem();
        assert!(problem.contains("You have no account on this server"), "{problem}");
        let ada = node.sign_up("Ada").await;
        // The address alone is no proof.
        let problem = Browser::new().sign_in(&node, "ada").await.problem();
        assert!(problem.contains("There is an account with your e-mail address already"), "{problem}");
        node.stop().await;

        let merge = [("OAUTH_MERGE_ACCOUNTS_BY_EMAIL", "true"), ("ENABLE_OAUTH_SIGNUP", "false")];
        let node = start(&place, &provider, &merge).await;
        provider.control(json!({ "person": { "email_verified": false } })).await;
        let problem = Browser::new().sign_in(&node, "ada").await.problem();
        assert!(
            problem.contains("There is an account"),
            "an address that is not proven links nothing: {problem}"
        );
        provider.control(json!({})).await;
        let mut browser = Browser::new();
        browser.sign_in(&node, "ada").await;
        assert_eq!(session(&node, &browser).await["id"], ada.id);
        // The password is good still.
        node.try_sign_in("ada@example.org", PASSWORD).await.expect(200);
        node.stop().await;

        // Once linked, the address does not matter.
        let node = start(
            &place,
            &provider,
            &[("OAUTH_UPDATE_EMAIL_ON_LOGIN", "true"), ("OAUTH_UPDATE_NAME_ON_LOGIN", "true")],
        )
        .await;
        provider.control(json!({ "person": { "email": "Countess@example.org", "name": "Countess" } })).await;
        let mut browser = Browser::new();
        browser.sign_in(&node, "ada").await;
        let now = session(&node, &browser).await;
        assert_eq!(
            (&now["id"], &now["email"], &now["name"]),
            (&json!(ada.id), &json!("countess@example.org"), &json!("Countess"))
        );
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_domains_and_people_who_think_better_of_it_stay_outside() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[("OAUTH_ALLOWED_DOMAINS", "example.org")]).await;
        for name in ["ada@other.org", "ada@sub.example.org", "ada@example.org.evil.com"] {
            let problem = Browser::new().sign_in(&node, name).await.problem();
            assert!(problem.contains("People with your e-mail address may not sign in"), "{name}: {problem}");
        }
        provider.control(json!({ "person": { "email_verified": false } })).await;
        let problem = Browser::new().sign_in(&node, "ada").await.problem();
        assert!(problem.contains("may not sign in"), "anybody may write such an address: {problem}");
        provider.control(json!({})).await;
        let mut browser = Browser::new();
        let asked = browser.begin(&node).await.location();
        let answer = browser.cancel_at_provider(&asked).await;
        let problem = browser.finish(&node, &answer).await.problem();
        assert!(problem.contains("did not let you in"), "{problem}");
        assert!(browser.sign_in(&node, "ada").await.sets("token"));
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_the_provider_are_taken_over_when_they_are_managed_there() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let variables = [
            ("ENABLE_OAUTH_ROLE_MANAGEMENT", "true"),
            ("OAUTH_ALLOWED_ROLES", "staff"),
            ("OAUTH_ADMIN_ROLES", "chief"),
        ];
        let node = start(&place, &provider, &variables).await;
        let roles =
            async |roles: serde_json::Value| provider.control(json!({ "person": { "roles": roles } })).await;
        roles(json!(["guest"])).await;
        assert!(
            Browser::new().sign_in(&node, "ada").await.sets("token"),
            "the first account is the administrator"
        );
        let problem = Browser::new().sign_in(&node, "bob").await.problem();
        assert!(problem.contains("Your roles"), "{problem}");
        for (given, role) in [
            (json!("x, staff"), "user"),
            (json!(["chief", "staff"]), "admin"),
            (json!(null), "admin"),
            (json!(["staff"]), "user"),
        ] {
            roles(given.clone()).await;
            let mut browser = Browser::new();
            browser.sign_in(&node, "bob").await;
            assert_eq!(session(&node, &browser).await["role"], role, "{given}");
        }
        // The last administrator stays one.
        let mut browser = Browser::new();
        browser.sign_in(&node, "ada").await;
        assert_eq!(session(&node, &browser).await["role"], "admin");
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_is_not_the_next_ones() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        let mut of_ada = Browser::new();
        of_ada.sign_in(&node, "ada").await;
        let mut of_bob = Browser::new();
        of_bob.sign_in(&node, "bob").await;
        let bob = session(&node, &of_bob).await["id"].as_str().expect("an id").to_owned();
        let ada = node.client().with_token(&of_ada.cookie("token").expect("a session").value);
        ada.delete(&format!("/api/v1/users/{bob}")).await.expect(200);
        of_bob.sign_in(&node, "bob").await;
        assert_ne!(session(&node, &of_bob).await["id"], bob);
        node.stop().await;
    })
    .await;
}
