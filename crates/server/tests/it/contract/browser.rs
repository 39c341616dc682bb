//! What the reference's page does, step by step.

use super::walk::Walk;
use crate::support::chat::{self, Asked, Question, new_id};
use crate::support::provider::Provider;
use crate::support::{Account, NodeUnderTest, PASSWORD, Place, Site, Socket};
use serde_json::{Value, json};
use std::ops::Deref;

/// A picture as the page draws it at sign-up.
pub(super) const PICTURE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// Starts a node as the recorded server was: with channels.
pub(super) async fn start(place: &Place, provider: &Provider) -> NodeUnderTest {
    chat::start(place, provider, &[("ENABLE_CHANNELS", "true")]).await
}

/// Makes the first account as the page does, with a picture.
pub(super) async fn arrive(node: &NodeUnderTest, name: &str) -> Account {
    let account = node.sign_up(name).await;
    set_picture(&account, name).await;
    account
}

/// Gives an account a picture.
pub(super) async fn set_picture(account: &Account, name: &str) {
    let form = json!({ "name": name, "profile_image_url": PICTURE });
    account.post("/api/v1/auths/update/profile", form).await.expect(200);
}

/// A page that somebody is signed in to.
pub(super) struct Browser<'a> {
    walk: &'a Walk,
    pub(super) account: Account,
    pub(super) socket: Socket,
}

impl Deref for Browser<'_> {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

/// Opens the page: what it asks before anybody has signed in.
pub(super) async fn open(walk: &Walk, site: &Site) {
    let client = site.client();
    walk.call(&client, "GET /api/config (public)", &[], None, 200).await;
    walk.call(&client, "GET /api/version", &[], None, 200).await;
}

impl<'a> Browser<'a> {
    /// Opens the page and signs in with the form.
    pub(super) async fn sign_in(walk: &'a Walk, node: &NodeUnderTest, name: &str) -> Self {
        open(walk, node).await;
        let form = json!({ "email": format!("{}@example.org", name.to_lowercase()), "password": PASSWORD });
        let session = walk.call(&node.client(), "POST /api/v1/auths/signin", &[], Some(form), 200).await;
        Self::signed_in(walk, node, node.account(session.body)).await
    }

    /// What the page does once it has a session.
    pub(super) async fn signed_in(walk: &'a Walk, site: &Site, account: Account) -> Self {
        let by_cookie = site.client().with_cookie(&account.token);
        walk.call(&by_cookie, "GET /api/config (signed in)", &[], None, 200).await;
        let socket = site.socket(Some(&account.token)).await;
        walk.emit(&socket, "user-join", json!({ "auth": { "token": account.token } })).await;
        let timezone = json!({ "timezone": "UTC" });
        walk.call(&account, "POST /api/v1/auths/update/timezone", &[], Some(timezone), 200).await;
        Self { walk, account, socket }
    }

    /// Tells a chat something: `join`, `leave`, `last_read_at`.
    pub(super) async fn tell(&self, chat_id: &str, kind: &str) {
        let event = json!({ "chat_id": chat_id, "data": { "type": kind } });
        self.walk.emit(&self.socket, &format!("events:chat {kind}"), event).await;
    }

    /// Types into a chat.
    pub(super) async fn write(&self, chat_id: &str) {
        let event = json!({ "chat_id": chat_id, "data": { "type": "typing", "data": { "typing": true } } });
        self.walk.emit(&self.socket, "events:chat typing", event).await;
    }

    /// Posts a question as the page does.
    pub(super) async fn ask(&self, question: &Question) -> Asked {
        let models = self.walk.call(&self.account, "GET /api/models", &[], None, 200).await;
        let model =
            models.body["data"].as_array().expect("models").iter().find(|model| model["id"] == "mock");
        let form = self.form(question, model.expect("the model").clone());
        let answers = form["message_ids"].as_array().expect("ids").iter();
        let answers = answers.map(|id| id["message_id"].as_str().expect("an id").to_owned()).collect();
        let started =
            self.walk.call(&self.account, "POST /api/chat/completions", &[], Some(form), 200).await.body;
        let chat_id = started["chat_id"].as_str().expect("a chat").to_owned();
        let ids = started["task_ids"].as_array().expect("ids").iter();
        let task_ids = ids.map(|id| id.as_str().expect("an id").to_owned()).collect();
        Asked { chat_id, question_id: question.id.clone(), answers, task_ids }
    }

    /// The whole form, of which [`Question`] has the part that other tests need.
    fn form(&self, question: &Question, model: Value) -> Value {
        let mut form = question.form(&self.socket.sid);
        form["model_item"] = model;
        form["features"] = json!({
            "voice": false, "image_generation": false, "code_interpreter": false, "web_search": false, "memory": true,
        });
        form["variables"] = json!({
            "{{USER_NAME}}": "Ada", "{{USER_EMAIL}}": self.email, "{{USER_LOCATION}}": "Unknown",
            "{{CURRENT_DATETIME}}": "2026-11-24 03:04:53", "{{CURRENT_DATE}}": "2026-11-24",
            "{{CURRENT_TIME}}": "03:04:53", "{{CURRENT_WEEKDAY}}": "Tuesday", "{{CURRENT_TIMEZONE}}": "UTC",
            "{{USER_LANGUAGE}}": "en-US",
        });
        form["user_message"]["user"] = json!({ "id": self.id, "name": self.session["name"] });
        form["user_message"]["user_id"] = json!(self.id);
        let wanted = form["background_tasks"].as_object_mut().expect("tasks");
        wanted.entry("follow_up_generation").or_insert(json!(true));
        // The page hands back the model as it got it.
        self.walk.as_sent("POST /api/chat/completions", form)
    }

    /// Waits for the end of a turn of a chat, and compares its events.
    pub(super) async fn end_of_turn(&self, asked: &Asked, turns: usize) {
        let heard = self.socket.end_of_turn(&asked.chat_id, turns).await;
        self.walk.check_turn(&heard);
    }

    /// Makes a recorded call.
    #[track_caller]
    pub(super) fn call<'b>(
        &'b self,
        operation: &str,
        captures: &[&str],
        form: Option<Value>,
    ) -> impl Future<Output = Value> + 'b {
        let call = self.walk.call(&self.account, operation, captures, form, 200);
        async move { call.await.body }
    }

    /// Loads the page again: another socket of the same session. The one before stays, to hear what is told meanwhile.
    pub(super) async fn reload(&self, site: &Site) -> Browser<'a> {
        let account = self.account.clone();
        self.walk.call(&account, "GET /api/v1/auths/", &[], None, 200).await;
        Self::signed_in(self.walk, site, account).await
    }

    /// Makes the calls that are left of the flow, and ends: everything heard is compared.
    pub(super) async fn leave(self, chat_id: Option<&str>) {
        let chat_id = chat_id.map_or_else(new_id, str::to_owned);
        let chat = chat_id.as_str();
        let captures = [
            ("/api/v1/chats/{", chat),
            ("/api/tasks/chat/{", chat),
            ("/api/v1/users/{", self.account.id.as_str()),
            ("/openai/models/{", "0"),
        ];
        self.walk.rest(&self.account, &captures).await;
        self.socket.sync().await;
        self.walk.check_heard(&self.socket);
    }
}
