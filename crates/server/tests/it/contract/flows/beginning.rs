//! First visit, sign-in, and the shortest chat.

use super::{Browser, Walk, browser};
use crate::support::chat::Question;
use crate::support::provider::Provider;
use crate::support::{PASSWORD, Place, on_both};
use serde_json::json;

on_both!(onboarding, signin, smoke);

async fn onboarding(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    let walk = Walk::begin("onboarding");
    browser::open(&walk, &node).await;
    let form = json!({
        "name": "Ada", "email": "ada@example.org", "password": PASSWORD, "profile_image_url": browser::PICTURE,
    });
    let session = walk.call(&node.client(), "POST /api/v1/auths/signup", &[], Some(form), 200).await;
    let ada = Browser::signed_in(&walk, &node, node.account(session.body)).await;
    let settings = json!({ "ui": { "version": "0.12.4" } });
    ada.call("POST /api/v1/users/user/settings/update", &[], Some(settings)).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}

async fn signin(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("signin");
    let form = json!({ "email": "ada@example.org", "password": "wrong" });
    walk.call(&node.client(), "POST /api/v1/auths/signin", &[], Some(form), 400).await;
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let again = ada.reload(&node).await;
    let account = again.account.clone();
    again.leave(None).await;
    walk.call(&account, "POST /api/v1/auths/signout", &[], None, 200).await;
    ada.socket.closed().await;
    walk.finish();
    node.stop().await;
}

async fn smoke(place: Place) {
    let provider = Provider::start().await;
    let node = browser::start(&place, &provider).await;
    browser::arrive(&node, "Ada").await;
    let walk = Walk::begin("smoke");
    let ada = Browser::sign_in(&walk, &node, "Ada").await;
    let asked = ada.ask(&Question::new("hello").with_background()).await;
    let chat = asked.chat_id.as_str();
    ada.tell(chat, "join").await;
    ada.end_of_turn(&asked, 1).await;
    ada.tell(chat, "last_read_at").await;
    let again = ada.reload(&node).await;
    again.leave(Some(chat)).await;
    ada.leave(None).await;
    walk.finish();
    node.stop().await;
}
