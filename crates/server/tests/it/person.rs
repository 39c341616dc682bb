//! What people say about themselves and keep for their page.

use crate::support::{Place, on_both};
use reqwest::{Method, header};
use serde_json::json;

on_both!(
    a_profile_is_changed_as_a_whole,
    pictures_are_served_by_cookie_and_harm_nobody,
    settings_are_merged_by_key,
    settings_of_two_tabs_at_once_are_both_kept,
    settings_have_a_size,
    variables_are_kept_apart,
    a_status_ends_in_time,
);

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";
const SVG: &str = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=";

async fn a_profile_is_changed_as_a_whole(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let form = json!({ "name": "Ada L.", "profile_image_url": PNG, "bio": "Wrote notes.", "gender": "female", "date_of_birth": "1815-12-10" });
    let changed = ada.post("/api/v1/auths/update/profile", form).await;
    let expected = json!({ "id": ada.id, "name": "Ada L.", "role": "admin", "email": "ada@example.org", "profile_image_url": PNG });
    assert_eq!(changed.expect(200), &expected);
    let session = ada.get("/api/v1/auths/").await;
    assert_eq!(
        (&session.body["bio"], &session.body["date_of_birth"]),
        (&json!("Wrote notes."), &json!("1815-12-10"))
    );

    // A client that knows only where the picture is served keeps the picture.
    let own = format!("/api/v1/users/{}/profile/image", ada.id);
    let form = json!({ "name": "Ada", "profile_image_url": own, "bio": null, "gender": null, "date_of_birth": null });
    let changed = ada.post("/api/v1/auths/update/profile", form).await;
    assert_eq!(changed.expect(200)["profile_image_url"], PNG);
    assert_eq!(ada.get("/api/v1/auths/").await.body["bio"], json!(null));

    for form in [
        json!({}),
        json!({ "name": "Ada" }),
        json!({ "name": "", "profile_image_url": PNG }),
        json!({ "name": "Ada", "profile_image_url": "https://example.org/a.png" }),
        json!({ "name": "Ada", "profile_image_url": PNG, "date_of_birth": "10.12.1815" }),
        json!({ "name": "Ada", "profile_image_url": PNG, "bio": "b".repeat(2_001) }),
        json!({ "name": "Ada", "profile_image_url": PNG, "gender": 7 }),
    ] {
        ada.post("/api/v1/auths/update/profile", form).await.expect_plain(422);
    }
    assert_eq!(
        ada.post("/api/v1/auths/update/timezone", json!({ "timezone": "Europe/London" })).await.expect(200),
        &json!({ "status": true })
    );
    for timezone in [json!("<b>"), json!(""), json!(7), json!("x".repeat(65))] {
        ada.post("/api/v1/auths/update/timezone", json!({ "timezone": timezone })).await.expect_plain(422);
    }
    assert_eq!(ada.get("/api/v1/users/").await.body["users"][0]["timezone"], "Europe/London");
    node.stop().await;
}

