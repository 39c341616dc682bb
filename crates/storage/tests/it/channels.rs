//! Channels, their members and messages.

use std::collections::HashSet;

use antiphon_storage::{
    Channel, ChannelAccess, ChannelItem, ChannelKind, ChannelMessageUpdate, ChannelViewer, Direction,
    ErrorKind, MAX_CHANNEL_MESSAGE_BYTES, MAX_REACTIONS_PER_USER, MessageData, NewChannel, NewChannelMessage,
    NewGrant, Permission, PersonOrder, PersonQuery, Principal, ReadMark, Role, StorageError, ThreadQuery,
    User,
};
use serde_json::{Map, Value, json};

use crate::support::{Fixture, on_both};

on_both!(
    open_channels_are_for_whom_they_are_granted,
    group_channels_are_for_their_members,
    the_same_people_have_one_direct_channel,
    two_nodes_make_one_direct_channel,
    people_of_a_channel_are_listed,
    messages_are_written_changed_and_deleted,
    messages_of_a_channel_have_times_of_their_own,
    lists_are_newest_first_and_bounded,
    threads_are_apart_from_the_channel,
    quotations_and_threads_need_their_message,
    reactions_are_counted,
    unread_messages_are_counted_from_the_mark,
    marks_never_move_back_and_admit_nobody,
    what_people_said_outlives_their_accounts,
    large_messages_are_refused,
);

fn viewer(user: &User) -> ChannelViewer<'_> {
    ChannelViewer { user_id: &user.id, is_admin: user.role == Role::Admin, group_ids: &[] }
}

fn grant(principal_id: &str, permission: Permission) -> NewGrant {
    NewGrant { principal_type: Principal::User, principal_id: principal_id.into(), permission }
}

fn named(name: &str) -> NewChannel {
    NewChannel { name: name.into(), ..NewChannel::default() }
}

