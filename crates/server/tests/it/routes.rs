//! The route table, walked with bad input: whatever comes, the answer is a 4xx with a reason, and nothing is lost.
//!
//! Who may call a route at all is walked in `access`.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Account, Answer, Client, Place, Site, on_both};
use antiphon_api::{Access, Route};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

on_both!(
    fields_of_the_wrong_type_are_refused_everywhere,
    ids_that_nobody_has_are_refused_everywhere,
    the_ids_of_others_are_refused_everywhere,
    bodies_that_are_too_large_are_refused_everywhere,
    other_methods_are_refused_everywhere,
);

/// Names of fields in the forms of this server. A form that is made of all of them is never a sensible one.
const FIELDS: [&str; 66] = [
    "access_grants",
    "answer",
    "auth",
    "background_tasks",
    "banners",
    "base_model_id",
    "bio",
    "chat",
    "chat_id",
    "chat_variables",
    "chats",
    "config",
    "content",
    "created_at",
    "data",
    "date_of_birth",
    "description",
    "email",
    "features",
    "files",
    "folder_id",
    "gender",
    "group_ids",
    "history",
    "id",
    "input",
    "is_active",
    "is_private",
    "key",
    "limit",
    "message_id",
    "message_ids",
    "messages",
    "meta",
    "model",
    "model_id",
    "model_item",
    "name",
    "new_password",
    "page",
    "params",
    "parent_id",
    "password",
    "permission",
    "pinned",
    "profile_image_url",
    "reply_to_id",
    "role",
    "session_id",
    "snapshot",
    "status_emoji",
    "status_message",
    "stop",
    "stream",
    "suggestions",
    "tags",
    "text",
    "timezone",
    "title",
    "tool_ids",
    "type",
    "ui",
    "updated_at",
    "url",
    "user_ids",
    "user_message",
];

/// A value of each type.
fn values() -> [Value; 8] {
    [
        json!(null),
        json!(true),
        json!(-7),
        json!(1e300),
        json!("x"),
        json!([[]]),
        json!({ "x": [{}] }),
        json!("\u{0}'\"<script>;--"),
    ]
}

/// Routes that a walk leaves out: their answer to a request without faults ends the session of the caller.
fn ends_the_session(route: &Route) -> bool {
    route.path == "/api/v1/auths/signout"
}

/// The captures of a path.
fn captures(path: &str) -> usize {
    path.matches('{').count()
}

/// The path of a route with `value` for each capture.
fn filled(path: &str, value: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push_str(value);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    filled + rest
}

/// Fails unless a refusal is one of the caller's own making, says why, and is no web page.
#[track_caller]
fn check(answer: &Answer, shown: &str) {
    let shown = format!("{} -> {}", shown.chars().take(300).collect::<String>(), answer.status);
    let text = String::from_utf8_lossy(&answer.bytes);
    assert!(answer.status < 500, "{shown}: {text}");
    assert!(!text.trim_start().starts_with("<!doctype") && !text.contains("<html"), "{shown}: a web page");
    if answer.status >= 400 {
        let detail = &answer.body["detail"];
        assert!(detail.is_string() || detail.is_array(), "{shown}: no detail in {text}");
        assert!(!detail.to_string().to_lowercase().contains("sql"), "{shown}: {detail}");
    }
}

/// What must outlive every walk: an account with a chat, a setting and a running reply's answer.
struct Belongings {
    ada: Account,
    chat_id: String,
    message_id: String,
    before: Value,
    settings: Value,
}

impl Belongings {
    async fn of(site: &Site) -> Self {
        let ada = site.sign_up("Ada").await;
        let socket = ada.connect(site).await;
        let asked = Question::new("hello").with_background().ask(&ada, &socket).await;
        socket.end_of_turn(&asked.chat_id, 1).await;
        let settings =
            ada.post("/api/v1/users/user/settings/update", json!({ "ui": { "kept": true } })).await;
        let settings = settings.expect(200).clone();
        let before = ada.document(&asked.chat_id).await;
        Self { ada, message_id: asked.answer().to_owned(), chat_id: asked.chat_id, before, settings }
    }

    /// Fails unless everything is as before, and the server still does its work.
    async fn check(&self, site: &Site) {
        for path in ["/health", "/health/db", "/ready"] {
            assert_eq!(site.client().get(path).await.expect(200)["status"], true, "{path}");
        }
        assert_eq!(self.ada.get("/api/v1/auths/").await.expect(200)["role"], "admin");
        assert_eq!(self.ada.document(&self.chat_id).await, self.before);
        assert_eq!(self.ada.get("/api/v1/users/user/settings").await.expect(200), &self.settings);
        let socket = self.ada.connect(site).await;
        let asked = Question::new("still there?").ask(&self.ada, &socket).await;
        socket.end_of_turn(&asked.chat_id, 1).await;
        assert_eq!(self.ada.message(&asked.chat_id, asked.answer()).await["content"], "Echo: still there?");
    }
}

