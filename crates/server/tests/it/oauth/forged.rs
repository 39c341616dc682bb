//! Answers and tokens that are not what they seem sign nobody in.

use super::browser::{Browser, parameter};
use super::provider::Provider;
use super::start;
use crate::support::with_sqlite;
use serde_json::json;
use url::Url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_providers_own_token_for_this_sign_in_counts() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        let unverified = "The sign-in could not be verified";
        for change in [
            json!({ "signature": "broken" }),
            json!({ "claims": { "aud": "another client" } }),
            json!({ "claims": { "aud": ["antiphon", "another client"] } }),
            json!({ "claims": { "iss": "http://127.0.0.1:1" } }),
            json!({ "claims": { "nonce": "of another sign-in" } }),
            json!({ "claims": { "exp": 1_700_000_000 } }),
            json!({ "claims": { "iat": 4_000_000_000_u64 } }),
            // The page of the account speaks of another person then.
            json!({ "claims": { "sub": "root" } }),
        ] {
            provider.control(change.clone()).await;
            let problem = Browser::new().sign_in(&node, "ada").await.problem();
            assert!(problem.contains(unverified), "{change}: {problem}");
        }
        provider.control(json!({ "person": { "email": null } })).await;
        let problem = Browser::new().sign_in(&node, "ada").await.problem();
        assert!(problem.contains("no usable e-mail address"), "{problem}");
        provider.control(json!({})).await;
        assert!(Browser::new().sign_in(&node, "ada").await.sets("token"), "the provider itself is believed");
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_another_sign_in_is_not_taken() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        // Somebody has a code of their own account and puts it into another person's answer: PKCE stops it.
        let (mut mine, mut yours) = (Browser::new(), Browser::new());
        let stolen = parameter(&mine.answer(&node, "mallory").await, "code").expect("a code");
        let answer = yours.answer(&node, "ada").await;
        let own = parameter(&answer, "code").expect("a code");
        let injected = Url::parse(&answer.as_str().replace(&own, &stolen)).expect("an address");
        assert!(yours.finish(&node, &injected).await.problem().contains("could not be verified"));

        // An answer that names another issuer is one of another provider (RFC 9207).
        let mut browser = Browser::new();
        let answer = browser.answer(&node, "ada").await;
        let issuer = parameter(&answer, "iss").expect("the issuer");
        let encoded: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
        let mixed =
            Url::parse(&answer.as_str().replace(&encoded, "http%3A%2F%2F127.0.0.1")).expect("an address");
        assert_ne!(mixed, answer);
        assert!(browser.finish(&node, &mixed).await.problem().contains("could not be verified"));

        // A nonce that was changed on the way comes back in the token.
        let mut browser = Browser::new();
        let asked = browser.begin(&node).await.location();
        let nonce = parameter(&asked, "nonce").expect("a nonce");
        let changed = Url::parse(&asked.as_str().replace(&nonce, "mine")).expect("an address");
        let answer = browser.at_provider(&changed, "ada").await;
        assert!(browser.finish(&node, &answer).await.problem().contains("could not be verified"));
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_may_change_its_key() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        assert!(Browser::new().sign_in(&node, "ada").await.sets("token"));
        provider.control(json!({ "rotate": true })).await;
        // Keys are fetched again some seconds after they were fetched last, not at every token.
        let signed_in = crate::support::eventually("the new key is taken", async || {
            Browser::new().sign_in(&node, "ada").await.sets("token").then_some(())
        });
        signed_in.await;
        node.stop().await;
    })
    .await;
}
