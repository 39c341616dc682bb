//! Channels over HTTP and sockets, in the shapes and the order that the reference's web client knows.

use crate::support::{Account, Heard, NodeUnderTest, Place, Socket, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    channels_are_off_unless_they_are_switched_on,
    an_open_channel_is_made_listed_and_opened,
    only_administrators_make_open_channels,
    channels_of_others_do_not_exist,
    who_may_only_read_does_not_write,
    a_conversation_reaches_everybody_in_order,
    threads_quotations_and_files,
    messages_are_changed_by_their_writers_alone,
    typing_goes_to_the_whole_room_in_order,
    typing_needs_the_room,
    a_group_reaches_the_pages_of_its_members,
    direct_channels_come_back_when_somebody_writes,
    members_are_added_and_removed_at_once,
    unread_messages_are_counted,
    members_are_listed_in_pages,
    switching_channels_off_ends_them_for_open_sockets,
    nonsense_is_refused,
    messages_have_a_size,
);

const ON: &[(&str, &str)] = &[("ENABLE_CHANNELS", "true")];

/// Grants to everybody.
fn everybody(permissions: &[&str]) -> Value {
    let grant = |permission: &&str| json!({ "principal_type": "user", "principal_id": "*", "permission": permission });
    permissions.iter().map(grant).collect()
}

/// Has an administrator make an open channel.
async fn open(admin: &Account, name: &str, permissions: &[&str]) -> String {
    let form = json!({
        "type": "", "name": name, "is_private": null, "access_grants": everybody(permissions),
        "group_ids": [], "user_ids": [],
    });
    id_of(admin.post("/api/v1/channels/create", form).await.expect(200))
}

/// Makes a channel for its maker and others.
async fn make(maker: &Account, kind: &str, others: &[&Account]) -> String {
    let others: Vec<&str> = others.iter().map(|account| account.id.as_str()).collect();
    let form = json!({ "type": kind, "name": kind, "user_ids": others });
    id_of(maker.post("/api/v1/channels/create", form).await.expect(200))
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// The address of something in a channel.
fn path(channel: &str, rest: &str) -> String {
    format!("/api/v1/channels/{channel}{rest}")
}

async fn post(writer: &Account, channel: &str, content: &str) -> String {
    let form = json!({ "content": content, "data": { "files": [] }, "reply_to_id": null });
    id_of(writer.post(&path(channel, "/messages/post"), form).await.expect(200))
}

async fn listed(account: &Account) -> Vec<Value> {
    account.get("/api/v1/channels/").await.expect(200).as_array().expect("a list").clone()
}

/// Sends an event of a channel and waits until the server has handled it.
async fn say(socket: &Socket, channel: &str, data: Value) {
    let event = json!({ "channel_id": channel, "message_id": null, "data": data });
    socket.call("events:channel", event).await;
}

fn typing(number: u64) -> Value {
    json!({ "type": "typing", "data": { "typing": true, "number": number } })
}

/// Waits until the socket has heard this many events of a channel, and gives them.
async fn heard(socket: &Socket, channel: &str, count: usize) -> Vec<Heard> {
    let channel = channel.to_owned();
    socket
        .wait_for(format!("{count} events of a channel"), move |heard| {
            let of_channel: Vec<Heard> = heard
                .iter()
                .filter(|event| event.envelope["channel_id"] == channel.as_str())
                .cloned()
                .collect();
            (of_channel.len() >= count).then_some(of_channel)
        })
        .await
}

fn kinds(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|event| event.kind.as_str()).collect()
}

/// How often a socket was told of a new channel.
fn created(socket: &Socket) -> usize {
    socket
        .heard()
        .iter()
        .filter(|event| event.envelope == json!({ "data": { "type": "channel:created" } }))
        .count()
}

async fn three(place: &Place) -> (NodeUnderTest, Account, Account, Account) {
    let node = place.start(ON).await;
    let ada = node.sign_up("Ada").await;
    let (bob, cid) = (node.add(&ada, "Bob", "user").await, node.add(&ada, "Cid", "user").await);
    (node, ada, bob, cid)
}

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