async fn fields_of_the_wrong_type_are_refused_everywhere(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_CHANNELS", "true"), ("ENABLE_API_KEYS", "true")]).await;
    let kept = Belongings::of(&node).await;
    let walker = node.add(&kept.ada, "Walker", "admin").await;
    let mut bodies: Vec<Value> = values().into();
    for value in values() {
        bodies.push(
            FIELDS.iter().map(|field| ((*field).to_owned(), value.clone())).collect::<Map<_, _>>().into(),
        );
    }
    // Each field of another type, turned through the types.
    for turn in 0..values().len() {
        let mixed = FIELDS
            .iter()
            .enumerate()
            .map(|(index, field)| ((*field).to_owned(), values()[(index + turn) % values().len()].clone()));
        bodies.push(mixed.collect::<Map<_, _>>().into());
    }
    for route in antiphon_api::routes::table().iter().filter(|route| !ends_the_session(route)) {
        if route.method == Method::GET {
            continue;
        }
        for body in &bodies {
            let path = filled(route.path, "unknown");
            let answer = walker.send(route.method.clone(), &path, Some(body.to_string().into())).await;
            check(&answer, &format!("{} {path} {body}", route.method));
        }
    }
    kept.check(&node).await;
    node.stop().await;
}

async fn ids_that_nobody_has_are_refused_everywhere(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_CHANNELS", "true")]).await;
    let kept = Belongings::of(&node).await;
    let (long, endless) = ("x".repeat(300), "x".repeat(20_000));
    let ids = [
        "unknown",
        "00000000-0000-0000-0000-000000000000",
        "-1",
        "99999999999999999999999999",
        "%00",
        "%F0%9F%99%82",
        "%27%20OR%20%271%27=%271",
        "..%2F..%2Fetc%2Fpasswd",
        "%25s%25n",
        "%ff%fe",
        "*",
        long.as_str(),
        endless.as_str(),
    ];
    let mut answered = BTreeMap::<String, BTreeSet<u16>>::new();
    for route in antiphon_api::routes::table().iter().filter(|route| captures(route.path) > 0) {
        for id in ids {
            let path = filled(route.path, id);
            let body = (route.method != Method::GET).then(|| plausible(route).to_string().into_bytes());
            let answer = kept.ada.send(route.method.clone(), &path, body).await;
            check(&answer, &format!("{} {path}", route.method));
            answered.entry(format!("{} {}", route.method, route.path)).or_default().insert(answer.status);
        }
    }
    // An unknown id is a refusal, unless the answer is an honest "nothing".
    let honest = ["GET /api/tasks/chat/{id}", "POST /api/tasks/chat/{id}/stop"];
    for (route, statuses) in &answered {
        let refused = statuses.iter().all(|status| (400..500).contains(status));
        assert!(refused || honest.contains(&route.as_str()), "{route} -> {statuses:?}");
    }
    kept.check(&node).await;
    node.stop().await;
}

/// A form without faults for a route with captures, so that only the id decides.
fn plausible(route: &Route) -> Value {
    match route.path {
        path if path.ends_with("/tags") => json!({ "name": "tag" }),
        "/api/v1/chats/{id}" => {
            json!({ "chat": { "title": "stolen", "history": { "messages": {}, "currentId": null } } })
        }
        path if path.ends_with("/clone") => json!({ "title": "copy" }),
        path if path.contains("/reactions/") => json!({ "name": "+1" }),
        path if path.ends_with("/members/active") => json!({ "is_active": true }),
        path if path.contains("/update/members/") => json!({ "user_ids": [], "group_ids": [] }),
        path if path.contains("/feedback") => {
            json!({ "type": "rating", "data": { "rating": 1 }, "meta": {}, "snapshot": {} })
        }
        path if path.starts_with("/api/v1/users/") => {
            json!({ "role": "user", "name": "Stolen", "email": "stolen@example.org", "profile_image_url": "/user.png" })
        }
        _ => json!({ "content": "stolen", "data": {}, "title": "stolen" }),
    }
}