fn text(content: &str) -> NewChannelMessage {
    NewChannelMessage { content: content.into(), ..NewChannelMessage::default() }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

async fn open(fixture: &Fixture, owner: &User, grants: &[NewGrant]) -> Channel {
    fixture.db.channels().create_open(&owner.id, named("open"), grants).await.unwrap()
}

async fn access(fixture: &Fixture, user: &User, channel: &Channel) -> ChannelAccess {
    fixture.db.channels().view(viewer(user), &channel.id).await.unwrap().unwrap().access
}

async fn listed(fixture: &Fixture, user: &User) -> Vec<ChannelItem> {
    fixture.db.channels().list(viewer(user)).await.unwrap()
}

fn ids(items: &[ChannelItem]) -> Vec<&str> {
    items.iter().map(|item| item.channel.id.as_str()).collect()
}

async fn open_channels_are_for_whom_they_are_granted(fixture: Fixture) {
    let (ada, bob, cid) = (fixture.user("ada").await, fixture.user("bob").await, fixture.user("cid").await);
    assert_eq!(ada.role, Role::Admin);
    let everybody =
        open(&fixture, &bob, &[grant("*", Permission::Read), grant("*", Permission::Write)]).await;
    let reading =
        open(&fixture, &bob, &[grant("*", Permission::Read), grant(&cid.id, Permission::Read)]).await;
    let closed = open(&fixture, &bob, &[]).await;
    for (channel, expected) in [
        (&everybody, [ChannelAccess::Write; 3]),
        (&reading, [ChannelAccess::Write, ChannelAccess::Write, ChannelAccess::Read]),
        (&closed, [ChannelAccess::Write, ChannelAccess::Write, ChannelAccess::None]),
    ] {
        for (user, expected) in [&ada, &bob, &cid].into_iter().zip(expected) {
            assert_eq!(access(&fixture, user, channel).await, expected, "{} {channel:?}", user.name);
        }
    }
    assert_eq!(listed(&fixture, &ada).await.len(), 3);
    let of_cid = listed(&fixture, &cid).await;
    assert_eq!(
        ids(&of_cid).into_iter().collect::<HashSet<_>>(),
        HashSet::from([everybody.id.as_str(), reading.id.as_str()])
    );
    let (followed, joined) = fixture.db.channels().followed(viewer(&cid)).await.unwrap();
    assert_eq!(followed.len(), 2);
    assert!(joined.is_empty() && !followed.contains(&closed.id));

    let view = fixture.db.channels().view(viewer(&bob), &reading.id).await.unwrap().unwrap();
    assert_eq!(view.channel, reading);
    assert!(view.is_manager && view.membership.is_none() && !view.hidden_for_some);
    assert_eq!(of_cid.iter().find(|item| item.channel.id == reading.id).unwrap().channel, reading);
    let shown = serde_json::to_value(&everybody).unwrap();
    for name in
        ["type", "description", "is_private", "data", "meta", "updated_by", "archived_at", "deleted_by"]
    {
        assert_eq!(shown.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(shown["access_grants"][0]["resource_type"], "channel");
    assert!(shown["created_at"].as_i64().unwrap() > 1_000_000_000_000_000_000);
    assert_eq!(fixture.db.channels().view(viewer(&ada), "unknown").await.unwrap(), None);
}

async fn group_channels_are_for_their_members(fixture: Fixture) {
    let (ada, bob, cid) = (fixture.user("ada").await, fixture.user("bob").await, fixture.user("cid").await);
    let channels = fixture.db.channels();
    let group =
        channels.create_group(&bob.id, named("group"), &[cid.id.clone(), cid.id.clone()]).await.unwrap();
    assert_eq!(group.kind, ChannelKind::Group);
    // Also administrators are no members by themselves.
    assert_eq!(access(&fixture, &ada, &group).await, ChannelAccess::None);
    assert!(listed(&fixture, &ada).await.is_empty());
    for (user, manager) in [(&bob, true), (&cid, false)] {
        let view = channels.view(viewer(user), &group.id).await.unwrap().unwrap();
        assert_eq!((view.access, view.is_manager), (ChannelAccess::Write, manager));
        assert_eq!(ids(&listed(&fixture, user).await), [group.id.as_str()]);
        let followed = channels.followed(viewer(user)).await.unwrap();
        assert_eq!(followed, (Vec::new(), vec![group.id.clone()]));
    }
    let (known, unknown) = (vec![ada.id.clone(), cid.id.clone()], vec!["nobody".to_owned()]);
    assert_eq!(channels.add_members(&group.id, &known).await.unwrap(), [ada.id.as_str()]);
    assert!(channels.add_members(&group.id, &known).await.unwrap().is_empty());
    assert_eq!(access(&fixture, &ada, &group).await, ChannelAccess::Write);
    assert!(matches!(channels.add_members(&group.id, &unknown).await, Err(StorageError::UserNotFound)));
    fixture.db.users().set_role(&cid.id, Role::Pending).await.unwrap();
    assert!(matches!(
        channels.create_group(&bob.id, named("g"), std::slice::from_ref(&cid.id)).await,
        Err(StorageError::UserNotFound)
    ));
    let mut removed = channels
        .remove_members(&group.id, &[ada.id.clone(), cid.id.clone(), bob.id.clone(), "x".into()])
        .await
        .unwrap();
    removed.sort_unstable();
    let mut expected = vec![ada.id.clone(), cid.id.clone()];
    expected.sort_unstable();
    assert_eq!(removed, expected);
    assert_eq!(channels.member_ids(&group.id).await.unwrap(), [bob.id.as_str()]);
    assert_eq!(access(&fixture, &cid, &group).await, ChannelAccess::None);
    assert!(channels.joined_among(&cid.id, std::slice::from_ref(&group.id)).await.unwrap().is_empty());
    assert_eq!(channels.joined_among(&bob.id, &[group.id.clone(), "x".into()]).await.unwrap().len(), 1);

    // Hidden until somebody writes.
    assert!(channels.set_active(&bob.id, &group.id, false).await.unwrap());
    assert!(!channels.set_active(&cid.id, &group.id, false).await.unwrap());
    assert!(listed(&fixture, &bob).await.is_empty());
    let view = channels.view(viewer(&bob), &group.id).await.unwrap().unwrap();
    assert!(view.hidden_for_some && !view.membership.unwrap().active);
    assert_eq!(channels.followed(viewer(&bob)).await.unwrap().1, [group.id.as_str()]);
    assert_eq!(channels.show_to_all(&group.id).await.unwrap(), [bob.id.as_str()]);
    assert!(channels.show_to_all(&group.id).await.unwrap().is_empty());
    assert_eq!(listed(&fixture, &bob).await.len(), 1);

    let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    for outcome in [
        channels.create_group(&bob.id, named("g"), &many).await.map(drop),
        channels.add_members(&group.id, &many).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    }
}

async fn the_same_people_have_one_direct_channel(fixture: Fixture) {
    let (ada, bob, cid) = (fixture.user("ada").await, fixture.user("bob").await, fixture.user("cid").await);
    let channels = fixture.db.channels();
    let (first, made) = channels.direct(&ada.id, std::slice::from_ref(&bob.id)).await.unwrap();
    assert!(made);
    channels.set_active(&bob.id, &first.id, false).await.unwrap();
    channels.set_active(&ada.id, &first.id, false).await.unwrap();
    let (again, made) = channels.direct(&bob.id, &[ada.id.clone(), bob.id.clone()]).await.unwrap();
    assert_eq!((again.id.as_str(), made), (first.id.as_str(), false));
    // It is back for whoever asked for it, and for nobody else.
    let of_bob = listed(&fixture, &bob).await;
    assert_eq!(ids(&of_bob), [first.id.as_str()]);
    let people = of_bob[0].people.as_ref().unwrap();
    assert_eq!(people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    assert!(listed(&fixture, &ada).await.is_empty());
    let (three, made) = channels.direct(&ada.id, &[bob.id.clone(), cid.id.clone()]).await.unwrap();
    assert!(made && three.id != first.id);
    for (others, expected) in [
        (vec![], ErrorKind::Invalid),
        (vec![ada.id.clone()], ErrorKind::Invalid),
        (vec!["nobody".to_owned()], ErrorKind::NotFound),
        ((0..20).map(|number| number.to_string()).collect(), ErrorKind::TooLarge),
    ] {
        assert_eq!(channels.direct(&ada.id, &others).await.unwrap_err().kind(), expected, "{others:?}");
    }
}

async fn two_nodes_make_one_direct_channel(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let other = fixture.second().await;
    let (of_ada, of_bob) = (other.channels(), fixture.db.channels());
    let (to_bob, to_ada) = ([bob.id.clone()], [ada.id.clone()]);
    let (one, two) = tokio::join!(of_ada.direct(&ada.id, &to_bob), of_bob.direct(&bob.id, &to_ada));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.0.id, two.0.id);
    assert!(one.1 != two.1);
    other.close().await;
}

async fn people_of_a_channel_are_listed(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("Bob").await);
    let cid = fixture.user("cid").await;
    let waiting = fixture.user("waiting").await;
    fixture.db.users().set_role(&waiting.id, Role::Pending).await.unwrap();
    let channels = fixture.db.channels();
    let everybody = open(&fixture, &ada, &[grant("*", Permission::Read)]).await;
    let of_cid = open(&fixture, &bob, &[grant(&cid.id, Permission::Write)]).await;
    let of_nobody = open(&fixture, &ada, &[]).await;
    let group = channels.create_group(&bob.id, named("group"), std::slice::from_ref(&cid.id)).await.unwrap();
    for (channel, expected) in [
        (&everybody, vec!["ada", "Bob", "cid"]),
        (&of_cid, vec!["ada", "Bob", "cid"]),
        (&of_nobody, vec!["ada"]),
        (&group, vec!["Bob", "cid"]),
    ] {
        let query = PersonQuery { direction: Direction::Ascending, page: 1, ..PersonQuery::default() };
        let page = channels.people(&channel.id, channel.kind, &query).await.unwrap();
        let names: Vec<&str> = page.items.iter().map(|person| person.name.as_str()).collect();
        assert_eq!(names, expected);
        assert_eq!(page.total, i64::try_from(expected.len()).unwrap());
        assert_eq!(channels.count_people(&channel.id, channel.kind).await.unwrap(), page.total);
    }
    let query = PersonQuery {
        text: Some("BO".into()),
        order: PersonOrder::Email,
        direction: Direction::Descending,
        page: 1,
    };
    let found = channels.people(&group.id, group.kind, &query).await.unwrap();
    assert_eq!((found.total, found.items[0].id.as_str()), (1, bob.id.as_str()));
    let second = channels.people(&group.id, group.kind, &PersonQuery { page: 2, ..query }).await.unwrap();
    assert_eq!((second.total, second.items.len()), (1, 0));
}

async fn messages_are_written_changed_and_deleted(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let data = json!({ "files": [{ "id": "f" }] });
    let new = NewChannelMessage { data: Some(object(&data)), ..text("hello") };
    let posted = messages.post(&channel.id, &ada.id, new).await.unwrap();
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    assert_eq!(details.message, posted);
    assert_eq!(posted.data, MessageData::Whole(Some(data.clone())));
    let shown = serde_json::to_value(&details).unwrap();
    assert_eq!(shown["user"], json!({ "id": ada.id, "name": "ada", "role": "admin" }));
    assert_eq!(shown["etag"], json!(posted.updated_at.to_string()));
    for (name, value) in [
        ("app_id", json!(null)),
        ("is_pinned", json!(false)),
        ("pinned_at", json!(null)),
        ("meta", json!(null)),
        ("reactions", json!([])),
        ("reply_count", json!(0)),
        ("latest_reply_at", json!(null)),
        ("reply_to_message", json!(null)),
    ] {
        assert_eq!(shown.get(name), Some(&value), "{name}");
    }
    let short = messages.get(&channel.id, &posted.id, false).await.unwrap().unwrap();
    assert_eq!(short.message.data, MessageData::Present(true));
    assert_eq!(messages.data(&channel.id, &posted.id).await.unwrap(), Some(Some(data)));

    let update = ChannelMessageUpdate {
        content: "changed".into(),
        data: object(&json!({ "files": [] })),
        meta: object(&json!({ "a": 1 })),
    };
    messages.update(&channel.id, &posted.id, update).await.unwrap();
    let changed = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap().message;
    assert_eq!(changed.content, "changed");
    assert_eq!(changed.data, MessageData::Whole(Some(json!({ "files": [] }))));
    assert_eq!(changed.meta, Some(json!({ "a": 1 })));
    assert_eq!(changed.created_at, posted.created_at);
    assert!(changed.updated_at > posted.updated_at);
    let short = messages.get(&channel.id, &posted.id, false).await.unwrap().unwrap();
    assert_eq!(short.message.data, MessageData::Present(false));

    let elsewhere = open(&fixture, &ada, &[]).await;
    let unknown =
        |outcome: Result<(), StorageError>| matches!(outcome, Err(StorageError::ChannelMessageNotFound));
    let update = ChannelMessageUpdate::default();
    assert!(unknown(messages.update(&elsewhere.id, &posted.id, update).await));
    assert_eq!(messages.get(&elsewhere.id, &posted.id, true).await.unwrap(), None);
    assert_eq!(messages.data(&elsewhere.id, &posted.id).await.unwrap(), None);
    assert!(!messages.delete(&elsewhere.id, &posted.id).await.unwrap());
    assert!(messages.delete(&channel.id, &posted.id).await.unwrap());
    assert!(!messages.delete(&channel.id, &posted.id).await.unwrap());
    assert!(matches!(
        messages.post("unknown", &ada.id, text("lost")).await,
        Err(StorageError::ChannelNotFound)
    ));
}

async fn messages_of_a_channel_have_times_of_their_own(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let first = messages.post(&channel.id, &ada.id, text("first")).await.unwrap();
    // As if the clock had been far ahead when the first was written.
    fixture.sql("UPDATE channel_messages SET created_at = 8000000000000000000").await;
    let second = messages.post(&channel.id, &ada.id, text("second")).await.unwrap();
    let third = messages.post(&channel.id, &ada.id, text("third")).await.unwrap();
    assert_eq!((second.created_at, third.created_at), (8_000_000_000_000_000_001, 8_000_000_000_000_000_002));
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    let ids: Vec<&str> = list.iter().map(|details| details.message.id.as_str()).collect();
    assert_eq!(ids, [third.id, second.id, first.id]);
}

async fn lists_are_newest_first_and_bounded(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    for number in 0..103 {
        messages.post(&channel.id, &ada.id, text(&number.to_string())).await.unwrap();
    }
    for (skip, limit, first, length) in
        [(0, 50, "102", 50), (50, 50, "52", 50), (100, 50, "2", 3), (0, 1000, "102", 100), (3, 0, "99", 1)]
    {
        let list = messages.list(&channel.id, skip, limit).await.unwrap();
        assert_eq!((list[0].message.content.as_str(), list.len()), (first, length), "{skip} {limit}");
    }
    assert!(messages.list(&channel.id, u32::MAX, u32::MAX).await.unwrap().is_empty());
    let item = &listed(&fixture, &ada).await[0];
    let newest = messages.list(&channel.id, 0, 1).await.unwrap().remove(0).message;
    assert_eq!(item.last_message_at, Some(newest.created_at));
}

async fn threads_are_apart_from_the_channel(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let parent = messages.post(&channel.id, &ada.id, text("parent")).await.unwrap();
    let other = messages.post(&channel.id, &ada.id, text("other")).await.unwrap();
    let mut replies = Vec::new();
    for number in 0..5 {
        let reply = NewChannelMessage { parent_id: Some(parent.id.clone()), ..text(&number.to_string()) };
        replies.push(messages.post(&channel.id, &ada.id, reply).await.unwrap());
    }
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].message.id.as_str(), list[0].reply_count), (other.id.as_str(), 0));
    assert_eq!((list[1].reply_count, list[1].latest_reply_at), (5, Some(replies[4].created_at)));
    assert_eq!(listed(&fixture, &ada).await[0].last_message_at, Some(replies[4].created_at));

    let query = ThreadQuery { limit: 50, ..ThreadQuery::default() };
    for (query, expected) in [
        (query.clone(), vec!["4", "3", "2", "1", "0", "parent"]),
        (ThreadQuery { limit: 3, ..query.clone() }, vec!["4", "3", "2"]),
        (ThreadQuery { limit: 3, skip: 3, ..query.clone() }, vec!["1", "0", "parent"]),
        (ThreadQuery { limit: 5, ..query.clone() }, vec!["4", "3", "2", "1", "0"]),
        (ThreadQuery { limit: 5, skip: 5, ..query.clone() }, vec!["parent"]),
        (ThreadQuery { before: Some(replies[2].id.clone()), ..query.clone() }, vec!["1", "0", "parent"]),
        (ThreadQuery { around: Some(replies[1].id.clone()), limit: 2, ..query.clone() }, vec!["2", "1"]),
        (ThreadQuery { around: Some("unknown".into()), limit: 1, ..query.clone() }, vec!["4"]),
    ] {
        let thread = messages.thread(&channel.id, &parent.id, &query).await.unwrap();
        let contents: Vec<&str> = thread.iter().map(|details| details.message.content.as_str()).collect();
        assert_eq!(contents, expected, "{query:?}");
    }
    let elsewhere = open(&fixture, &ada, &[]).await;
    assert!(matches!(
        messages.thread(&elsewhere.id, &parent.id, &query).await,
        Err(StorageError::ChannelMessageNotFound)
    ));
    // A thread goes with the message that began it.
    assert!(messages.delete(&channel.id, &parent.id).await.unwrap());
    assert_eq!(messages.get(&channel.id, &replies[0].id, true).await.unwrap(), None);
    assert_eq!(messages.list(&channel.id, 0, 50).await.unwrap().len(), 1);
}

