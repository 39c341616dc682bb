//! Who is in a channel, and what each has read.

use super::{ON, created, heard, id_of, kinds, listed, make, open, path, post, say, three, typing};
use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    a_group_reaches_the_pages_of_its_members,
    direct_channels_come_back_when_somebody_writes,
    members_are_added_and_removed_at_once,
    unread_messages_are_counted,
    members_are_listed_in_pages,
);

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
    of_bob.sync().await;
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
    of_ada.sync().await;
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
