//! Who may do what with a channel.

use super::{everybody, heard, id_of, kinds, listed, make, open, path, post, say, three, typing};
use crate::support::{Account, Place, on_both};
use reqwest::Method;
use serde_json::json;

on_both!(
    channels_are_off_unless_they_are_switched_on,
    an_open_channel_is_made_listed_and_opened,
    only_administrators_make_open_channels,
    channels_of_others_do_not_exist,
    who_may_only_read_does_not_write,
    messages_are_changed_by_their_writers_alone,
    switching_channels_off_ends_them_for_open_sockets,
    nonsense_is_refused,
);

async fn channels_are_off_unless_they_are_switched_on(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let feature = async |account: &Account| {
        let browser = node.client().with_cookie(&account.token);
        browser.get("/api/config").await.expect(200)["features"]["enable_channels"].clone()
    };
    ada.get("/api/v1/channels/").await.expect_plain(403);
    ada.get(&path("unknown", "")).await.expect_plain(403);
    assert_eq!(feature(&ada).await, json!(false));

    node.configure(&ada, json!({ "ENABLE_CHANNELS": true })).await;
    assert!(listed(&ada).await.is_empty());
    assert_eq!(feature(&bob).await, json!(true));
    assert!(listed(&bob).await.is_empty());

    let mut permissions = ada.get("/api/v1/users/default/permissions").await.expect(200).clone();
    permissions["features"]["channels"] = json!(false);
    ada.post("/api/v1/users/default/permissions", permissions).await.expect(200);
    assert!(bob.get("/api/v1/channels/").await.expect_plain(403).contains("features.channels"));
    ada.get("/api/v1/channels/").await.expect(200);
    node.stop().await;
}

async fn an_open_channel_is_made_listed_and_opened(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let form = json!({
        "type": "", "name": " room ", "description": "About rooms", "is_private": null,
        "access_grants": everybody(&["read", "write"]), "group_ids": [], "user_ids": [],
    });
    let made = ada.post("/api/v1/channels/create", form).await.expect(200).clone();
    let id = id_of(&made);
    assert_eq!(made["user_id"], ada.id.as_str());
    assert_eq!((&made["type"], &made["name"]), (&json!(null), &json!("room")));
    assert_eq!(made["description"], "About rooms");
    assert_eq!(made["access_grants"].as_array().unwrap().len(), 2);
    for name in
        ["is_private", "data", "meta", "updated_by", "archived_at", "archived_by", "deleted_at", "deleted_by"]
    {
        assert_eq!(made.get(name), Some(&json!(null)), "{name}");
    }
    // Nanoseconds, as clients expect.
    assert!(made["created_at"].as_i64().unwrap() > 1_000_000_000_000_000_000);

    let of_bob = listed(&bob).await;
    let mut expected = made.clone();
    for (name, value) in [
        ("is_channel_muted", json!(false)),
        ("user_ids", json!(null)),
        ("users", json!(null)),
        ("last_message_at", json!(null)),
        ("unread_count", json!(0)),
    ] {
        expected[name] = value;
    }
    assert_eq!(of_bob, [expected]);
    assert_eq!(bob.get("/api/v1/channels/list").await.expect(200), &json!([made]));

    for (account, manager) in [(&ada, true), (&bob, false)] {
        let mut expected = made.clone();
        for (name, value) in [
            ("is_manager", json!(manager)),
            ("write_access", json!(true)),
            ("user_count", json!(3)),
            ("is_channel_muted", json!(false)),
            ("user_ids", json!(null)),
            ("users", json!(null)),
            ("last_read_at", json!(null)),
            ("unread_count", json!(0)),
        ] {
            expected[name] = value;
        }
        assert_eq!(account.get(&path(&id, "")).await.expect(200), &expected);
    }
    node.stop().await;
}

