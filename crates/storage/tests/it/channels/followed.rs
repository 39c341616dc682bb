//! What many people follow, read at once.

use std::collections::BTreeSet;
use std::time::Instant;

use antiphon_storage::{
    ChannelViewer, Followed, NewGrant, PEOPLE_PER_LOOK, Permission, Principal, Role, User,
};

use super::{grant, named, open, viewer};
use crate::support::{Fixture, on_both};

on_both!(many_people_follow_what_each_of_them_follows, grants_to_groups_count_for_their_people,);

/// More than go into two statements.
const PEOPLE: usize = 2 * PEOPLE_PER_LOOK + 20;

fn sets(followed: &Followed) -> [BTreeSet<&String>; 2] {
    [followed.open.iter().collect(), followed.joined.iter().collect()]
}

#[expect(clippy::print_stdout, reason = "how long it takes is told, not asserted")]
async fn many_people_follow_what_each_of_them_follows(fixture: Fixture) {
    let mut people: Vec<User> = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        people.push(fixture.user(&format!("u{number}")).await);
    }
    assert_eq!(people[0].role, Role::Admin);
    let channels = fixture.db.channels();
    open(&fixture, &people[1], &[grant("*", Permission::Read)]).await;
    open(&fixture, &people[2], &[]).await;
    for granted in people.iter().step_by(100) {
        open(&fixture, &people[3], &[grant(&granted.id, Permission::Write)]).await;
    }
    for some in people.chunks(60) {
        let ids: Vec<String> = some.iter().map(|user| user.id.clone()).collect();
        channels.create_group(&some[0].id, named("group"), &ids).await.unwrap();
        channels.direct(&some[0].id, &ids[1..3]).await.unwrap();
    }

    let viewers: Vec<ChannelViewer<'_>> = people.iter().map(viewer).collect();
    let accounts: Vec<&str> = viewers.iter().map(|viewer| viewer.user_id).collect();
    let begin = Instant::now();
    let together = channels.followed_by(&viewers).await.unwrap();
    let sessions = fixture.db.credentials().sessions(&accounts).await.unwrap();
    let at_once = begin.elapsed();
    assert_eq!((together.len(), sessions.len()), (PEOPLE, PEOPLE));
    let begin = Instant::now();
    for viewer in &viewers {
        let alone = channels.followed(*viewer).await.unwrap();
        assert_eq!(sets(&together[viewer.user_id]), sets(&alone), "{}", viewer.user_id);
        let session = fixture.db.credentials().session(viewer.user_id).await.unwrap();
        assert!(session.is_some_and(|session| sessions.contains(&session)));
    }
    println!("{PEOPLE} people: {at_once:?} at once, {:?} one after the other", begin.elapsed());

    let nobody = ChannelViewer { user_id: "nobody", is_admin: false, group_ids: &[] };
    let of_nobody = &channels.followed_by(&[nobody]).await.unwrap()["nobody"];
    assert_eq!((of_nobody.open.len(), of_nobody.joined.len()), (1, 0), "what is open to everybody");
    assert!(channels.followed_by(&[]).await.unwrap().is_empty());
    let gone = fixture.db.credentials().sessions(&["nobody", people[0].id.as_str()]).await.unwrap();
    assert_eq!(gone.len(), 1);
}

async fn grants_to_groups_count_for_their_people(fixture: Fixture) {
    fixture.user("root").await;
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let to_group = |id: &str| NewGrant {
        principal_type: Principal::Group,
        principal_id: id.to_owned(),
        permission: Permission::Read,
    };
    let channel = open(&fixture, &ada, &[to_group("writers"), to_group("readers")]).await;
    let groups = ["readers".to_owned(), "others".to_owned()];
    let viewers = [
        ChannelViewer { user_id: &bob.id, is_admin: false, group_ids: &groups },
        ChannelViewer { user_id: "eve", is_admin: false, group_ids: &groups[1..] },
    ];
    let together = fixture.db.channels().followed_by(&viewers).await.unwrap();
    assert_eq!(together[&bob.id].open, [channel.id]);
    assert_eq!(together["eve"], Followed::default());
}
