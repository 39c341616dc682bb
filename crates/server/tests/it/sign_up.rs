//! Making one's own account.

use crate::support::{PASSWORD, Place, claims, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both!(
    the_first_account_is_the_administrator_and_closes_sign_up,
    of_many_who_are_first_at_once_one_gets_in,
    further_accounts_get_the_default_role,
    an_address_belongs_to_one_account,
    malformed_sign_ups_are_refused_in_one_sentence,
);

async fn the_first_account_is_the_administrator_and_closes_sign_up(place: Place) {
    let node = place.start(&[]).await;
    let answer = node.try_sign_up("Ada").await;
    let session = answer.expect(200);
    let id = session["id"].as_str().unwrap();
    assert_eq!(session["role"], "admin");
    assert_eq!(session["name"], "Ada");
    assert_eq!(session["email"], "ada@example.org");
    assert_eq!(session["profile_image_url"], format!("/api/v1/users/{id}/profile/image"));
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["permissions"]["chat"]["delete"], true);
    assert_eq!(session["permissions"]["features"]["api_keys"], false);

    let (token, attributes) = answer.cookie();
    assert_eq!(token, session["token"].as_str().unwrap());
    for attribute in ["httponly", "max-age=2419200", "path=/", "samesite=lax"] {
        assert!(attributes.iter().any(|found| found == attribute), "no {attribute} in {attributes:?}");
    }
    assert!(!attributes.iter().any(|found| found == "secure"), "{attributes:?}");

    let claims = claims(&token);
    assert_eq!(claims["id"], id);
    assert_eq!(claims["typ"], "session");
    assert_eq!(claims["auth_method"], "password");
    assert_eq!(claims["mfa_verified"], false);
    assert_eq!(claims["auth_time"], claims["iat"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 2_419_200);
    assert_eq!(claims["exp"], session["expires_at"]);
    assert!(claims["jti"].is_string() && claims["session_stamp"].is_string(), "{claims}");

    let config = node.client().get("/api/config").await;
    assert_eq!(config.expect(200)["features"]["enable_signup"], false);
    node.try_sign_up("Bob").await.expect_plain(403);
    node.stop().await;
}

async fn of_many_who_are_first_at_once_one_gets_in(place: Place) {
    const CALLERS: usize = 12;
    // With an open default role, so that a second account would be seen to be a user.
    let node = place.start(&[("DEFAULT_USER_ROLE", "user")]).await;
    let names: Vec<String> = (0..CALLERS).map(|number| format!("caller{number}")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| node.try_sign_up(name))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(made.len(), 1, "accounts made");
    assert_eq!(made[0].body["role"], "admin");
    for answer in &refused {
        answer.expect_plain(403);
    }
    let admin = node.account(made[0].body.clone());
    assert_eq!(admin.get("/api/v1/users/").await.expect(200)["total"], 1);
    node.stop().await;
}

async fn further_accounts_get_the_default_role(place: Place) {
    let node = place.start(&[]).await;
    let admin = node.sign_up("Ada").await;
    node.configure(&admin, json!({ "ENABLE_SIGNUP": true })).await;
    let pending = node.try_sign_up("Bob").await;
    assert_eq!(pending.expect(200)["role"], "pending");
    node.configure(&admin, json!({ "DEFAULT_USER_ROLE": "user" })).await;
    let user = node.try_sign_up("Cid").await;
    assert_eq!(user.expect(200)["role"], "user");
    // An invitation stays open until somebody closes it.
    assert_eq!(node.client().get("/api/config").await.body["features"]["enable_signup"], true);
    node.configure(&admin, json!({ "ENABLE_SIGNUP": false })).await;
    node.try_sign_up("Dan").await.expect_plain(403);
    node.stop().await;
}

async fn an_address_belongs_to_one_account(place: Place) {
    let node = place.start(&[]).await;
    let admin = node.sign_up("Ada").await;
    node.configure(&admin, json!({ "ENABLE_SIGNUP": true })).await;
    let form = json!({ "name": "Other", "email": " ADA@example.org", "password": PASSWORD });
    node.client().post("/api/v1/auths/signup", form.clone()).await.expect_plain(400);
    admin.post("/api/v1/auths/add", form).await.expect_plain(400);
    assert_eq!(admin.get("/api/v1/users/").await.body["total"], 1);
    node.stop().await;
}

async fn malformed_sign_ups_are_refused_in_one_sentence(place: Place) {
    let node = place.start(&[]).await;
    let long_name = "n".repeat(201);
    let long_password = "p".repeat(1025);
    let large_picture = format!("data:image/png;base64,{}", "A".repeat(256 * 1024));
    let changes: [(u16, Value); 15] = [
        (422, json!({ "name": null })),
        (422, json!({ "name": "  " })),
        (422, json!({ "name": long_name })),
        (422, json!({ "name": "a\u{0}b" })),
        (422, json!({ "email": 7 })),
        (400, json!({ "email": "nobody" })),
        (400, json!({ "email": "<a@b>" })),
        (422, json!({ "password": ["x"] })),
        (400, json!({ "password": "" })),
        (400, json!({ "password": long_password })),
        (422, json!({ "profile_image_url": "https://example.org/a.png" })),
        (422, json!({ "profile_image_url": "//example.org/a.png" })),
        (422, json!({ "profile_image_url": "javascript:alert(1)" })),
        (422, json!({ "profile_image_url": "data:text/html;base64,PGI+" })),
        (422, json!({ "profile_image_url": large_picture })),
    ];
    for (status, change) in changes {
        let mut form = json!({ "name": "Ada", "email": "ada@example.org", "password": PASSWORD });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = node.client().post("/api/v1/auths/signup", form).await;
        assert_eq!(answer.status, status, "{change:.100}");
        answer.expect_plain(status);
    }
    for body in ["", "{", "[]", "null", "\"text\"", "{\"name\":\"Ada\"}"] {
        let answer = node.client().send(Method::POST, "/api/v1/auths/signup", Some(body.into())).await;
        assert_eq!(answer.status, 422, "{body}");
        answer.expect_plain(422);
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    node.client().send(Method::POST, "/api/v1/auths/signup", Some(large)).await.expect_plain(413);
    // None of them made an account or closed sign-up.
    assert_eq!(node.try_sign_up("Ada").await.expect(200)["role"], "admin");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_can_be_off_from_the_start() {
    crate::support::with_sqlite(|place| async move {
        let node = place.start(&[("ENABLE_SIGNUP", "false")]).await;
        node.try_sign_up("Ada").await.expect_plain(403);
        node.stop().await;

        let node = place.start(&[("ENABLE_SIGNUP", "false"), ("ENABLE_INITIAL_ADMIN_SIGNUP", "true")]).await;
        node.sign_up("Ada").await;
        node.try_sign_up("Bob").await.expect_plain(403);
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_passwords_follow_the_rule_of_the_operator() {
    crate::support::with_sqlite(|place| async move {
        let hint = ("PASSWORD_VALIDATION_HINT", "Use a longer one.");
        let node = place.start(&[("ENABLE_PASSWORD_VALIDATION", "true"), hint]).await;
        let form = json!({ "name": "Ada", "email": "ada@example.org", "password": "weak" });
        let answer = node.client().post("/api/v1/auths/signup", form).await;
        assert_eq!(answer.expect_plain(400), "Use a longer one.");
        let admin = node.sign_up("Ada").await;
        let change = json!({ "password": PASSWORD, "new_password": "weak" });
        assert_eq!(
            admin.post("/api/v1/auths/update/password", change).await.expect_plain(400),
            "Use a longer one."
        );
        admin.check(true).await;
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_can_name_the_administrator() {
    crate::support::with_sqlite(|place| async move {
        let variables = [
            ("WEBUI_ADMIN_EMAIL", "Root@Example.org"),
            ("WEBUI_ADMIN_PASSWORD", PASSWORD),
            ("WEBUI_ADMIN_NAME", "Root"),
        ];
        let node = place.start(&variables).await;
        let answer = node.try_sign_in("root@example.org", PASSWORD).await;
        assert_eq!(answer.expect(200)["role"], "admin");
        assert_eq!(answer.body["name"], "Root");
        node.try_sign_up("Bob").await.expect_plain(403);
        node.stop().await;

        // A later start changes nothing, also with another password.
        let node = place.start(&[variables[0], ("WEBUI_ADMIN_PASSWORD", "another")]).await;
        node.try_sign_in("root@example.org", "another").await.expect_plain(400);
        node.try_sign_in("root@example.org", PASSWORD).await.expect(200);
        node.stop().await;
    })
    .await;
}
