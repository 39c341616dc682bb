//! What sockets say about chats: joining, leaving, typing, reading; who is there; which models are in use.

use crate::support::chat::{Question, start};
use crate::support::provider::Provider;
use crate::support::{Place, Socket, eventually, on_both};
use serde_json::{Value, json};

on_both!(
    only_the_owner_joins_a_chat,
    those_who_have_a_chat_open_are_told,
    typing_is_told_to_the_others,
    reading_is_told_to_every_tab_of_the_owner,
    chats_without_a_row_have_no_room,
    malformed_events_are_acknowledged_or_ignored,
    heartbeats_keep_a_person_present,
    models_in_use_are_counted,
    a_tab_that_signs_in_as_somebody_else_hears_nothing_of_the_first,
    nobody_may_say_nothing_but_who_they_are,
);

async fn chat(account: &crate::support::Account) -> String {
    let made = account.post("/api/v1/chats/new", json!({ "chat": { "title": "chat" } })).await;
    made.expect(200)["id"].as_str().unwrap().to_owned()
}

/// The events of a type about a chat so far.
fn of_kind(socket: &Socket, chat_id: &str, kind: &str) -> Vec<Value> {
    let heard = socket.heard().into_iter();
    heard.filter(|event| event.chat_id == chat_id && event.kind == kind).map(|event| event.envelope).collect()
}

async fn only_the_owner_joins_a_chat(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "admin").await;
    let id = chat(&ada).await;
    let (socket, strange) = (ada.connect(&node).await, bob.connect(&node).await);
    assert_eq!(socket.chat(&id, "join").await, true);
    assert_eq!(strange.chat(&id, "join").await, false);
    assert_eq!(strange.chat("unknown", "join").await, false);
    // Who is not in the room neither types there nor hears what is said there.
    let typing = json!({ "chat_id": id, "data": { "type": "typing", "data": { "typing": true } } });
    assert_eq!(strange.call("events:chat", typing.clone()).await, false);
    assert_eq!(socket.call("events:chat", typing).await, true);
    strange.emit("events:chat", json!({ "chat_id": id, "data": { "type": "last_read_at" } })).await;
    strange.sync().await;
    socket.sync().await;
    assert_eq!(strange.heard(), []);
    assert!(of_kind(&socket, &id, "typing").is_empty());
    let listed = ada.get("/api/v1/chats/?page=1").await.expect(200)[0].clone();
    assert_eq!(of_kind(&socket, &id, "chat:list"), Vec::<Value>::new(), "{listed}");
    node.stop().await;
}

async fn those_who_have_a_chat_open_are_told(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = chat(&ada).await;
    let (one, two) = (ada.connect(&node).await, ada.connect(&node).await);
    let users = json!([{ "id": ada.id, "name": "Ada" }]);
    let expected = json!({
        "chat_id": id, "shared": true, "data": { "type": "chat:presence", "data": { "users": users } },
    });
    assert_eq!(one.chat(&id, "join").await, true);
    assert_eq!(one.event(&id, "chat:presence").await.envelope, expected);
    assert_eq!(two.chat(&id, "join").await, true);
    // One person in two tabs is one person.
    assert_eq!(two.event(&id, "chat:presence").await.envelope, expected);
    assert_eq!(two.chat(&id, "join").await, true, "joining again is no fault");
    assert_eq!(two.chat(&id, "leave").await, true);
    assert_eq!(two.chat(&id, "leave").await, true);
    one.sync().await;
    let before = of_kind(&two, &id, "chat:presence").len();
    assert_eq!(one.chat(&id, "join").await, true);
    two.sync().await;
    assert_eq!(of_kind(&two, &id, "chat:presence").len(), before, "who left is told nothing more");
    drop(one);
    node.stop().await;
}

async fn typing_is_told_to_the_others(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = chat(&ada).await;
    let (one, two) = (ada.connect(&node).await, ada.connect(&node).await);
    for socket in [&one, &two] {
        assert_eq!(socket.chat(&id, "join").await, true);
    }
    for (typing, shown) in
        [(json!(true), true), (json!(false), false), (json!("yes"), false), (json!(null), false)]
    {
        let event = json!({ "chat_id": id, "data": { "type": "typing", "data": { "typing": typing } } });
        assert_eq!(one.call("events:chat", event).await, true);
        two.sync().await;
        let told = of_kind(&two, &id, "typing").pop().unwrap();
        let expected = json!({
            "chat_id": id, "user_id": ada.id, "user": { "id": ada.id, "name": "Ada" }, "shared": true,
            "data": { "type": "typing", "data": { "typing": shown } },
        });
        assert_eq!(told, expected);
    }
    assert_eq!(of_kind(&two, &id, "typing").len(), 4);
    assert!(of_kind(&one, &id, "typing").is_empty(), "who types knows");
    node.stop().await;
}

async fn reading_is_told_to_every_tab_of_the_owner(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let (one, two) = (ada.connect(&node).await, ada.connect(&node).await);
    let asked = Question::new("hello").ask(&ada, &one).await;
    one.end_of_turn(&asked.chat_id, 1).await;
    one.emit("events:chat", json!({ "chat_id": asked.chat_id, "data": { "type": "last_read_at" } })).await;
    for socket in [&one, &two] {
        let at = socket
            .wait_for("the mark", |heard| heard.iter().find_map(|event| event.data["last_read_at"].as_i64()))
            .await;
        let item = ada.get("/api/v1/chats/?page=1").await.expect(200)[0].clone();
        assert_eq!(item["last_read_at"], at);
    }
    node.stop().await;
}