async fn a_conversation_reaches_everybody_in_order(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let (of_ada, of_bob) = (ada.connect(&node).await, bob.connect(&node).await);
    let form = json!({ "temp_id": "t-1", "content": "hello", "data": { "files": [] }, "reply_to_id": null });
    let posted = ada.post(&path(&room, "/messages/post"), form).await.expect(200).clone();
    let message = id_of(&posted);
    for (name, value) in [
        ("user_id", json!(ada.id)),
        ("app_id", json!(null)),
        ("channel_id", json!(room)),
        ("reply_to_id", json!(null)),
        ("parent_id", json!(null)),
        ("is_pinned", json!(false)),
        ("pinned_by", json!(null)),
        ("pinned_at", json!(null)),
        ("content", json!("hello")),
        ("data", json!({ "files": [] })),
        ("meta", json!(null)),
        ("etag", json!(posted["updated_at"].to_string())),
    ] {
        assert_eq!(posted.get(name), Some(&value), "{name}");
    }

    let react = path(&room, &format!("/messages/{message}/reactions/add"));
    for _ in 0..2 {
        assert_eq!(bob.post(&react, json!({ "name": "+1" })).await.expect(200), &json!(true));
    }
    let update = path(&room, &format!("/messages/{message}/update"));
    let updated = ada.post(&update, json!({ "content": "hello again" })).await.expect(200).clone();
    assert_eq!((&updated["content"], &updated["data"]), (&json!("hello again"), &json!({ "files": [] })));
    assert_ne!(updated["etag"], posted["etag"]);
    let unreact = path(&room, &format!("/messages/{message}/reactions/remove"));
    assert_eq!(bob.post(&unreact, json!({ "name": "+1" })).await.expect(200), &json!(true));
    let delete = path(&room, &format!("/messages/{message}/delete"));
    assert_eq!(ada.delete(&delete).await.expect(200), &json!(true));
    ada.delete(&delete).await.expect_plain(404);

    let channel = ada.get("/api/v1/channels/list").await.expect(200)[0].clone();
    let (ada_shown, bob_shown) = (
        json!({ "id": ada.id, "name": "Ada", "role": "admin" }),
        json!({ "id": bob.id, "name": "Bob", "role": "user" }),
    );
    let reaction = json!([{ "name": "+1", "users": [{ "id": bob.id, "name": "Bob" }], "count": 1 }]);
    for socket in [&of_ada, &of_bob] {
        let heard = heard(socket, &room, 5).await;
        assert_eq!(
            kinds(&heard),
            [
                "message",
                "message:reaction:add",
                "message:update",
                "message:reaction:remove",
                "message:delete"
            ]
        );
        let expected = json!({
            "channel_id": room, "message_id": message, "user": ada_shown, "channel": channel,
            "data": { "type": "message", "data": {
                "temp_id": "t-1", "id": message, "user_id": ada.id, "app_id": null, "channel_id": room,
                "reply_to_id": null, "parent_id": null, "is_pinned": false, "pinned_by": null, "pinned_at": null,
                "content": "hello", "data": { "files": [] }, "meta": null, "created_at": posted["created_at"],
                "updated_at": posted["updated_at"], "user": ada_shown, "reply_to_message": null,
                "latest_reply_at": null, "reply_count": 0, "reactions": [], "etag": posted["etag"],
            } },
        });
        assert_eq!(heard[0].envelope, expected);
        assert_eq!((&heard[1].data["name"], &heard[1].data["reactions"]), (&json!("+1"), &reaction));
        assert_eq!((&heard[1].envelope["user"], &heard[1].data["user"]), (&bob_shown, &ada_shown));
        assert_eq!(
            (&heard[2].data["content"], &heard[2].data["reactions"]),
            (&json!("hello again"), &reaction)
        );
        assert!(heard[2].data.get("temp_id").is_none());
        assert_eq!((&heard[3].data["name"], &heard[3].data["reactions"]), (&json!("+1"), &json!([])));
        assert_eq!(heard[4].data["content"], "hello again");
        assert!(heard.iter().all(|event| event.message_id == message));
    }
    assert_eq!(bob.get(&path(&room, "/messages")).await.expect(200), &json!([]));
    node.stop().await;
}

