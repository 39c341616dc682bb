//! Who is in a channel, and how far each has read.

use std::collections::HashSet;

use antiphon_storage::{
    Channel, ChannelAccess, ChannelKind, Direction, ErrorKind, Followed, NewChannelMessage, Permission,
    PersonOrder, PersonQuery, ReadMark, Role, StorageError, User,
};
use serde_json::Value;

use super::{grant, ids, listed, named, open, text, viewer};
use crate::support::{Fixture, on_both};

on_both!(
    open_channels_are_for_whom_they_are_granted,
    group_channels_are_for_their_members,
    the_same_people_have_one_direct_channel,
    two_nodes_make_one_direct_channel,
    people_of_a_channel_are_listed,
    unread_messages_are_counted_from_the_mark,
    marks_never_move_back_and_admit_nobody,
);

async fn access(fixture: &Fixture, user: &User, channel: &Channel) -> ChannelAccess {
    fixture.db.channels().view(viewer(user), &channel.id).await.unwrap().unwrap().access
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
    let Followed { open: followed, joined } = fixture.db.channels().followed(viewer(&cid)).await.unwrap();
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
        assert_eq!(followed, Followed { open: Vec::new(), joined: vec![group.id.clone()] });
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
    assert_eq!(channels.followed(viewer(&bob)).await.unwrap().joined, [group.id.as_str()]);
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
    assert_eq!(channels.followed(viewer(&cid)).await.unwrap(), Followed::default());
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