async fn chats_without_a_row_have_no_room(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let temporary = format!("temporary:{}", socket.sid);
    for id in [temporary.as_str(), "local:x", "channel:x", "", "../x"] {
        for kind in ["join", "typing"] {
            assert_eq!(socket.chat(id, kind).await, false, "{kind} {id}");
        }
    }
    assert_eq!(socket.heard(), []);
    node.stop().await;
}

async fn malformed_events_are_acknowledged_or_ignored(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = chat(&ada).await;
    let socket = ada.connect(&node).await;
    let values = [json!(null), json!(7), json!("text"), json!([]), json!({}), json!([[]]), json!(true)];
    for value in &values {
        for (name, argument) in [
            ("events:chat", value.clone()),
            ("events:chat", json!({ "chat_id": value, "data": { "type": "join" } })),
            ("events:chat", json!({ "chat_id": id, "data": value })),
            ("events:chat", json!({ "chat_id": id, "data": { "type": value } })),
        ] {
            assert_eq!(socket.call(name, argument.clone()).await, false, "{name} {argument}");
        }
        let join = socket.call("user-join", json!({ "auth": value })).await;
        assert_eq!(join, Value::Null);
        assert_eq!(socket.call("user-join", value.clone()).await, Value::Null);
        for name in ["heartbeat", "usage", "no-such-event", "events:channel", ""] {
            socket.emit(name, value.clone()).await;
        }
    }
    // Events with no argument, or with many.
    for text in ["42[\"heartbeat\"]", "42[\"events:chat\"]", "42[\"usage\",1,2,3]", "42[\"user-join\"]"] {
        socket.send(text).await;
    }
    assert_eq!(socket.chat(&id, "dance").await, false);
    // The socket still is who it was.
    assert_eq!(socket.chat(&id, "join").await, true);
    assert!(!socket.is_closed());
    node.stop().await;
}

async fn heartbeats_keep_a_person_present(place: Place) {
    let node = place.start(&[("DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL", "0")]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let socket = bob.connect(&node).await;
    socket.emit("heartbeat", json!({})).await;
    let usage = eventually("both were seen", async || {
        let usage = ada.get("/api/usage").await.expect(200).clone();
        (usage["user_count"] == 2).then_some(usage)
    })
    .await;
    assert_eq!(usage["model_ids"], json!([]));
    node.stop().await;
}

async fn models_in_use_are_counted(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    socket.emit("usage", json!({ "model": "x".repeat(1000) })).await;
    socket.emit("usage", json!({ "model": "mock", "action": "chat", "chat_id": "c" })).await;
    socket.sync().await;
    assert_eq!(ada.get("/api/usage").await.expect(200)["model_ids"], json!(["mock"]));
    // With the socket goes what it used.
    drop(socket);
    eventually("the model is no longer in use", async || {
        (ada.get("/api/usage").await.expect(200)["model_ids"] == json!([])).then_some(())
    })
    .await;
    node.stop().await;

    let node = place.start(&[("ENABLE_PUBLIC_ACTIVE_USERS_COUNT", "false")]).await;
    let ada = node.sign_in("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    ada.get("/api/usage").await.expect(200);
    bob.get("/api/usage").await.expect_plain(403);
    node.stop().await;
}

async fn a_tab_that_signs_in_as_somebody_else_hears_nothing_of_the_first(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "admin").await;
    let (tab, other) = (ada.connect(&node).await, ada.connect(&node).await);
    let id = chat(&ada).await;
    assert_eq!(tab.chat(&id, "join").await, true);
    let joined = tab.call("user-join", json!({ "auth": { "token": bob.token } })).await;
    assert_eq!(joined, json!({ "id": bob.id, "name": "Bob" }));
    let before = tab.heard().len();
    let asked = Question::first_of(&id, "ada's question").ask(&ada, &other).await;
    other.end_of_turn(&asked.chat_id, 1).await;
    tab.sync().await;
    assert_eq!(tab.heard().len(), before, "{:?}", &tab.heard()[before..]);
    assert_eq!(tab.chat(&id, "join").await, false);
    let asked = Question::new("bob's question").ask(&bob, &tab).await;
    tab.end_of_turn(&asked.chat_id, 1).await;
    other.sync().await;
    assert!(!other.heard().iter().any(|event| event.chat_id == asked.chat_id));
    node.stop().await;
}

async fn nobody_may_say_nothing_but_who_they_are(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = chat(&ada).await;
    for event in [
        json!(["events:chat", { "chat_id": id, "data": { "type": "join" } }]),
        json!(["events:channel", { "channel_id": id, "data": { "type": "typing" } }]),
        json!(["join-channels", { "auth": { "token": ada.token } }]),
        json!(["usage", { "model": "mock" }]),
        json!(["no-such-event"]),
    ] {
        let nobody = node.socket(None).await;
        nobody.send(format!("42{event}")).await;
        nobody.closed().await;
        assert_eq!(nobody.heard(), [], "{event}");
    }
    assert_eq!(ada.get("/api/usage").await.expect(200)["model_ids"], json!([]));
    // Whoever says who they are later is somebody from then on.
    let late = node.socket(None).await;
    let joined = late.call("user-join", json!({ "auth": { "token": ada.token } })).await;
    assert_eq!(joined["id"], ada.id.as_str());
    assert_eq!(late.chat(&id, "join").await, true);
    node.stop().await;
}