async fn threads_quotations_and_files(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let of_bob = bob.connect(&node).await;
    let first = post(&ada, &room, "first").await;
    let form = json!({ "parent_id": first, "reply_to_id": null, "content": "in the thread", "data": { "files": [] } });
    let reply = bob.post(&path(&room, "/messages/post"), form).await.expect(200).clone();
    let file = json!({ "files": [{ "type": "file", "id": "f" }] });
    let form = json!({ "parent_id": null, "reply_to_id": first, "content": "", "data": file });
    let quoting = id_of(ada.post(&path(&room, "/messages/post"), form).await.expect(200));

    let list = ada.get(&path(&room, "/messages?skip=0&limit=50")).await.expect(200).clone();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!((&list[0]["id"], &list[0]["data"]), (&json!(quoting), &json!(true)));
    assert_eq!(list[0]["reply_to_message"]["content"], "first");
    assert_eq!(list[0]["reply_to_message"]["user"]["name"], "Ada");
    assert_eq!((&list[1]["data"], &list[1]["reply_count"]), (&json!(false), &json!(1)));
    assert_eq!(list[1]["latest_reply_at"], reply["created_at"]);
    assert_eq!(bob.get(&path(&room, "/messages?skip=1&limit=1")).await.body[0]["id"], first.as_str());
    let data = path(&room, &format!("/messages/{quoting}/data"));
    assert_eq!(bob.get(&data).await.expect(200), &file);
    let one = path(&room, &format!("/messages/{quoting}"));
    assert_eq!(bob.get(&one).await.expect(200)["data"], file);

    let thread = path(&room, &format!("/messages/{first}/thread?skip=0&limit=50&around="));
    let thread = ada.get(&thread).await.expect(200).clone();
    assert_eq!(thread.as_array().unwrap().len(), 2);
    assert_eq!((&thread[0]["id"], &thread[1]["id"]), (&reply["id"], &json!(first)));
    assert_eq!(thread[0]["parent_id"], first.as_str());

    bob.delete(&path(&room, &format!("/messages/{}/delete", id_of(&reply)))).await.expect(200);
    let heard = heard(&of_bob, &room, 6).await;
    assert_eq!(
        kinds(&heard),
        ["message", "message", "message:reply", "message", "message:delete", "message:reply"]
    );
    assert_eq!((&heard[1].data["parent_id"], &heard[1].data["temp_id"]), (&json!(first), &json!(null)));
    assert_eq!((heard[2].message_id.as_str(), &heard[2].data["reply_count"]), (first.as_str(), &json!(1)));
    assert_eq!(heard[2].data["latest_reply_at"], reply["created_at"]);
    assert_eq!(heard[3].data["reply_to_message"]["id"], first.as_str());
    assert_eq!(heard[3].data["data"], file);
    assert_eq!((heard[5].message_id.as_str(), &heard[5].data["reply_count"]), (first.as_str(), &json!(0)));

    for form in [
        json!({ "content": "" }),
        json!({ "content": " ", "data": { "files": [] } }),
        json!({ "content": "x", "parent_id": "unknown" }),
        json!({ "content": "x", "reply_to_id": "unknown" }),
    ] {
        ada.post(&path(&room, "/messages/post"), form).await.expect_plain(400);
    }
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

async fn typing_goes_to_the_whole_room_in_order(place: Place) {
    const EVENTS: u64 = 200;
    let (node, ada, bob, cid) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let sockets = [ada.connect(&node).await, bob.connect(&node).await, cid.connect(&node).await];
    for number in 0..EVENTS {
        let event = json!({ "channel_id": room, "message_id": "m", "data": typing(number) });
        sockets[1].emit("events:channel", event).await;
    }
    for socket in &sockets {
        let heard = heard(socket, &room, usize::try_from(EVENTS).unwrap()).await;
        for (number, event) in (0..).zip(&heard) {
            let expected = json!({
                "channel_id": room, "message_id": "m", "data": typing(number),
                "user": { "id": bob.id, "name": "Bob", "role": "user" },
            });
            assert_eq!(event.envelope, expected);
        }
    }
    node.stop().await;
}

async fn typing_needs_the_room(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let closed = open(&ada, "closed", &[]).await;
    let (of_ada, of_bob) = (ada.connect(&node).await, bob.connect(&node).await);
    say(&of_bob, &closed, typing(1)).await;
    // Too large, of no known type, of no form: nothing happens, and the socket lives on.
    say(&of_ada, &closed, json!({ "type": "typing", "data": { "note": "x".repeat(2_000) } })).await;
    say(&of_ada, &closed, json!({ "type": "message", "data": { "content": "forged" } })).await;
    for nonsense in [json!(null), json!([]), json!({}), json!({ "channel_id": 7, "data": {} }), json!("x")] {
        of_ada.call("events:channel", nonsense).await;
    }
    of_ada
        .call(
            "events:channel",
            json!({ "channel_id": closed, "message_id": "x".repeat(200), "data": typing(2) }),
        )
        .await;
    say(&of_ada, &closed, json!({ "data": "without a type" })).await;
    say(&of_ada, &closed, typing(3)).await;
    let heard = heard(&of_ada, &closed, 1).await;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].envelope["data"], typing(3));
    of_bob.sync().await;
    assert!(of_bob.heard().is_empty());

    // The channel that a page just made is followed after `join-channels`.
    let room = open(&ada, "room", &["read"]).await;
    say(&of_bob, &room, typing(4)).await;
    of_bob.call("join-channels", json!({ "auth": { "token": bob.token } })).await;
    say(&of_bob, &room, typing(5)).await;
    assert_eq!(of_bob.heard().len(), 1);
    node.stop().await;
}