async fn quotations_and_threads_need_their_message(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let (channel, elsewhere) = (open(&fixture, &ada, &[]).await, open(&fixture, &ada, &[]).await);
    let messages = fixture.db.channel_messages();
    let quoted = messages.post(&channel.id, &ada.id, text("quoted")).await.unwrap();
    let quoting = NewChannelMessage { reply_to_id: Some(quoted.id.clone()), ..text("quoting") };
    let posted = messages.post(&channel.id, &ada.id, quoting.clone()).await.unwrap();
    let in_thread = NewChannelMessage { parent_id: Some(quoted.id.clone()), ..text("in the thread") };
    let reply = messages.post(&channel.id, &ada.id, in_thread.clone()).await.unwrap();
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    let shown = serde_json::to_value(&details).unwrap();
    assert_eq!(shown["reply_to_message"]["content"], "quoted");
    assert_eq!(shown["reply_to_message"]["data"], json!(false));
    assert_eq!(shown["reply_to_message"]["user"]["name"], "ada");
    for (channel, new) in [
        (&elsewhere, quoting.clone()),
        (&elsewhere, in_thread.clone()),
        (&channel, NewChannelMessage { parent_id: Some("unknown".into()), ..text("x") }),
        // No thread within a thread.
        (&channel, NewChannelMessage { parent_id: Some(reply.id.clone()), ..text("x") }),
    ] {
        let outcome = messages.post(&channel.id, &ada.id, new).await;
        assert!(matches!(outcome, Err(StorageError::ChannelMessageNotFound)), "{outcome:?}");
    }
    assert!(messages.delete(&channel.id, &quoted.id).await.unwrap());
    let details = messages.get(&channel.id, &posted.id, true).await.unwrap().unwrap();
    assert_eq!((details.reply_to_message, details.message.reply_to_id), (None, Some(quoted.id)));
}

