//! How sessions are shown, go on and end.

use crate::support::{PASSWORD, Place, claims, on_both};
use reqwest::{Method, header};
use serde_json::json;

on_both!(
    a_session_is_shown_and_its_cookie_renewed,
    sign_out_ends_one_session_for_good,
    sign_out_always_clears_the_cookie,
    a_new_password_ends_every_session,
    a_wrong_old_password_ends_none,
    an_administrator_ends_all_sessions_of_an_account,
    a_new_role_ends_every_session_and_counts_at_once,
    a_deleted_account_is_out_at_once,
);

async fn a_session_is_shown_and_its_cookie_renewed(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let answer = ada.get("/api/v1/auths/").await;
    let session = answer.expect(200);
    for (name, value) in [
        ("id", json!(ada.id)),
        ("email", json!("ada@example.org")),
        ("role", json!("admin")),
        // The stored picture, unlike in the answer to a sign-in.
        ("profile_image_url", json!("/user.png")),
        ("token", json!(ada.token)),
        ("token_type", json!("Bearer")),
        ("expires_at", ada.session["expires_at"].clone()),
        ("permissions", ada.session["permissions"].clone()),
        ("bio", json!(null)),
        ("gender", json!(null)),
        ("date_of_birth", json!(null)),
        ("status_emoji", json!(null)),
        ("status_message", json!(null)),
        ("status_expires_at", json!(null)),
    ] {
        assert_eq!(session.get(name), Some(&value), "{name}");
    }
    let (token, attributes) = answer.cookie();
    assert_eq!(token, ada.token);
    let max_age = attributes.iter().find_map(|attribute| attribute.strip_prefix("max-age=")).unwrap();
    assert!((2_419_100..=2_419_200).contains(&max_age.parse::<u64>().unwrap()), "{max_age}");

    let by_cookie = node.client().with_cookie(&ada.token).get("/api/v1/auths/").await;
    assert_eq!(by_cookie.expect(200)["id"], ada.id);
    assert_eq!(node.client().get("/api/v1/auths/").await.expect_plain(401), "Not authenticated");
    let forged = format!("{}x", ada.token);
    assert_eq!(
        node.client().with_token(&forged).get("/api/v1/auths/").await.expect_plain(401),
        "Invalid token"
    );
    node.stop().await;
}

async fn sign_out_ends_one_session_for_good(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let other_device = node.sign_in("Ada").await;
    let by_cookie = node.sign_in("Ada").await;
    assert_eq!(
        ada.send(Method::POST, "/api/v1/auths/signout", None).await.expect(200),
        &json!({ "status": true })
    );
    node.client()
        .with_cookie(&by_cookie.token)
        .send(Method::POST, "/api/v1/auths/signout", None)
        .await
        .expect(200);
    ada.check(false).await;
    by_cookie.check(false).await;
    other_device.check(true).await;
    node.stop().await;

    // The same after a restart: what is revoked is known without anything in memory.
    let node = place.start(&[]).await;
    node.client().with_token(&ada.token).get("/api/v1/auths/").await.expect_plain(401);
    node.client().with_cookie(&by_cookie.token).get("/api/v1/auths/").await.expect_plain(401);
    node.client().with_token(&other_device.token).get("/api/v1/auths/").await.expect(200);
    node.stop().await;
}

async fn sign_out_always_clears_the_cookie(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let signed_out = ada.send(Method::POST, "/api/v1/auths/signout", None).await;
    let again = ada.send(Method::POST, "/api/v1/auths/signout", None).await;
    let nobody = node.client().send(Method::POST, "/api/v1/auths/signout", None).await;
    let garbage =
        node.client().with_cookie("garbage").send(Method::POST, "/api/v1/auths/signout", None).await;
    for answer in [signed_out, again, nobody, garbage] {
        answer.expect(200);
        let (token, attributes) = answer.cookie();
        assert_eq!(token, "");
        assert!(attributes.contains(&"max-age=0".to_owned()) && attributes.contains(&"path=/".to_owned()));
    }
    node.stop().await;
}

