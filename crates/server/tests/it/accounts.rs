//! Accounts as administrators see and change them, and as others see them.

use crate::support::{PASSWORD, Place, on_both};
use reqwest::Method;
use serde_json::json;

on_both!(
    administrators_list_and_search_accounts,
    long_lists_have_pages,
    administrators_change_accounts,
    a_refused_change_changes_nothing,
    the_last_administrator_stays,
    others_see_what_everybody_may_know,
    adding_an_account_needs_a_whole_form,
);

async fn administrators_list_and_search_accounts(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    node.add(&ada, "Bob", "user").await;
    node.add(&ada, "Cid", "pending").await;
    let list = ada.get("/api/v1/users/?page=1&order_by=created_at&direction=asc").await;
    let list = list.expect(200);
    assert_eq!(list["total"], 3);
    let first = list["users"].as_array().unwrap().iter().find(|user| user["id"] == ada.id.as_str()).unwrap();
    for (name, value) in [
        ("email", json!("ada@example.org")),
        ("role", json!("admin")),
        ("username", json!(null)),
        ("profile_image_url", json!("/user.png")),
        ("settings", json!(null)),
        ("oauth", json!(null)),
        ("group_ids", json!([])),
    ] {
        assert_eq!(first.get(name), Some(&value), "{name}");
    }
    assert!(first.get("password_hash").is_none() && first["last_active_at"].is_i64(), "{first}");

    let names = |answer: &serde_json::Value| -> Vec<String> {
        answer["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for (query, expected) in [
        ("order_by=name&direction=desc", vec!["Cid", "Bob", "Ada"]),
        ("order_by=email&direction=asc", vec!["Ada", "Bob", "Cid"]),
        ("query=BOB", vec!["Bob"]),
        ("query=%25", vec![]),
        ("query=", vec!["Ada", "Bob", "Cid"]),
        ("page=2", vec![]),
    ] {
        let answer = ada.get(&format!("/api/v1/users/?{query}")).await;
        let mut found = names(answer.expect(200));
        if !query.contains("order_by") {
            found.sort();
        }
        assert_eq!(found, expected, "{query}");
    }
    let long = "q".repeat(201);
    for query in ["order_by=password", "direction=up", "page=-1", "page=x", &format!("query={long}")] {
        ada.get(&format!("/api/v1/users/?{query}")).await.expect(422);
    }
    let all = ada.get("/api/v1/users/all").await;
    assert_eq!(all.expect(200)["total"], 3);
    assert_eq!(names(&all.body), ["Ada", "Bob", "Cid"]);
    node.stop().await;
}

async fn long_lists_have_pages(place: Place) {
    const ACCOUNTS: usize = 32;
    const PAGE: usize = 30;
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    for number in 1..ACCOUNTS {
        let form = json!({ "name": format!("user{number}"), "email": format!("user{number}@example.org"), "password": PASSWORD });
        ada.post("/api/v1/auths/add", form).await.expect(200);
    }
    let mut ids = std::collections::HashSet::new();
    for (page, expected) in [(1, PAGE), (2, ACCOUNTS - PAGE), (3, 0)] {
        let answer = ada.get(&format!("/api/v1/users/?page={page}&order_by=name&direction=asc")).await;
        assert_eq!(answer.expect(200)["total"], ACCOUNTS);
        let users = answer.body["users"].as_array().unwrap();
        assert_eq!(users.len(), expected);
        ids.extend(users.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), ACCOUNTS);
    let all = ada.get("/api/v1/users/all").await;
    assert_eq!(all.expect(200)["users"].as_array().unwrap().len(), ACCOUNTS);
    node.stop().await;
}

async fn administrators_change_accounts(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let path = format!("/api/v1/users/{}/update", bob.id);
    let form = json!({ "role": "user", "name": " Robert ", "email": "Robert@example.org", "profile_image_url": "/user.png" });
    let changed = ada.post(&path, form).await;
    assert_eq!(changed.expect(200)["name"], "Robert");
    assert_eq!(changed.body["email"], "robert@example.org");
    // Name and address are no reason to end a session.
    assert_eq!(bob.get("/api/v1/auths/").await.expect(200)["name"], "Robert");
    node.try_sign_in("bob@example.org", PASSWORD).await.expect_plain(400);
    node.try_sign_in("robert@example.org", PASSWORD).await.expect(200);

    ada.post(&path, json!({ "password": "another 1" })).await.expect(200);
    bob.check(false).await;
    node.try_sign_in("robert@example.org", PASSWORD).await.expect_plain(400);
    node.try_sign_in("robert@example.org", "another 1").await.expect(200);
    // Empty means unchanged, as the form of the page sends it.
    ada.post(&path, json!({ "password": "", "name": "Bob" })).await.expect(200);
    node.try_sign_in("robert@example.org", "another 1").await.expect(200);
    node.stop().await;
}

async fn a_refused_change_changes_nothing(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let path = format!("/api/v1/users/{}/update", bob.id);
    for (status, form) in [
        (400, json!({ "role": "admin", "email": "ada@example.org" })),
        (400, json!({ "role": "admin", "email": "nobody" })),
        (422, json!({ "role": "admin", "name": "" })),
        (422, json!({ "role": "root", "name": "Robert" })),
        (422, json!({ "role": "admin", "profile_image_url": "https://example.org/a.png" })),
        (400, json!({ "role": "admin", "password": "p".repeat(1025) })),
        (422, json!([])),
    ] {
        ada.post(&path, form).await.expect(status);
    }
    ada.send(Method::POST, &path, Some("{".into())).await.expect(422);
    ada.post("/api/v1/users/unknown/update", json!({ "role": "admin" })).await.expect_plain(400);
    bob.post(&path, json!({ "role": "admin" })).await.expect_plain(401);
    bob.check(true).await;
    let listed = ada.get("/api/v1/users/?query=bob").await;
    assert_eq!(
        (&listed.body["users"][0]["role"], &listed.body["users"][0]["name"]),
        (&json!("user"), &json!("Bob"))
    );
    node.stop().await;
}

async fn the_last_administrator_stays(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let path = format!("/api/v1/users/{}/update", ada.id);
    ada.post(&path, json!({ "role": "user", "name": "Nobody" })).await.expect_plain(400);
    ada.delete(&format!("/api/v1/users/{}", ada.id)).await.expect_plain(403);
    assert_eq!(ada.get("/api/v1/auths/").await.expect(200)["name"], "Ada");

    let bob = node.add(&ada, "Bob", "admin").await;
    bob.delete(&format!("/api/v1/users/{}", bob.id)).await.expect_plain(403);
    bob.delete(&format!("/api/v1/users/{}", ada.id)).await.expect(200);
    ada.check(false).await;
    bob.post(&format!("/api/v1/users/{}/update", bob.id), json!({ "role": "pending" }))
        .await
        .expect_plain(400);
    bob.check(true).await;
    node.stop().await;
}

async fn others_see_what_everybody_may_know(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let info = bob.get(&format!("/api/v1/users/{}/info", ada.id)).await;
    let info = info.expect(200);
    let mut names: Vec<_> = info.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "bio",
        "email",
        "groups",
        "id",
        "is_active",
        "last_active_at",
        "name",
        "role",
        "status_emoji",
        "status_expires_at",
        "status_message",
        "timezone",
    ];
    assert_eq!(names, expected);
    assert_eq!((&info["name"], &info["is_active"]), (&json!("Ada"), &json!(false)));
    let summary = bob.get(&format!("/api/v1/users/{}", ada.id)).await;
    assert_eq!(summary.expect(200)["name"], "Ada");
    assert!(summary.body.get("email").is_none());
    let active = bob.get(&format!("/api/v1/users/{}/active", ada.id)).await;
    assert_eq!(active.expect(200), &json!({ "active": false }));
    let found = bob.get("/api/v1/users/search?query=ada").await;
    assert_eq!(found.expect(200)["users"][0]["id"], ada.id);
    assert!(found.body["users"][0].get("settings").is_none());
    for part in ["", "/info", "/active", "/profile/image"] {
        bob.get(&format!("/api/v1/users/unknown{part}")).await.expect_plain(400);
    }
    ada.get("/api/v1/users/unknown/groups").await.expect_plain(400);
    assert_eq!(ada.get(&format!("/api/v1/users/{}/groups", bob.id)).await.expect(200), &json!([]));
    assert_eq!(bob.get("/api/v1/users/groups").await.expect(200), &json!([]));
    assert_eq!(bob.get("/api/v1/groups/").await.expect(200), &json!([]));
    node.stop().await;
}

