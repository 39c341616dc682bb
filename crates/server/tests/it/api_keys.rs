//! API keys: made, used, restricted, taken away.

use crate::support::{Place, on_both};
use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::json;

on_both!(
    a_key_lives_until_it_is_replaced_or_deleted,
    keys_are_for_whom_the_server_allows,
    keys_keep_to_their_paths
);

const PATH: &str = "/api/v1/auths/api_key";

async fn a_key_lives_until_it_is_replaced_or_deleted(place: Place) {
    let node = place.start(&[("ENABLE_API_KEYS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    ada.get(PATH).await.expect_plain(404);
    let key = |answer: &crate::support::Answer| answer.expect(200)["api_key"].as_str().unwrap().to_owned();
    let first = key(&ada.send(Method::POST, PATH, None).await);
    let digits = first.strip_prefix("sk-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_eq!(key(&ada.get(PATH).await), first);

    let bearer = node.client().with_token(&first);
    let header = node.client().with_header(HeaderName::from_static("x-api-key"), &first);
    for client in [&bearer, &header] {
        client.get("/api/v1/users/").await.expect(200);
        // What belongs to a person at a page is closed to keys.
        client.get("/api/v1/auths/").await.expect_plain(403);
    }
    // Signing out with a key ends nothing.
    bearer.send(Method::POST, "/api/v1/auths/signout", None).await.expect(200);
    ada.check(true).await;

    let second = key(&ada.send(Method::POST, PATH, None).await);
    assert_ne!(first, second);
    bearer.get("/api/v1/users/").await.expect_plain(401);
    let bearer = node.client().with_token(&second);
    bearer.get("/api/v1/users/").await.expect(200);

    assert_eq!(ada.delete(PATH).await.expect(200), &json!(true));
    bearer.get("/api/v1/users/").await.expect_plain(401);
    assert_eq!(ada.delete(PATH).await.expect(200), &json!(false));
    ada.get(PATH).await.expect_plain(404);
    node.stop().await;
}

async fn keys_are_for_whom_the_server_allows(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    for account in [&ada, &bob] {
        account.get(PATH).await.expect_plain(403);
        account.send(Method::POST, PATH, None).await.expect_plain(403);
    }
    node.configure(&ada, json!({ "ENABLE_API_KEYS": true })).await;
    ada.get(PATH).await.expect_plain(404);
    bob.send(Method::POST, PATH, None).await.expect_plain(403);

    let permissions = "/api/v1/users/default/permissions";
    let granted = ada.post(permissions, json!({ "features": { "api_keys": true } })).await;
    assert_eq!(granted.expect(200)["features"]["api_keys"], true);
    let key = bob.send(Method::POST, PATH, None).await.expect(200)["api_key"].as_str().unwrap().to_owned();
    let by_key = node.client().with_token(&key);
    by_key.get("/api/v1/users/user/settings").await.expect(200);
    by_key.get("/api/v1/users/").await.expect_plain(401);

    // A key is no better than the permission of its owner, or the switch.
    ada.post(permissions, json!({})).await.expect(200);
    by_key.get("/api/v1/users/user/settings").await.expect_plain(403);
    ada.post(permissions, json!({ "features": { "api_keys": true } })).await.expect(200);
    by_key.get("/api/v1/users/user/settings").await.expect(200);
    node.configure(&ada, json!({ "ENABLE_API_KEYS": false })).await;
    by_key.get("/api/v1/users/user/settings").await.expect_plain(403);
    // Taking it away works even so.
    assert_eq!(bob.delete(PATH).await.expect(200), &json!(true));
    node.stop().await;
}

async fn keys_keep_to_their_paths(place: Place) {
    let node = place.start(&[("ENABLE_API_KEYS", "true")]).await;
    let ada = node.sign_up("Ada").await;
    let key = ada.send(Method::POST, PATH, None).await.expect(200)["api_key"].as_str().unwrap().to_owned();
    let by_key = node.client().with_token(&key);
    by_key.get("/api/v1/configs/banners").await.expect(200);
    let restricted = json!({
        "ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS": true,
        "API_KEYS_ALLOWED_ENDPOINTS": "/api/v1/users, /api/v1/configs/models",
    });
    node.configure(&ada, restricted).await;
    by_key.get("/api/v1/users/").await.expect(200);
    by_key.get("/api/v1/users/user/settings").await.expect(200);
    by_key.get("/api/v1/configs/models").await.expect(200);
    by_key.get("/api/v1/configs/banners").await.expect_plain(403);
    // The restriction is for keys alone.
    ada.get("/api/v1/configs/banners").await.expect(200);
    node.stop().await;
}