async fn only_administrators_make_open_channels(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let create = "/api/v1/channels/create";
    bob.post(create, json!({ "name": "mine", "access_grants": [] })).await.expect_plain(401);
    for (form, status) in [
        (json!({ "name": "" }), 400),
        (json!({ "name": " " }), 400),
        (json!({ "type": "group", "name": "" }), 400),
        (json!({ "name": "x".repeat(129) }), 400),
        (json!({ "name": "x", "description": "x".repeat(2_001) }), 400),
        (json!({ "name": "x", "meta": { "a": "x".repeat(70_000) } }), 413),
        (json!({ "name": "x", "type": "secret" }), 422),
        (json!({ "name": "x", "access_grants": [{ "principal_type": "dog" }] }), 422),
        (json!({ "name": "x", "group_ids": ["team"] }), 400),
        (json!({ "type": "dm", "user_ids": [] }), 400),
        (json!({ "type": "dm", "user_ids": ["nobody"] }), 404),
        (json!({ "type": "group", "name": "x", "user_ids": ["nobody"] }), 404),
    ] {
        ada.post(create, form).await.expect(status);
    }
    ada.get("/api/v1/channels/users/nobody").await.expect_plain(404);
    assert!(listed(&ada).await.is_empty());
    node.stop().await;
}

async fn channels_of_others_do_not_exist(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let closed = open(&ada, "closed", &[]).await;
    let group = make(&bob, "group", &[]).await;
    for (stranger, member, channel) in [(&bob, &ada, &closed), (&ada, &bob, &group), (&cid, &bob, &group)] {
        assert!(!listed(stranger).await.iter().any(|item| item["id"] == channel.as_str()));
        let message = post(member, channel, "secret").await;
        for (method, rest, body) in [
            (Method::GET, String::new(), json!(null)),
            (Method::GET, "/members".into(), json!(null)),
            (Method::POST, "/members/active".into(), json!({ "is_active": true })),
            (Method::POST, "/update/members/add".into(), json!({ "user_ids": [stranger.id] })),
            (Method::POST, "/update/members/remove".into(), json!({ "user_ids": [stranger.id] })),
            (Method::GET, "/messages".into(), json!(null)),
            (Method::POST, "/messages/post".into(), json!({ "content": "hi" })),
            (Method::GET, format!("/messages/{message}"), json!(null)),
            (Method::GET, format!("/messages/{message}/data"), json!(null)),
            (Method::GET, format!("/messages/{message}/thread"), json!(null)),
            (Method::POST, format!("/messages/{message}/update"), json!({ "content": "hi" })),
            (Method::DELETE, format!("/messages/{message}/delete"), json!(null)),
            (Method::POST, format!("/messages/{message}/reactions/add"), json!({ "name": "+1" })),
            (Method::POST, format!("/messages/{message}/reactions/remove"), json!({ "name": "+1" })),
        ] {
            let answer =
                stranger.send(method, &path(channel, &rest), Some(body.to_string().into_bytes())).await;
            assert_eq!(answer.expect_plain(404), "There is no such channel.", "{rest}");
        }
    }
    // A message is found in its own channel alone.
    let message = post(&ada, &closed, "here").await;
    let other = open(&ada, "other", &["read", "write"]).await;
    for rest in ["", "/data", "/thread"] {
        ada.get(&path(&other, &format!("/messages/{message}{rest}"))).await.expect_plain(404);
    }
    let react = path(&other, &format!("/messages/{message}/reactions/add"));
    bob.post(&react, json!({ "name": "+1" })).await.expect_plain(404);
    node.stop().await;
}

async fn who_may_only_read_does_not_write(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let news = open(&ada, "news", &["read"]).await;
    let message = post(&ada, &news, "hear, hear").await;
    assert_eq!(bob.get(&path(&news, "")).await.expect(200)["write_access"], json!(false));
    assert_eq!(bob.get(&path(&news, "/messages")).await.expect(200)[0]["id"], message.as_str());
    for (method, rest, body) in [
        (Method::POST, "/messages/post".to_owned(), json!({ "content": "hi" })),
        (Method::POST, format!("/messages/{message}/update"), json!({ "content": "hi" })),
        (Method::DELETE, format!("/messages/{message}/delete"), json!(null)),
        (Method::POST, format!("/messages/{message}/reactions/add"), json!({ "name": "+1" })),
    ] {
        bob.send(method, &path(&news, &rest), Some(body.to_string().into_bytes())).await.expect_plain(403);
    }
    assert_eq!(bob.get(&path(&news, "/messages")).await.body[0]["content"], "hear, hear");
    node.stop().await;
}

