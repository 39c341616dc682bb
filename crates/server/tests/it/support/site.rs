//! A server at an address, and who does what there.

use super::{Account, Answer, Client, Socket};
use serde_json::{Value, json};

/// Password of every account that the helpers make.
pub(crate) const PASSWORD: &str = "Passw0rd!1";

/// A server that can be reached.
pub(crate) struct Site {
    base: String,
}

impl Site {
    pub(super) fn new(base: String) -> Self {
        Self { base }
    }

    /// A server that somebody else has started.
    pub(crate) fn at(base: String) -> Self {
        Self::new(base)
    }

    /// `http://address:port`
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Connects a socket, as nobody or with a token.
    pub(crate) async fn socket(&self, token: Option<&str>) -> Socket {
        Socket::connect(&self.base, token).await
    }

    /// A client that is nobody yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Asks for an account; nothing is expected of the answer.
    pub(crate) async fn try_sign_up(&self, name: &str) -> Answer {
        let form = json!({
            "name": name, "email": email(name), "password": PASSWORD, "profile_image_url": "/user.png",
        });
        self.client().post("/api/v1/auths/signup", form).await
    }

    /// Makes the first account, which is the administrator.
    pub(crate) async fn sign_up(&self, name: &str) -> Account {
        let answer = self.try_sign_up(name).await;
        answer.expect(200);
        self.account(answer.body)
    }

    /// Asks for a session; nothing is expected of the answer.
    pub(crate) async fn try_sign_in(&self, email: &str, password: &str) -> Answer {
        self.client().post("/api/v1/auths/signin", json!({ "email": email, "password": password })).await
    }

    /// Begins another session of an account that the helpers made.
    pub(crate) async fn sign_in(&self, name: &str) -> Account {
        let answer = self.try_sign_in(&email(name), PASSWORD).await;
        answer.expect(200);
        self.account(answer.body)
    }

    /// Has `admin` make an account with a role, and signs it in.
    pub(crate) async fn add(&self, admin: &Account, name: &str, role: &str) -> Account {
        let form = json!({ "name": name, "email": email(name), "password": PASSWORD, "role": role });
        admin.post("/api/v1/auths/add", form).await.expect(200);
        self.sign_in(name).await
    }

    /// Has `admin` change settings of the form of `/api/v1/auths/admin/config`.
    pub(crate) async fn configure(&self, admin: &Account, changes: Value) {
        admin.post("/api/v1/auths/admin/config", changes).await.expect(200);
    }

    /// The account of a session that was answered.
    pub(crate) fn account(&self, session: Value) -> Account {
        let text = |name: &str| {
            session[name].as_str().unwrap_or_else(|| panic!("no {name} in {session}")).to_owned()
        };
        let (id, email, token) = (text("id"), text("email"), text("token"));
        Account { id, email, client: self.client().with_token(&token), token, session }
    }
}

/// The address of an account that the helpers made.
fn email(name: &str) -> String {
    format!("{}@example.org", name.to_lowercase())
}
