//! Signing in.

use crate::support::{PASSWORD, Place, claims, on_both};
use reqwest::{Method, header};
use serde_json::json;

on_both!(
    a_wrong_password_and_an_unknown_account_look_the_same,
    an_address_is_found_in_any_case,
    the_sixteenth_try_in_three_minutes_has_to_wait,
    malformed_sign_ins_are_refused_in_one_sentence,
);

async fn a_wrong_password_and_an_unknown_account_look_the_same(place: Place) {
    let node = place.start(&[]).await;
    node.sign_up("Ada").await;
    let wrong = node.try_sign_in("ada@example.org", "wrong").await;
    let unknown = node.try_sign_in("nobody@example.org", "wrong").await;
    let malformed = node.try_sign_in("nobody", "").await;
    wrong.expect_plain(400);
    assert_eq!((wrong.status, &wrong.bytes), (unknown.status, &unknown.bytes));
    assert_eq!((wrong.status, &wrong.bytes), (malformed.status, &malformed.bytes));
    for answer in [&wrong, &unknown] {
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
    let names = |answer: &crate::support::Answer| -> Vec<String> {
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&wrong), names(&unknown));
    node.stop().await;
}

async fn an_address_is_found_in_any_case(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let answer = node.try_sign_in("  ADA@Example.ORG ", PASSWORD).await;
    assert_eq!(answer.expect(200)["id"], ada.id);
    let (token, _) = answer.cookie();
    assert_ne!(claims(&token)["jti"], claims(&ada.token)["jti"]);
    node.stop().await;
}

async fn the_sixteenth_try_in_three_minutes_has_to_wait(place: Place) {
    const TRIES: usize = 15;
    let node = place.start(&[]).await;
    node.sign_up("Ada").await;
    for _ in 0..TRIES {
        node.try_sign_in("Ada@example.org", "wrong").await.expect_plain(400);
    }
    // The right password does not help, and the address of nobody is limited alike.
    let limited = node.try_sign_in("ada@example.org", PASSWORD).await;
    limited.expect_plain(429);
    let wait: u64 = limited.header(&header::RETRY_AFTER).parse().unwrap();
    assert!((1..=240).contains(&wait), "{wait}");
    for _ in 0..TRIES {
        node.try_sign_in("nobody@example.org", "wrong").await.expect_plain(400);
    }
    node.try_sign_in("nobody@example.org", "wrong").await.expect_plain(429);
    // Others are not in it.
    node.try_sign_in("other@example.org", "wrong").await.expect_plain(400);
    node.stop().await;
}

async fn malformed_sign_ins_are_refused_in_one_sentence(place: Place) {
    let node = place.start(&[]).await;
    node.sign_up("Ada").await;
    let client = node.client();
    let malformed = [
        "",
        "{",
        "[]",
        "null",
        "{\"email\":\"a@b\"}",
        "{\"email\":1,\"password\":\"x\"}",
        "{\"email\":\"a@b\",\"password\":null}",
    ];
    for body in malformed {
        let answer = client.send(Method::POST, "/api/v1/auths/signin", Some(body.into())).await;
        assert_eq!(answer.status, 422, "{body}");
        answer.expect_plain(422);
    }
    // Long ones are refused like wrong ones, and at once.
    let long = "x".repeat(100_000);
    for (email, password) in [(long.as_str(), "x"), ("ada@example.org", long.as_str())] {
        client
            .post("/api/v1/auths/signin", json!({ "email": email, "password": password }))
            .await
            .expect_plain(400);
    }
    client.get("/api/v1/auths/signin").await.expect_plain(405);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_as_the_operator_says() {
    crate::support::with_sqlite(|place| async move {
        let variables = [
            ("WEBUI_AUTH_COOKIE_SECURE", "true"),
            ("WEBUI_AUTH_COOKIE_SAME_SITE", "strict"),
            ("JWT_EXPIRES_IN", "-1"),
        ];
        let node = place.start(&variables).await;
        let answer = node.try_sign_up("Ada").await;
        assert_eq!(answer.expect(200)["expires_at"], json!(null));
        let (token, attributes) = answer.cookie();
        assert!(claims(&token).get("exp").is_none());
        assert!(
            attributes.contains(&"secure".to_owned()) && attributes.contains(&"samesite=strict".to_owned())
        );
        assert!(!attributes.iter().any(|attribute| attribute.starts_with("max-age")), "{attributes:?}");
        node.account(answer.body).check(true).await;
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_can_be_switched_off() {
    crate::support::with_sqlite(|place| async move {
        let node = place.start(&[]).await;
        let ada = node.sign_up("Ada").await;
        node.stop().await;
        let node = place.start(&[("ENABLE_PASSWORD_AUTH", "false")]).await;
        node.try_sign_in(&ada.email, PASSWORD).await.expect_plain(403);
        node.try_sign_up("Bob").await.expect_plain(403);
        assert_eq!(node.client().get("/api/config").await.body["features"]["enable_login_form"], false);
        node.client().with_token(&ada.token).get("/api/v1/auths/").await.expect(200);
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sign_in_everybody_is_the_one_administrator() {
    crate::support::with_sqlite(|place| async move {
        let node = place.start(&[("WEBUI_AUTH", "false")]).await;
        let config = node.client().get("/api/config").await;
        assert_eq!(config.expect(200)["features"]["auth"], false);
        assert!(config.body.get("onboarding").is_none());
        let first = node.client().send(Method::POST, "/api/v1/auths/signin", None).await;
        let second = node.try_sign_in("", "").await;
        assert_eq!(first.expect(200)["role"], "admin");
        assert_eq!(first.body["id"], second.expect(200)["id"]);
        assert_eq!(second.body["email"], "admin@localhost");
        node.try_sign_up("Bob").await.expect_plain(403);
        let admin = node.account(first.body);
        assert_eq!(admin.get("/api/v1/users/").await.expect(200)["total"], 1);
        node.stop().await;

        // Once sign-in is asked for, no password opens that account.
        let node = place.start(&[]).await;
        for password in ["", "admin"] {
            node.try_sign_in("admin@localhost", password).await.expect_plain(400);
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_stays_on_where_people_have_accounts() {
    crate::support::with_sqlite(|place| async move {
        let node = place.start(&[]).await;
        node.sign_up("Ada").await;
        node.stop().await;
        let node = place.start(&[("WEBUI_AUTH", "false")]).await;
        assert!(node.try_sign_in("", "").await.expect_plain(400).contains("WEBUI_AUTH"));
        node.stop().await;
    })
    .await;
}