async fn pictures_are_served_by_cookie_and_harm_nobody(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let path = format!("/api/v1/users/{}/profile/image", ada.id);
    let browser = node.client().with_cookie(&ada.token);
    node.client().get(&path).await.expect_plain(401);
    let unset = browser.get(&path).await;
    assert_eq!((unset.status, unset.header(&header::LOCATION)), (302, "/static/user.png"));

    for (picture, media_type) in [(PNG, "image/png"), (SVG, "image/svg+xml")] {
        let form = json!({ "name": "Ada", "profile_image_url": picture });
        ada.post("/api/v1/auths/update/profile", form).await.expect(200);
        let served = browser.get(&path).await;
        assert_eq!((served.status, served.header(&header::CONTENT_TYPE)), (200, media_type));
        assert_eq!(served.header(&header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert!(served.header(&header::CONTENT_SECURITY_POLICY).contains("sandbox"));
        let tag = served.header(&header::ETAG);
        let again = browser.clone().with_header(header::IF_NONE_MATCH, tag).get(&path).await;
        assert_eq!((again.status, again.bytes.len()), (304, 0));
    }
    node.stop().await;
}

async fn settings_are_merged_by_key(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (read, update) = ("/api/v1/users/user/settings", "/api/v1/users/user/settings/update");
    assert_eq!(ada.get(read).await.expect(200), &json!(null));
    for (given, expected) in [
        (json!({ "ui": { "version": "0.12.4" } }), json!({ "ui": { "version": "0.12.4" } })),
        (json!({ "ui": { "a": { "b": 1 } } }), json!({ "ui": { "version": "0.12.4", "a": { "b": 1 } } })),
        (json!({ "ui": { "a": { "c": 2 } } }), json!({ "ui": { "version": "0.12.4", "a": { "c": 2 } } })),
        (json!({ "other": [1] }), json!({ "ui": { "version": "0.12.4", "a": { "c": 2 } }, "other": [1] })),
        (json!({}), json!({ "ui": { "version": "0.12.4", "a": { "c": 2 } }, "other": [1] })),
    ] {
        assert_eq!(ada.post(update, given).await.expect(200), &expected);
        assert_eq!(ada.get(read).await.expect(200), &expected);
    }
    for body in ["", "[]", "null", "7", "{"] {
        ada.send(Method::POST, update, Some(body.into())).await.expect(422);
    }
    ada.get("/api/v1/users/user/settings?raw=maybe").await.expect(422);

    // Settings of the server stand in for what the person has not chosen, unless the raw ones are asked for.
    node.configure(&ada, json!({ "DEFAULT_INTERFACE_SETTINGS": { "version": "server", "theme": "dark" } }))
        .await;
    assert_eq!(
        ada.get(read).await.body["ui"],
        json!({ "version": "0.12.4", "a": { "c": 2 }, "theme": "dark" })
    );
    assert_eq!(
        ada.get(&format!("{read}?raw=true")).await.body["ui"],
        json!({ "version": "0.12.4", "a": { "c": 2 } })
    );
    let bob = node.add(&ada, "Bob", "user").await;
    assert_eq!(bob.get(read).await.body, json!({ "ui": { "version": "server", "theme": "dark" } }));

    assert_eq!(ada.get("/api/v1/users/user/info").await.expect(200), &json!(null));
    ada.post("/api/v1/users/user/info/update", json!({ "location": "London" })).await.expect(200);
    let info = ada.post("/api/v1/users/user/info/update", json!({ "language": "en" })).await;
    assert_eq!(info.expect(200), &json!({ "location": "London", "language": "en" }));
    assert_eq!(ada.get("/api/v1/users/user/info").await.body, info.body);
    ada.post("/api/v1/users/user/info/update", json!([])).await.expect(422);
    ada.post("/api/v1/users/user/info/update", json!({ "x": "x".repeat(65 * 1024) })).await.expect_plain(413);
    node.stop().await;
}

async fn settings_of_two_tabs_at_once_are_both_kept(place: Place) {
    const TABS: usize = 20;
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let changes = (0..TABS).map(|tab| {
        let given = json!({ "ui": { format!("tab{tab}"): tab } });
        let ada = ada.clone();
        async move { ada.post("/api/v1/users/user/settings/update", given).await.status }
    });
    assert!(futures_util::future::join_all(changes).await.into_iter().all(|status| status == 200));
    let settings = ada.get("/api/v1/users/user/settings").await;
    assert_eq!(settings.body["ui"].as_object().unwrap().len(), TABS);
    node.stop().await;
}

async fn settings_have_a_size(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let update = "/api/v1/users/user/settings/update";
    let half = "x".repeat(600 * 1024);
    ada.post(update, json!({ "ui": { "one": half } })).await.expect(200);
    ada.post(update, json!({ "ui": { "two": half } })).await.expect_plain(413);
    let settings = ada.get("/api/v1/users/user/settings").await;
    assert!(settings.body["ui"].get("two").is_none());
    node.stop().await;
}

async fn variables_are_kept_apart(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (read, update) = ("/api/v1/users/user/variables", "/api/v1/users/user/variables/update");
    assert_eq!(ada.get(read).await.expect(200), &json!({ "variables": {} }));
    let form = json!({ "variables": { "team": "notes" } });
    assert_eq!(ada.post(update, form.clone()).await.expect(200), &form);
    // Settings neither show nor touch them.
    let settings = json!({ "ui": { "a": 1 }, "variables": { "team": "other" } });
    assert_eq!(
        ada.post("/api/v1/users/user/settings/update", settings).await.expect(200),
        &json!({ "ui": { "a": 1 } })
    );
    assert_eq!(ada.get(read).await.expect(200), &form);
    assert_eq!(ada.post(update, json!({ "variables": {} })).await.expect(200), &json!({ "variables": {} }));
    assert_eq!(ada.get("/api/v1/users/user/settings").await.body, json!({ "ui": { "a": 1 } }));
    for form in [json!({}), json!({ "variables": [] }), json!([])] {
        ada.post(update, form).await.expect(422);
    }
    ada.post(update, json!({ "variables": { "a": "x".repeat(65 * 1024) } })).await.expect_plain(413);
    node.stop().await;
}

async fn a_status_ends_in_time(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let update = "/api/v1/users/user/status/update";
    let lasting =
        json!({ "status_emoji": "📝", "status_message": "Writing", "status_expires_at": 4_000_000_000_i64 });
    assert_eq!(ada.post(update, lasting.clone()).await.expect(200), &lasting);
    assert_eq!(ada.get("/api/v1/users/user/status").await.expect(200), &lasting);
    assert_eq!(ada.get("/api/v1/auths/").await.body["status_message"], "Writing");
    let over = json!({ "status_emoji": null, "status_message": "Over", "status_expires_at": 1 });
    ada.post(update, over).await.expect(200);
    assert_eq!(ada.get("/api/v1/users/user/status").await.body["status_message"], json!(null));
    // The session was read before: what is in memory of it must be given up with each change.
    assert_eq!(ada.get("/api/v1/auths/").await.body["status_message"], json!(null));
    ada.post(update, json!({ "status_message": "x".repeat(501) })).await.expect(422);
    ada.post(update, json!({ "status_expires_at": "soon" })).await.expect(422);
    node.configure(&ada, json!({ "ENABLE_USER_STATUS": false })).await;
    ada.post(update, json!({})).await.expect_plain(403);
    node.stop().await;
}
