//! What a page learns before anything else, and what administrators set.

use crate::support::{Place, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both!(
    each_kind_of_caller_gets_its_configuration,
    settings_of_administrators_outlive_a_restart,
    malformed_settings_change_nothing,
    banners_and_suggestions_are_replaced_as_a_whole,
);

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn each_kind_of_caller_gets_its_configuration(place: Place) {
    let variables =
        [("WEBUI_NAME", "Notes"), ("PENDING_USER_OVERLAY_TITLE", "Wait"), ("DEPLOYMENT_ID", "blue")];
    let node = place.start(&variables).await;
    let nobody = node.client();
    let public = ["features", "i18n", "default_locale", "name", "oauth", "status", "version"];
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let config = nobody.get("/api/config").await;
    assert_eq!(config.expect(200)["onboarding"], true);
    assert_eq!(config.body["features"]["enable_signup"], true);
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "pending").await;

    let config = nobody.get("/api/config").await;
    assert_eq!(keys(config.expect(200)), sorted(public.to_vec()));
    assert_eq!((&config.body["name"], &config.body["version"]), (&json!("Notes"), &json!("0.12.4")));
    assert_eq!(config.body["oauth"], json!({ "providers": {}, "auto_redirect": false }));
    let features = [
        "auth",
        "auth_trusted_header",
        "enable_ldap",
        "enable_login_form",
        "enable_signup",
        "enable_signup_password_confirmation",
        "enable_websocket",
        "slim",
    ];
    assert_eq!(keys(&config.body["features"]), features);

    // Whoever comes with a token that is no longer good is somebody who is not signed in.
    for client in [
        nobody.clone().with_cookie("garbage"),
        nobody.clone().with_token("garbage"),
        nobody.clone().with_token("sk-x"),
    ] {
        assert_eq!(client.get("/api/config").await.expect(200), &config.body);
    }

    let pending = nobody.clone().with_cookie(&bob.token).get("/api/config").await;
    assert_eq!(keys(pending.expect(200)), sorted([&public[..], &["ui"]].concat()));
    assert_eq!(
        pending.body["ui"],
        json!({ "pending_user_overlay_title": "Wait", "pending_user_overlay_content": "" })
    );

    let full = nobody.clone().with_cookie(&ada.token).get("/api/config").await;
    let more = [
        "audio",
        "code",
        "default_models",
        "default_pinned_models",
        "default_prompt_suggestions",
        "default_prompt_suggestions_i18n",
        "file",
        "google_drive",
        "license_metadata",
        "onedrive",
        "permissions",
        "ui",
    ];
    assert_eq!(keys(full.expect(200)), sorted([&public[..], &more].concat()));
    assert_eq!(full.body, ada.get("/api/config").await.body);
    let features = full.body["features"].as_object().unwrap();
    for (name, value) in [
        ("enable_api_keys", json!(false)),
        ("enable_title_generation", json!(true)),
        ("enable_admin_chat_access", json!(true)),
        ("folder_max_file_count", json!("")),
        ("enable_web_search", json!(false)),
    ] {
        assert_eq!(features[name], value, "{name}");
    }

    let version = nobody.get("/api/version").await;
    assert_eq!(
        (&version.expect(200)["version"], &version.body["deployment_id"]),
        (&json!("0.12.4"), &json!("blue"))
    );
    assert_eq!(version.body["antiphon"], env!("CARGO_PKG_VERSION"));
    nobody.get("/api/version/updates").await.expect_plain(401);
    let updates = ada.get("/api/version/updates").await;
    assert_eq!(updates.expect(200)["current"], updates.body["latest"]);
    let changelog = nobody.get("/api/changelog").await;
    let newest = changelog.expect(200).as_object().unwrap().values().next().unwrap();
    assert!(newest["date"].is_string() && newest["added"][0]["title"].is_string(), "{newest}");
    node.stop().await;
}

async fn settings_of_administrators_outlive_a_restart(place: Place) {
    let node = place.start(&[("DEFAULT_MODELS", "seed")]).await;
    let ada = node.sign_up("Ada").await;
    let form = ada.get("/api/v1/auths/admin/config").await;
    let mut form = form.expect(200).clone();
    assert_eq!(form.as_object().unwrap().len(), 39);
    form["ENABLE_API_KEYS"] = json!(true);
    form["JWT_EXPIRES_IN"] = json!("1h");
    form["ADMIN_EMAIL"] = json!("help@example.org");
    let mut told = form.clone();
    told["sessions_revoked"] = json!(false);
    assert_eq!(ada.post("/api/v1/auths/admin/config", form.clone()).await.expect(200), &told);
    let models = json!({
        "DEFAULT_MODELS": "a,b", "DEFAULT_PINNED_MODELS": null, "MODEL_ORDER_LIST": ["b", "a"],
        "DEFAULT_MODEL_METADATA": {}, "DEFAULT_MODEL_PARAMS": { "temperature": 1 },
    });
    assert_eq!(ada.get("/api/v1/configs/models").await.expect(200)["DEFAULT_MODELS"], "seed");
    assert_eq!(ada.post("/api/v1/configs/models", models.clone()).await.expect(200), &models);
    let connections = json!({
        "ENABLE_DIRECT_CONNECTIONS": true, "ENABLE_DIRECT_INTEGRATIONS": false, "ENABLE_BASE_MODELS_CACHE": true,
    });
    assert_eq!(ada.post("/api/v1/configs/connections", connections.clone()).await.expect(200), &connections);
    let mut permissions = ada.get("/api/v1/users/default/permissions").await.expect(200).clone();
    permissions["chat"]["delete"] = json!(false);
    assert_eq!(
        ada.post("/api/v1/users/default/permissions", permissions.clone()).await.expect(200),
        &permissions
    );
    node.stop().await;

    let node = place.start(&[("DEFAULT_MODELS", "other seed")]).await;
    let ada = node.sign_in("Ada").await;
    assert_eq!(ada.get("/api/v1/auths/admin/config").await.expect(200), &form);
    assert_eq!(ada.get("/api/v1/configs/models").await.expect(200), &models);
    assert_eq!(ada.get("/api/v1/configs/connections").await.expect(200), &connections);
    assert_eq!(ada.get("/api/v1/users/default/permissions").await.expect(200), &permissions);
    assert_eq!(ada.get("/api/v1/users/permissions").await.expect(200), &permissions);
    assert_eq!(
        ada.get("/api/v1/users/default/permissions/defaults").await.expect(200)["chat"]["delete"],
        true
    );
    let config = ada.get("/api/config").await;
    assert_eq!((&config.body["default_models"], &config.body["permissions"]), (&json!("a,b"), &permissions));
    let claims = crate::support::claims(&ada.token);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    let contact = ada.get("/api/v1/auths/admin/details").await;
    assert_eq!(contact.expect(200), &json!({ "name": null, "email": "help@example.org" }));
    node.configure(&ada, json!({ "SHOW_ADMIN_DETAILS": false })).await;
    ada.get("/api/v1/auths/admin/details").await.expect_plain(403);
    node.stop().await;
}

