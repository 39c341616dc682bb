//! What is said in a channel, and who hears it.

use super::{heard, id_of, kinds, open, path, post, say, three, typing};
use crate::support::{Place, on_both};
use serde_json::json;
use std::time::Duration;

on_both!(
    a_conversation_reaches_everybody_in_order,
    threads_quotations_and_files,
    typing_goes_to_the_whole_room_in_order,
    typing_needs_the_room,
    messages_have_a_size,
);

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