async fn a_group_reaches_the_pages_of_its_members(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let (of_ada, of_bob) = (ada.connect(&node).await, bob.connect(&node).await);
    let (of_cid, second_of_cid) = (cid.connect(&node).await, cid.connect(&node).await);
    let group = make(&bob, "group", &[&cid, &bob]).await;
    post(&bob, &group, "welcome").await;
    for socket in [&of_bob, &of_cid, &second_of_cid] {
        // The page is told of the channel, and follows it without asking.
        assert_eq!(kinds(&heard(socket, &group, 1).await), ["message"]);
        assert_eq!(created(socket), 1);
        assert_eq!(socket.heard()[0].kind, "channel:created");
    }
    of_ada.sync().await;
    assert!(of_ada.heard().is_empty());

    let one = cid.get(&path(&group, "")).await.expect(200).clone();
    assert_eq!(
        (&one["type"], &one["is_manager"], &one["user_count"]),
        (&json!("group"), &json!(false), &json!(2))
    );
    assert_eq!(one["user_ids"], json!([bob.id, cid.id]));
    let expected = json!({
        "id": bob.id, "name": "Bob", "is_active": true, "status_emoji": null, "status_message": null,
        "status_expires_at": null,
    });
    assert_eq!(one["users"][0], expected);
    assert_eq!(listed(&cid).await[0]["id"], group.as_str());
    // A socket that comes later follows it after `user-join`.
    let late = cid.connect(&node).await;
    say(&late, &group, typing(1)).await;
    assert_eq!(kinds(&heard(&of_bob, &group, 2).await), ["message", "typing"]);
    node.stop().await;
}