async fn malformed_settings_change_nothing(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let path = "/api/v1/auths/admin/config";
    let before = ada.get(path).await.body;
    for change in [
        json!({ "JWT_EXPIRES_IN": "soon" }),
        json!({ "DEFAULT_USER_ROLE": "root" }),
        json!({ "ENABLE_SIGNUP": "perhaps" }),
        json!({ "FOLDER_MAX_FILE_COUNT": -1 }),
        json!({ "I18N": [] }),
        json!({ "RESPONSE_WATERMARK": "x".repeat(65 * 1024) }),
    ] {
        // A good field beside the bad one is not taken either.
        let mut form = json!({ "ENABLE_NOTES": false });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ada.post(path, form).await.expect_plain(422);
    }
    for body in ["", "[]", "null", "{"] {
        ada.send(Method::POST, path, Some(body.into())).await.expect_plain(422);
        for other in [
            "/api/v1/configs/models",
            "/api/v1/configs/connections",
            "/api/v1/configs/banners",
            "/api/v1/configs/suggestions",
        ] {
            ada.send(Method::POST, other, Some(body.into())).await.expect(422);
        }
    }
    ada.post("/api/v1/configs/models", json!({ "MODEL_ORDER_LIST": "a" })).await.expect(422);
    ada.post("/api/v1/configs/connections", json!({ "ENABLE_BASE_MODELS_CACHE": 3 })).await.expect(422);
    ada.post("/api/v1/users/default/permissions", json!({ "chat": { "delete": "no" } })).await.expect(422);
    bob.post(path, json!({ "ENABLE_SIGNUP": true })).await.expect_plain(401);
    bob.get(path).await.expect_plain(401);
    assert_eq!(ada.get(path).await.body, before);
    assert_eq!(
        ada.get("/api/v1/auths/admin/config/ldap").await.expect(200),
        &json!({ "ENABLE_LDAP": false })
    );
    node.stop().await;
}

async fn banners_and_suggestions_are_replaced_as_a_whole(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let path = "/api/v1/configs/banners";
    assert_eq!(bob.get(path).await.expect(200), &json!([]));
    let banner = json!({
        "id": "1", "type": "info", "title": "Hello", "content": "World", "dismissible": true, "timestamp": 1,
    });
    assert_eq!(ada.post(path, json!({ "banners": [banner] })).await.expect(200), &json!([banner]));
    assert_eq!(bob.get(path).await.expect(200), &json!([banner]));
    bob.post(path, json!({ "banners": [] })).await.expect_plain(401);
    ada.post(path, json!({ "banners": [{ "id": "1" }] })).await.expect(422);
    ada.post(path, json!({ "banners": vec![banner.clone(); 51] })).await.expect_plain(413);
    assert_eq!(bob.get(path).await.expect(200), &json!([banner]));

    let suggestions = json!([{ "title": ["Tell me", "about zebras"], "content": "Tell me about zebras." }]);
    let path = "/api/v1/configs/suggestions";
    let changed = ada.post(path, json!({ "suggestions": suggestions, "i18n": { "de": {} } })).await;
    assert_eq!(changed.expect(200), &json!({ "suggestions": suggestions, "i18n": { "de": {} } }));
    let config = bob.get("/api/config").await;
    assert_eq!(config.body["default_prompt_suggestions"], suggestions);
    let reset = ada.post(path, json!({ "suggestions": null })).await;
    assert_eq!(reset.expect(200), &json!({ "suggestions": null, "i18n": { "de": {} } }));
    ada.post(path, json!({ "suggestions": [{ "title": "no list" }] })).await.expect(422);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_persistence_the_environment_counts_again() {
    crate::support::with_sqlite(|place| async move {
        let variables = [("ENABLE_PERSISTENT_CONFIG", "false"), ("WEBUI_NAME", "Notes")];
        let node = place.start(&variables).await;
        let ada = node.sign_up("Ada").await;
        node.configure(&ada, json!({ "ENABLE_NOTES": false })).await;
        assert_eq!(ada.get("/api/v1/auths/admin/config").await.body["ENABLE_NOTES"], false);
        node.stop().await;
        let node = place.start(&variables).await;
        let ada = node.sign_in("Ada").await;
        assert_eq!(ada.get("/api/v1/auths/admin/config").await.body["ENABLE_NOTES"], true);
        node.stop().await;
    })
    .await;
}