async fn messages_are_changed_by_their_writers_alone(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let message = post(&bob, &room, "mine").await;
    let (update, delete) = (
        path(&room, &format!("/messages/{message}/update")),
        path(&room, &format!("/messages/{message}/delete")),
    );
    cid.post(&update, json!({ "content": "his" })).await.expect_plain(403);
    cid.delete(&delete).await.expect_plain(403);
    let updated = ada.post(&update, json!({ "content": "moderated", "meta": { "a": 1 } })).await;
    assert_eq!(updated.expect(200)["meta"], json!({ "a": 1 }));
    assert_eq!(updated.body["user_id"], bob.id.as_str());
    ada.delete(&delete).await.expect(200);

    // Who manages a group deletes there, but puts nothing into others' mouths.
    let group = make(&bob, "group", &[&cid]).await;
    let message = post(&cid, &group, "mine").await;
    let (update, delete) = (
        path(&group, &format!("/messages/{message}/update")),
        path(&group, &format!("/messages/{message}/delete")),
    );
    bob.post(&update, json!({ "content": "his" })).await.expect_plain(403);
    bob.delete(&delete).await.expect(200);
    node.stop().await;
}

async fn switching_channels_off_ends_them_for_open_sockets(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let (of_ada, of_bob) = (ada.connect(&node).await, bob.connect(&node).await);
    say(&of_bob, &room, typing(1)).await;
    let mut permissions = ada.get("/api/v1/users/default/permissions").await.expect(200).clone();
    permissions["features"]["channels"] = json!(false);
    ada.post("/api/v1/users/default/permissions", permissions).await.expect(200);
    // At once for what the page says, with its next sign of life for what it hears.
    say(&of_bob, &room, typing(2)).await;
    of_bob.emit("heartbeat", json!({})).await;
    of_bob.sync().await;
    post(&ada, &room, "among administrators").await;
    assert_eq!(kinds(&heard(&of_ada, &room, 2).await), ["typing", "message"]);
    of_bob.sync().await;
    assert_eq!(kinds(&heard(&of_bob, &room, 1).await), ["typing"]);
    let late = bob.connect(&node).await;
    say(&late, &room, typing(3)).await;
    late.sync().await;
    assert!(late.heard().is_empty());
    node.stop().await;
}

async fn nonsense_is_refused(place: Place) {
    let (node, ada, _, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let message = post(&ada, &room, "hello").await;
    let bodies: [&[u8]; 7] =
        [b"", b"{", b"[]", b"null", b"7", b"{\"content\":7,\"name\":[],\"user_ids\":{}}", b"\"\xff\""];
    let posts = [
        "/messages/post".to_owned(),
        format!("/messages/{message}/update"),
        format!("/messages/{message}/reactions/add"),
        format!("/messages/{message}/reactions/remove"),
        "/members/active".to_owned(),
        "/update/members/add".to_owned(),
        "/update/members/remove".to_owned(),
    ];
    for rest in &posts {
        for body in bodies {
            let answer = ada.send(Method::POST, &path(&room, rest), Some(body.to_vec())).await;
            assert!((400..500).contains(&answer.status), "{rest} {body:?} -> {}", answer.status);
            assert!(!answer.body["detail"].is_null(), "{rest} {body:?}");
        }
    }
    for rest in ["skip=-1", "limit=x", "skip=99999999999999", "limit=%ff"] {
        ada.get(&path(&room, &format!("/messages?{rest}"))).await.expect(422);
        ada.get(&path(&room, &format!("/messages/{message}/thread?{rest}"))).await.expect(422);
    }
    assert_eq!(ada.get(&path(&room, "/messages?skip=4000000000&limit=0")).await.expect(200), &json!([]));
    for id in ["%00", "%ff", "..%2f", "unknown"] {
        let answer = ada.get(&path(id, "/messages")).await;
        assert!((400..500).contains(&answer.status), "{id} -> {}", answer.status);
    }
    let react = path(&room, &format!("/messages/{message}/reactions/add"));
    for name in [String::new(), "x".repeat(101)] {
        ada.post(&react, json!({ "name": name })).await.expect_plain(400);
    }
    for number in 0..20 {
        ada.post(&react, json!({ "name": number.to_string() })).await.expect(200);
    }
    ada.post(&react, json!({ "name": "one more" })).await.expect_plain(413);
    node.stop().await;
}