async fn direct_channels_come_back_when_somebody_writes(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let of_bob = bob.connect(&node).await;
    let direct = make(&ada, "dm", &[&bob]).await;
    let again = bob.get(&format!("/api/v1/channels/users/{}", ada.id)).await.expect(200).clone();
    assert_eq!((id_of(&again), &again["type"], &again["name"]), (direct.clone(), &json!("dm"), &json!("")));
    let other = id_of(bob.get(&format!("/api/v1/channels/users/{}", cid.id)).await.expect(200));
    assert_ne!(other, direct);
    let item = listed(&bob).await.into_iter().find(|item| item["id"] == direct.as_str()).unwrap();
    assert_eq!(item["user_ids"], json!([ada.id, bob.id]));
    assert_eq!(item["users"][0]["name"], "Ada");
    assert_eq!(created(&of_bob), 3);

    let hide = path(&direct, "/members/active");
    assert_eq!(bob.post(&hide, json!({ "is_active": false })).await.expect(200), &json!(true));
    assert!(!listed(&bob).await.iter().any(|item| item["id"] == direct.as_str()));
    post(&ada, &direct, "are you there?").await;
    assert!(listed(&bob).await.iter().any(|item| item["id"] == direct.as_str()));
    of_bob.sync().await;
    assert_eq!(created(&of_bob), 4);
    assert_eq!(heard(&of_bob, &direct, 1).await.len(), 1);
    // An open channel is nobody's to hide.
    let room = open(&ada, "room", &["read"]).await;
    bob.post(&path(&room, "/members/active"), json!({ "is_active": false })).await.expect_plain(400);
    node.stop().await;
}

async fn members_are_added_and_removed_at_once(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let (of_ada, of_bob, of_cid) =
        (ada.connect(&node).await, bob.connect(&node).await, cid.connect(&node).await);
    let group = make(&bob, "group", &[&ada]).await;
    let (add, remove) = (path(&group, "/update/members/add"), path(&group, "/update/members/remove"));
    let added = bob.post(&add, json!({ "user_ids": [cid.id, ada.id], "group_ids": [] })).await;
    assert_eq!(added.expect(200), &json!([{ "channel_id": group, "user_id": cid.id }]));
    post(&bob, &group, "for all three").await;
    assert_eq!(heard(&of_cid, &group, 1).await.len(), 1);
    assert_eq!((created(&of_cid), created(&of_ada)), (1, 1));

    cid.post(&add, json!({ "user_ids": [ada.id] })).await.expect_plain(403);
    cid.post(&remove, json!({ "user_ids": [ada.id] })).await.expect_plain(403);
    cid.post(&remove, json!({ "user_ids": [cid.id, ada.id] })).await.expect_plain(403);
    bob.post(&remove, json!({ "user_ids": [bob.id] })).await.expect_plain(400);
    bob.post(&add, json!({ "user_ids": ["nobody"] })).await.expect_plain(404);
    bob.post(&add, json!({ "user_ids": [], "group_ids": ["team"] })).await.expect_plain(400);
    assert_eq!(bob.post(&remove, json!({ "user_ids": [cid.id] })).await.expect(200), &json!(1));
    post(&bob, &group, "for two").await;
    assert_eq!(heard(&of_ada, &group, 2).await.len(), 2);
    of_cid.sync().await;
    assert_eq!(heard(&of_cid, &group, 1).await.len(), 1);
    cid.get(&path(&group, "")).await.expect_plain(404);
    say(&of_cid, &group, typing(1)).await;

    // Anybody may go.
    assert_eq!(ada.post(&remove, json!({ "user_ids": [ada.id] })).await.expect(200), &json!(1));
    post(&bob, &group, "for me").await;
    assert_eq!(kinds(&heard(&of_bob, &group, 3).await), ["message"; 3]);
    of_ada.sync().await;
    assert_eq!(heard(&of_ada, &group, 2).await.len(), 2);
    let room = open(&ada, "room", &["read"]).await;
    ada.post(&path(&room, "/update/members/add"), json!({ "user_ids": [cid.id] })).await.expect_plain(400);
    node.stop().await;
}