async fn a_new_password_ends_every_session(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let other = node.sign_in("Ada").await;
    let change = json!({ "password": PASSWORD, "new_password": "another 1" });
    assert_eq!(ada.post("/api/v1/auths/update/password", change).await.expect(200), &json!(true));
    ada.check(false).await;
    other.check(false).await;
    node.try_sign_in(&ada.email, PASSWORD).await.expect_plain(400);
    let answer = node.try_sign_in(&ada.email, "another 1").await;
    assert_ne!(
        claims(answer.expect(200)["token"].as_str().unwrap())["session_stamp"],
        claims(&ada.token)["session_stamp"]
    );
    node.stop().await;

    let node = place.start(&[]).await;
    node.client().with_token(&other.token).get("/api/v1/auths/").await.expect_plain(401);
    node.stop().await;
}

async fn a_wrong_old_password_ends_none(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    for (old, new, status) in [("wrong", "another 1", 400), (PASSWORD, "", 400)] {
        let change = json!({ "password": old, "new_password": new });
        ada.post("/api/v1/auths/update/password", change).await.expect_plain(status);
    }
    for body in ["{}", "[]", "{\"password\":1,\"new_password\":2}"] {
        ada.send(Method::POST, "/api/v1/auths/update/password", Some(body.into())).await.expect_plain(422);
    }
    ada.check(true).await;
    node.sign_in("Ada").await;
    node.stop().await;
}

async fn an_administrator_ends_all_sessions_of_an_account(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    bob.check(true).await;
    let path = format!("/api/v1/users/{}/sessions/revoke", bob.id);
    bob.send(Method::POST, &path, None).await.expect_plain(401);
    assert_eq!(ada.send(Method::POST, &path, None).await.expect(200), &json!(true));
    bob.check(false).await;
    ada.check(true).await;
    ada.send(Method::POST, "/api/v1/users/unknown/sessions/revoke", None).await.expect_plain(400);
    node.stop().await;
}

async fn a_new_role_ends_every_session_and_counts_at_once(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    bob.get("/api/v1/users/user/settings").await.expect(200);
    let path = format!("/api/v1/users/{}/update", bob.id);
    assert_eq!(ada.post(&path, json!({ "role": "pending" })).await.expect(200)["role"], "pending");
    bob.check(false).await;

    let bob = node.sign_in("Bob").await;
    assert_eq!(bob.session["role"], "pending");
    bob.check(true).await;
    for path in ["/api/v1/users/user/settings", "/api/v1/configs/banners", "/api/v1/users/"] {
        bob.get(path).await.expect_plain(401);
    }
    let contact = bob.get("/api/v1/auths/admin/details").await;
    assert_eq!(contact.expect(200), &json!({ "name": "Ada", "email": "ada@example.org" }));

    assert_eq!(ada.post(&path, json!({ "role": "admin" })).await.expect(200)["role"], "admin");
    bob.check(false).await;
    node.sign_in("Bob").await.get("/api/v1/users/").await.expect(200);
    node.stop().await;
}

async fn a_deleted_account_is_out_at_once(place: Place) {
    let node =
        place.start(&[("ENABLE_API_KEYS", "true"), ("USER_PERMISSIONS_FEATURES_API_KEYS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let key = bob.post("/api/v1/auths/api_key", json!({})).await.expect(200)["api_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_key = node.client().with_header(header::HeaderName::from_static("x-api-key"), &key);
    by_key.get("/api/v1/users/user/settings").await.expect(200);

    assert_eq!(ada.delete(&format!("/api/v1/users/{}", bob.id)).await.expect(200), &json!(true));
    bob.check(false).await;
    by_key.get("/api/v1/users/user/settings").await.expect_plain(401);
    node.try_sign_in(&bob.email, PASSWORD).await.expect_plain(400);
    ada.delete(&format!("/api/v1/users/{}", bob.id)).await.expect_plain(400);
    node.stop().await;
}