async fn reactions_are_counted(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let message = messages.post(&channel.id, &ada.id, text("hello")).await.unwrap();
    let silent = messages.post(&channel.id, &ada.id, text("silent")).await.unwrap();
    assert!(messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(!messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(messages.add_reaction(&message.id, &bob.id, "heart").await.unwrap());
    assert!(messages.add_reaction(&message.id, &ada.id, "+1").await.unwrap());
    let list = messages.list(&channel.id, 0, 50).await.unwrap();
    assert_eq!(list[0].message.id, silent.id);
    assert!(list[0].reactions.is_empty());
    assert_eq!(
        serde_json::to_value(&list[1].reactions).unwrap(),
        json!([
            { "name": "+1", "count": 2, "users": [{ "id": bob.id, "name": "bob" }, { "id": ada.id, "name": "ada" }] },
            { "name": "heart", "count": 1, "users": [{ "id": bob.id, "name": "bob" }] },
        ])
    );
    assert!(messages.remove_reaction(&message.id, &bob.id, "+1").await.unwrap());
    assert!(!messages.remove_reaction(&message.id, &bob.id, "+1").await.unwrap());
    for name in ["", " ", &"x".repeat(101)] {
        let outcome = messages.add_reaction(&message.id, &bob.id, name).await;
        assert!(matches!(outcome, Err(StorageError::Malformed { .. })), "{outcome:?}");
    }
    assert!(matches!(
        messages.add_reaction("unknown", &bob.id, "+1").await,
        Err(StorageError::ChannelMessageNotFound)
    ));
    for number in 0..MAX_REACTIONS_PER_USER {
        messages.add_reaction(&silent.id, &bob.id, &number.to_string()).await.unwrap();
    }
    let outcome = messages.add_reaction(&silent.id, &bob.id, "one more").await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    // Others may still agree.
    assert!(messages.add_reaction(&silent.id, &ada.id, "0").await.unwrap());
}

fn mark(channel: &Channel, user: &User, at: i64) -> ReadMark {
    ReadMark { channel_id: channel.id.clone(), user_id: user.id.clone(), at }
}

async fn unread(fixture: &Fixture, user: &User, channel: &Channel) -> i64 {
    let counted = fixture.db.channels().unread_count(&user.id, &channel.id).await.unwrap();
    let list = listed(fixture, user).await;
    let item = list.iter().find(|item| item.channel.id == channel.id).unwrap();
    assert_eq!(item.unread_count, counted);
    counted
}

async fn unread_messages_are_counted_from_the_mark(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let (channels, messages) = (fixture.db.channels(), fixture.db.channel_messages());
    let opened = open(&fixture, &ada, &[grant("*", Permission::Write)]).await;
    let (direct, _) = channels.direct(&ada.id, std::slice::from_ref(&bob.id)).await.unwrap();
    let mut last = Vec::new();
    for channel in [&opened, &direct] {
        let first = messages.post(&channel.id, &ada.id, text("one")).await.unwrap();
        let reply = NewChannelMessage { parent_id: Some(first.id), ..text("in the thread") };
        messages.post(&channel.id, &ada.id, reply).await.unwrap();
        messages.post(&channel.id, &bob.id, text("his own")).await.unwrap();
        last.push(messages.post(&channel.id, &ada.id, text("two")).await.unwrap().created_at);
    }
    // Who never opened an open channel has nothing unread in it; a direct one counts from the start.
    assert_eq!((unread(&fixture, &bob, &opened).await, unread(&fixture, &bob, &direct).await), (0, 2));
    channels.mark_read(vec![mark(&opened, &bob, last[0] - 1), mark(&direct, &bob, last[1])]).await.unwrap();
    assert_eq!((unread(&fixture, &bob, &opened).await, unread(&fixture, &bob, &direct).await), (1, 0));
    let view = channels.view(viewer(&bob), &direct.id).await.unwrap().unwrap();
    assert_eq!(view.membership.unwrap().last_read_at, Some(last[1]));
    assert!(channels.view(viewer(&bob), &opened.id).await.unwrap().unwrap().membership.is_some());
}

async fn marks_never_move_back_and_admit_nobody(fixture: Fixture) {
    let (ada, bob, cid) = (fixture.user("ada").await, fixture.user("bob").await, fixture.user("cid").await);
    let channels = fixture.db.channels();
    let opened = open(&fixture, &ada, &[]).await;
    let group = channels.create_group(&bob.id, named("group"), std::slice::from_ref(&ada.id)).await.unwrap();
    let nowhere = ReadMark { channel_id: "unknown".into(), user_id: ada.id.clone(), at: 9 };
    let nobody = ReadMark { channel_id: opened.id.clone(), user_id: "nobody".into(), at: 9 };
    channels
        .mark_read(vec![
            mark(&group, &ada, 7),
            mark(&group, &cid, 9),
            mark(&opened, &ada, 5),
            mark(&opened, &ada, 8),
            nowhere,
            nobody,
        ])
        .await
        .unwrap();
    channels.mark_read(vec![mark(&group, &ada, 6), mark(&opened, &ada, 9)]).await.unwrap();
    channels.mark_read(Vec::new()).await.unwrap();
    for (channel, expected) in [(&group, 7), (&opened, 9)] {
        let membership = channels.view(viewer(&ada), &channel.id).await.unwrap().unwrap().membership.unwrap();
        assert_eq!(membership.last_read_at, Some(expected));
        assert!(!membership.manager);
    }
    assert_eq!(access(&fixture, &cid, &group).await, ChannelAccess::None);
    // A mark in an open channel is no membership.
    channels.mark_read(vec![mark(&opened, &cid, 9)]).await.unwrap();
    assert_eq!(access(&fixture, &cid, &opened).await, ChannelAccess::None);
    assert_eq!(channels.followed(viewer(&cid)).await.unwrap(), (Vec::new(), Vec::new()));
    assert!(listed(&fixture, &cid).await.is_empty());
    // More than go into one statement.
    let many = (0..1200).map(|number| ReadMark {
        channel_id: format!("unknown {number}"),
        user_id: ada.id.clone(),
        at: 9,
    });
    channels.mark_read(many.chain([mark(&group, &ada, 8)]).collect()).await.unwrap();
    let view = channels.view(viewer(&ada), &group.id).await.unwrap().unwrap();
    assert_eq!(view.membership.unwrap().last_read_at, Some(8));
}

async fn what_people_said_outlives_their_accounts(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let (channels, messages) = (fixture.db.channels(), fixture.db.channel_messages());
    let (direct, _) = channels.direct(&ada.id, std::slice::from_ref(&bob.id)).await.unwrap();
    let message = messages.post(&direct.id, &bob.id, text("bye")).await.unwrap();
    messages.add_reaction(&message.id, &bob.id, "+1").await.unwrap();
    assert!(fixture.db.users().delete(&bob.id).await.unwrap());
    let details = messages.get(&direct.id, &message.id, true).await.unwrap().unwrap();
    assert_eq!((details.user, details.reactions.len()), (None, 0));
    assert_eq!(details.message.user_id, bob.id);
    assert_eq!(channels.member_ids(&direct.id).await.unwrap(), [ada.id.as_str()]);
    assert_eq!(ids(&listed(&fixture, &ada).await), [direct.id.as_str()]);
}

async fn large_messages_are_refused(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let channel = open(&fixture, &ada, &[]).await;
    let messages = fixture.db.channel_messages();
    let large = "x".repeat(MAX_CHANNEL_MESSAGE_BYTES);
    let message = messages.post(&channel.id, &ada.id, text(&large)).await.unwrap();
    let data = object(&json!({ "a": "b" }));
    let outcome = messages
        .post(&channel.id, &ada.id, NewChannelMessage { data: Some(data.clone()), ..text(&large) })
        .await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    let update = ChannelMessageUpdate { content: large, data, meta: Map::new() };
    let outcome = messages.update(&channel.id, &message.id, update).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    let stored = messages.get(&channel.id, &message.id, true).await.unwrap().unwrap().message;
    assert_eq!(stored, message);
}