async fn unread_messages_are_counted(place: Place) {
    let (node, ada, bob, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let of_bob = bob.connect(&node).await;
    let unread = async || {
        let item = listed(&bob).await.remove(0);
        let one = bob.get(&path(&room, "")).await.expect(200).clone();
        assert_eq!(item["unread_count"], one["unread_count"]);
        (one["unread_count"].as_i64().unwrap(), one["last_read_at"].as_i64())
    };
    post(&ada, &room, "before he ever looked").await;
    assert_eq!(unread().await, (0, None));
    let read = json!({ "type": "last_read_at" });
    say(&of_bob, &room, read.clone()).await;
    let (count, first) = unread().await;
    assert_eq!(count, 0);
    assert!(first.unwrap() > 1_000_000_000_000_000_000);
    for number in 0..3 {
        post(&ada, &room, &number.to_string()).await;
    }
    post(&bob, &room, "his own").await;
    assert_eq!(unread().await, (3, first));
    say(&of_bob, &room, read.clone()).await;
    let (count, second) = unread().await;
    assert!(count == 0 && second > first);

    // Marks that nobody asked about are stored as the socket goes.
    post(&ada, &room, "one more").await;
    say(&of_bob, &room, read).await;
    node.stop().await;
    let node = place.start(ON).await;
    let bob = node.sign_in("Bob").await;
    let one = bob.get(&path(&room, "")).await.expect(200).clone();
    assert_eq!(one["unread_count"], json!(0));
    assert!(one["last_read_at"].as_i64() > second);
    node.stop().await;
}

async fn members_are_listed_in_pages(place: Place) {
    let (node, ada, bob, cid) = three(&place).await;
    let room = open(&ada, "room", &["read"]).await;
    let group = make(&bob, "group", &[&cid]).await;
    let everybody = bob.get(&path(&room, "/members?page=1")).await.expect(200).clone();
    assert_eq!(everybody["total"], json!(3));
    let expected = json!({
        "id": ada.id, "name": "Ada", "email": ada.email, "role": "admin", "is_active": false,
        "profile_image_url": format!("/api/v1/users/{}/profile/image", ada.id), "presence_state": null,
        "status_emoji": null, "status_message": null, "status_expires_at": null,
    });
    assert_eq!(everybody["users"][0], expected);
    let found = cid
        .get(&path(&group, "/members?query=BOB&order_by=email&direction=desc&page=1"))
        .await
        .expect(200)
        .clone();
    assert_eq!((&found["total"], &found["users"][0]["id"]), (&json!(1), &json!(bob.id)));
    assert_eq!(cid.get(&path(&group, "/members?page=2")).await.expect(200)["users"], json!([]));
    for query in ["order_by=shoe", "direction=up", "page=x", &format!("query={}", "x".repeat(201))] {
        cid.get(&path(&group, &format!("/members?{query}"))).await.expect(422);
    }
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

async fn messages_have_a_size(place: Place) {
    let (node, ada, _, _) = three(&place).await;
    let room = open(&ada, "room", &["read", "write"]).await;
    let socket = ada.connect(&node).await;
    let send = path(&room, "/messages/post");
    ada.post(&send, json!({ "content": "x".repeat(256 * 1024) })).await.expect(200);
    ada.post(&send, json!({ "content": "x".repeat(256 * 1024 + 1) })).await.expect_plain(413);
    ada.post(&send, json!({ "content": "x".repeat(2 * 1024 * 1024) })).await.expect_plain(413);
    ada.post(&send, json!({ "content": "x", "temp_id": "x".repeat(129) })).await.expect(422);
    let heard = heard(&socket, &room, 1).await;
    assert_eq!(heard[0].data["content"].as_str().unwrap().len(), 256 * 1024);
    tokio::time::timeout(Duration::from_secs(5), socket.sync()).await.unwrap();
    assert_eq!(socket.heard().len(), 1);
    node.stop().await;
}