async fn the_ids_of_others_are_refused_everywhere(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_CHANNELS", "true")]).await;
    let kept = Belongings::of(&node).await;
    let bob = node.add(&kept.ada, "Bob", "user").await;
    let private = json!({ "name": "private", "type": "group", "is_private": true, "access_grants": [] });
    let channel = kept.ada.post("/api/v1/channels/create", private).await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let posted = format!("/api/v1/channels/{channel}/messages/post");
    let posted = kept.ada.post(&posted, json!({ "content": "secret", "data": {} })).await;
    let posted = posted.expect(200)["id"].as_str().unwrap().to_owned();
    let socket = kept.ada.connect(&node).await;
    let running = Question::new("[[tokens=4 hold=2]]").ask(&kept.ada, &socket).await;
    socket.said(running.answer(), "tok1 tok2").await;

    // What people show of themselves, and honest answers of "nothing".
    let open = [
        "GET /api/v1/users/{id}",
        "GET /api/v1/users/{id}/active",
        "GET /api/v1/users/{id}/info",
        "GET /api/v1/users/{id}/profile/image",
        "GET /api/v1/channels/users/{user_id}",
        "GET /api/tasks/chat/{id}",
        "POST /api/tasks/chat/{id}/stop",
    ];
    let pairs = [
        (kept.chat_id.as_str(), kept.message_id.as_str()),
        (&running.chat_id, running.answer()),
        (&channel, &posted),
        (&kept.ada.id, &kept.ada.id),
        (&running.task_ids[0], &running.task_ids[0]),
    ];
    for route in antiphon_api::routes::table().iter().filter(|route| captures(route.path) > 0) {
        for (id, message_id) in pairs {
            let path = filled(&route.path.replace("{message_id}", message_id), id);
            let body = (route.method != Method::GET).then(|| plausible(route).to_string().into_bytes());
            let answer = bob.send(route.method.clone(), &path, body).await;
            check(&answer, &format!("{} {path}", route.method));
            let name = format!("{} {}", route.method, route.path);
            let refused = (400..500).contains(&answer.status);
            assert!(refused || open.contains(&name.as_str()), "{name} -> {} {}", answer.status, answer.body);
            let text = String::from_utf8_lossy(&answer.bytes).into_owned();
            assert!(!text.contains("secret") && !text.contains("Echo:"), "{name} -> {text}");
        }
    }
    provider.release();
    socket.end_of_turn(&running.chat_id, 1).await;
    assert_eq!(kept.ada.message(&running.chat_id, running.answer()).await["content"], "tok1 tok2 tok3 tok4");
    let messages = kept.ada.get(&format!("/api/v1/channels/{channel}/messages")).await.expect(200).clone();
    assert_eq!((messages.as_array().unwrap().len(), &messages[0]["content"]), (1, &json!("secret")));
    kept.check(&node).await;
    node.stop().await;
}

async fn bodies_that_are_too_large_are_refused_everywhere(place: Place) {
    /// More than a form may have; what takes whole chats is tested with those.
    const SIZE: usize = 1_200_000;
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[("ENABLE_CHANNELS", "true")]).await;
    let kept = Belongings::of(&node).await;
    let walker = node.add(&kept.ada, "Walker", "admin").await;
    let body = json!({ "name": "x".repeat(SIZE), "email": "x@example.org", "password": "x" })
        .to_string()
        .into_bytes();
    let mut too_large = 0;
    for route in antiphon_api::routes::table().iter().filter(|route| !ends_the_session(route)) {
        if route.method == Method::GET {
            continue;
        }
        let path = filled(route.path, "unknown");
        let answer = walker.send(route.method.clone(), &path, Some(body.clone())).await;
        check(&answer, &format!("{} {path}", route.method));
        too_large += usize::from(answer.status == 413);
    }
    assert!(too_large > 20, "only {too_large} routes found the body too large");
    // Nobody has to be known to be refused.
    let nobody: &Client = &node.client();
    let answer = nobody.send(Method::POST, "/api/v1/auths/signin", Some(body)).await;
    answer.expect_plain(413);
    kept.check(&node).await;
    node.stop().await;
}

async fn other_methods_are_refused_everywhere(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let kept = Belongings::of(&node).await;
    let mut methods = BTreeMap::<&str, BTreeSet<String>>::new();
    for route in antiphon_api::routes::table() {
        assert!(!matches!(route.access, Access::Public) || !route.path.contains("user/"), "{}", route.path);
        methods.entry(route.path).or_default().insert(route.method.to_string());
    }
    for (path, served) in &methods {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if served.contains(method.as_str()) {
                continue;
            }
            // Another route may have this path: `/chats/{id}` takes `/chats/list`.
            let taken = methods.iter().any(|(other, served)| {
                other.contains('{') && served.contains(method.as_str()) && fits(other, path)
            });
            let path = filled(path, "unknown");
            let answer = kept.ada.send(method.clone(), &path, Some(b"{}".to_vec())).await;
            check(&answer, &format!("{method} {path}"));
            let expected = if taken { 400..500 } else { 405..406 };
            assert!(expected.contains(&answer.status), "{method} {path} -> {}", answer.status);
        }
    }
    kept.check(&node).await;
    node.stop().await;
}

/// Whether a path with captures also takes this path.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, part)| pattern.starts_with('{') || pattern == part)
}