async fn adding_an_account_needs_a_whole_form(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let form = json!({ "name": "Bob", "email": "Bob@example.org", "password": PASSWORD, "role": "user" });
    let added = ada.post("/api/v1/auths/add", form.clone()).await;
    let added = added.expect(200);
    assert_eq!(
        added["profile_image_url"],
        format!("/api/v1/users/{}/profile/image", added["id"].as_str().unwrap())
    );
    assert_eq!((&added["role"], &added["email"]), (&json!("user"), &json!("bob@example.org")));
    // The token is good; it says nothing of how Bob proved who he is, because he did not.
    let claims = crate::support::claims(added["token"].as_str().unwrap());
    assert!(claims.get("auth_method").is_none() && claims.get("auth_time").is_none(), "{claims}");
    node.client().with_token(added["token"].as_str().unwrap()).get("/api/v1/auths/").await.expect(200);

    ada.post("/api/v1/auths/add", form).await.expect_plain(400);
    for (status, form) in [
        (422, json!({})),
        (422, json!({ "name": "Cid", "email": "cid@example.org", "password": PASSWORD, "role": "root" })),
        (400, json!({ "name": "Cid", "email": "cid", "password": PASSWORD })),
        (422, json!({ "name": "", "email": "cid@example.org", "password": PASSWORD })),
        (400, json!({ "name": "Cid", "email": "cid@example.org", "password": "" })),
    ] {
        ada.post("/api/v1/auths/add", form).await.expect_plain(status);
    }
    let pending = json!({ "name": "Cid", "email": "cid@example.org", "password": PASSWORD });
    assert_eq!(ada.post("/api/v1/auths/add", pending).await.expect(200)["role"], "pending");
    node.stop().await;
}
