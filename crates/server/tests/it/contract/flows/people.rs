//! Accounts: what people set for themselves, and what administrators do.

use super::{Browser, Walk, browser};
use crate::support::chat::Question;
use crate::support::provider::Provider;
use crate::support::{Account, PASSWORD, Place, on_both};
use serde_json::json;

on_both!(settings, apikey, admin, pages);

/// Opens the model to everybody, by a record of it.
async fn open_model(admin: &Account) {
    let grant = json!({ "principal_type": "user", "principal_id": "*", "permission": "read" });
    let record = json!({
        "id": "mock", "base_model_id": null, "name": "mock", "meta": {}, "params": {}, "access_grants": [grant],
        "is_active": true,
    });
    admin.post("/api/v1/models/create", record).await.expect(200);
}

async fn settings(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let admin = browser::arrive(&node, "Ada").await;
    open_model(&admin).await;
    let bob = node.add(&admin, "Bob", "user").await;
    browser::set_picture(&bob, "Bob").await;
    let walk = Walk::begin("settings");
    let bob = Browser::signed_in(&walk, &node, bob).await;
    let settings = json!({ "ui": { "system": "Be brief.", "params": {} } });
    bob.call("POST /api/v1/users/user/settings/update", &[], Some(settings)).await;
    let variables = json!({ "variables": {} });
    bob.call("POST /api/v1/users/user/variables/update", &[], Some(variables)).await;
    let profile = json!({
        "name": "Robert", "profile_image_url": browser::PICTURE, "bio": null, "gender": null, "date_of_birth": null,
    });
    bob.call("POST /api/v1/auths/update/profile", &[], Some(profile)).await;
    let asked = bob.ask(&Question::new("hello").with_background()).await;
    let chat = asked.chat_id.as_str();
    bob.tell(chat, "join").await;
    bob.end_of_turn(&asked, 1).await;
    bob.tell(chat, "last_read_at").await;
    browser::open(&walk, &node).await;

    let again = bob.reload(&node).await;
    let account = again.account.clone();
    again.leave(Some(chat)).await;
    let change = |password: &str| json!({ "password": password, "new_password": "An0ther!1" });
    let operation = "POST /api/v1/auths/update/password";
    walk.call(&account, operation, &[], Some(change("wrong")), 400).await;
    walk.call(&account, operation, &[], Some(change(PASSWORD)), 200).await;
    bob.socket.closed().await;
    walk.check_heard(&bob.socket);
    account.check(false).await;
    walk.call(&account, "POST /api/v1/auths/signout", &[], None, 200).await;
    walk.finish();
    node.stop().await;
}

async fn apikey(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let ada = browser::arrive(&node, "Ada").await;
    node.configure(&ada, json!({ "ENABLE_API_KEYS": true })).await;
    let walk = Walk::begin("apikey");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    walk.call(&ada.account, "GET /api/v1/auths/api_key", &[], None, 404).await;
    let made = ada.call("POST /api/v1/auths/api_key", &[], None).await;
    let key = made["api_key"].as_str().expect("a key");
    let models = walk.call(&node.client().with_token(key), "GET /api/models", &[], None, 200).await;
    assert_eq!(models.body["data"].as_array().map(Vec::len), Some(2));
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

async fn admin(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("admin");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let form = json!({
        "name": "Bob", "email": "bob@example.org", "password": PASSWORD, "role": "user",
        "profile_image_url": browser::PICTURE,
    });
    ada.call("POST /api/v1/auths/add", &[], Some(form)).await;
    let bob = Browser::sign_in(&walk, &node, "Bob").await;
    ada.call("GET /api/v1/users/{user_id}/groups", &[&bob.id], None).await;

    // Here a new role ends the sessions of the account; there only its sockets. Whoever comes back signs in again.
    let update = "POST /api/v1/users/{user_id}/update";
    let form = |role: &str| json!({ "profile_image_url": browser::PICTURE, "role": role, "email": "bob@example.org", "name": "Bob" });
    ada.call(update, &[&bob.id], Some(form("pending"))).await;
    bob.socket.closed().await;
    bob.check(false).await;
    let pending = node.sign_in("Bob").await;
    for operation in ["GET /api/v1/auths/", "GET /api/v1/auths/admin/details"] {
        walk.call(&pending, operation, &[], None, 200).await;
    }
    ada.call(update, &[&bob.id], Some(form("user"))).await;
    let again = Browser::sign_in(&walk, &node, "Bob").await;
    for operation in ["GET /api/v1/users/user/settings", "GET /api/v1/chats/?page=1"] {
        again.call(operation, &[], None).await;
    }
    ada.call("DELETE /api/v1/users/{user_id}", &[&bob.id], None).await;
    again.socket.closed().await;
    walk.check_heard(&again.socket);

    let operation = "POST /api/v1/auths/admin/config";
    let config = ada.call("GET /api/v1/auths/admin/config", &[], None).await;
    ada.call(operation, &[], Some(walk.as_sent(operation, config))).await;
    ada.call("POST /api/v1/configs/banners", &[], Some(json!({ "banners": [] }))).await;
    let operation = "POST /openai/config/update";
    let config = ada.call("GET /openai/config", &[], None).await;
    ada.call(operation, &[], Some(walk.as_sent(operation, config))).await;
    let form = json!({
        "url": provider.base(), "key": "sk-test",
        "config": { "auth_type": "bearer", "forward_cookies": false, "api_version": "", "passthrough_params": [] },
    });
    ada.call("POST /openai/verify", &[], Some(form)).await;
    ada.call("GET /api/models?refresh=true", &[], None).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

async fn pages(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let account = browser::arrive(&node, "Ada").await;
    node.configure(&account, json!({ "ENABLE_API_KEYS": true })).await;
    account.post("/api/v1/auths/api_key", json!(null)).await.expect(200);
    let walk = Walk::begin("pages");
    browser::open(&walk, &node).await;
    let ada = Browser::signed_in(&walk, &node, account).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}
