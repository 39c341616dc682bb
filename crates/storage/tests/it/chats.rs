//! Chats, their lists and tags.

use antiphon_storage::{ArchivedQuery, ChatOrder, ChatQuery, Direction, NewChat, StorageError, Tags};
use serde_json::{Map, json};

use crate::support::{Fixture, message, on_both};

on_both!(
    a_chat_belongs_to_one_user,
    changes_of_a_chat,
    the_main_list_leaves_out_what_has_a_list_of_its_own,
    the_archive_is_sorted_and_searched,
    tags_come_and_go,
    a_copy_has_all_messages,
    deleting_chats,
    too_large_documents_are_refused,
);

async fn a_chat_belongs_to_one_user(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chats = fixture.db.chats();
    let new = NewChat { id: Some("c".into()), folder_id: Some("f".into()), ..NewChat::default() };
    let chat = chats.create(&ada.id, new.clone()).await.unwrap();
    assert_eq!((chat.id.as_str(), chat.title.as_str()), ("c", "New Chat"));
    assert!(matches!(chats.create(&bob.id, new).await, Err(StorageError::ChatExists)));
    assert_eq!(chats.owned(&ada.id, "c").await.unwrap(), chat);
    assert_eq!(chats.find("c").await.unwrap().unwrap(), chat);
    assert_eq!(chats.owner("c").await.unwrap(), Some(ada.id.clone()));
    assert!(chats.exists("c").await.unwrap() && !chats.exists("d").await.unwrap());
    assert!(matches!(chats.owned(&bob.id, "c").await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.owned(&ada.id, "d").await, Err(StorageError::ChatNotFound)));
    assert!(matches!(chats.set_title(&bob.id, "c", "x").await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.set_title(&bob.id, "d", "x").await, Err(StorageError::ChatNotFound)));
    assert!(matches!(chats.delete(&bob.id, "c").await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.add_tag(&bob.id, "c", "x").await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.tags(&bob.id, "c").await, Err(StorageError::ForeignChat)));
    assert!(matches!(chats.copy(&bob.id, "c", "x", Map::new()).await, Err(StorageError::ForeignChat)));
    assert_eq!(chats.set_last_read_at(&bob.id, "c", 5).await.unwrap(), None);
}

async fn changes_of_a_chat(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chats = fixture.db.chats();
    let chat = fixture.chat(&ada, "first").await;
    let id = chat.id.as_str();
    fixture.sql("UPDATE chats SET updated_at = 100").await;
    let renamed = chats.set_title(&ada.id, id, &"ü".repeat(2000)).await.unwrap();
    assert_eq!((renamed.title.chars().count(), renamed.updated_at), (1000, 100));
    let pinned = chats.toggle_pinned(&ada.id, id).await.unwrap();
    assert!(pinned.pinned && pinned.updated_at > 100);
    let moved = chats.set_folder(&ada.id, id, Some("f")).await.unwrap();
    assert_eq!((moved.folder_id.as_deref(), moved.pinned), (Some("f"), false));
    chats.toggle_pinned(&ada.id, id).await.unwrap();
    let moved = chats.set_folder(&ada.id, id, None).await.unwrap();
    assert_eq!((moved.folder_id, moved.pinned), (None, true));
    assert_eq!(chats.set_share_id(&ada.id, id, Some("s")).await.unwrap().share_id.as_deref(), Some("s"));
    assert_eq!(chats.by_share_id("s").await.unwrap().unwrap().id, id);
    assert_eq!(chats.set_share_id(&ada.id, id, None).await.unwrap().share_id, None);
    assert!(chats.by_share_id("s").await.unwrap().is_none());
    fixture.sql("UPDATE chats SET updated_at = 30, last_read_at = 20").await;
    for (now, mark) in [(25, 30), (50, 50), (40, 50)] {
        assert_eq!(chats.set_last_read_at(&ada.id, id, now).await.unwrap(), Some(mark), "{now}");
        assert_eq!(chats.find(id).await.unwrap().unwrap().last_read_at, Some(mark));
    }
    assert!(matches!(chats.set_current_message(&ada.id, id, "m").await, Err(StorageError::MessageNotFound)));
    fixture.db.messages().upsert(id, message("m", None, "user", "x")).await.unwrap();
    let chat = chats.set_current_message(&ada.id, id, "m").await.unwrap();
    assert_eq!(chat.current_message_id.as_deref(), Some("m"));
}

async fn the_main_list_leaves_out_what_has_a_list_of_its_own(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chats = fixture.db.chats();
    fixture.chat(&bob, "foreign").await;
    let [plain, pinned, filed, archived] = [
        fixture.chat(&ada, "plain").await,
        fixture.chat(&ada, "pinned").await,
        fixture.chat(&ada, "filed").await,
        fixture.chat(&ada, "archived").await,
    ];
    chats.toggle_pinned(&ada.id, &pinned.id).await.unwrap();
    chats.set_folder(&ada.id, &filed.id, Some("f")).await.unwrap();
    chats.toggle_archived(&ada.id, &archived.id).await.unwrap();
    let titles = |items: Vec<antiphon_storage::ChatItem>| {
        let mut titles: Vec<String> = items.into_iter().map(|item| item.title).collect();
        titles.sort();
        titles
    };
    let query = ChatQuery::default();
    assert_eq!(titles(chats.list(&ada.id, &query).await.unwrap()), ["plain"]);
    let query = ChatQuery { include_pinned: true, include_folders: true, page: 1 };
    assert_eq!(titles(chats.list(&ada.id, &query).await.unwrap()), ["filed", "pinned", "plain"]);
    assert_eq!(titles(chats.list_pinned(&ada.id).await.unwrap()), ["pinned"]);
    assert_eq!(titles(chats.list_in_folder(&ada.id, "f", 1).await.unwrap()), ["filed"]);
    assert_eq!(chats.count(&ada.id).await.unwrap(), 4);
    assert_eq!(chats.count_archived(&ada.id).await.unwrap(), 1);
    assert_eq!(chats.ids(&ada.id, None).await.unwrap().len(), 4);
    let item = chats.list(&ada.id, &ChatQuery::default()).await.unwrap().remove(0);
    assert_eq!(
        serde_json::to_value(&item).unwrap(),
        json!({"id": plain.id, "title": "plain", "updated_at": plain.updated_at, "created_at": plain.created_at,
            "last_read_at": plain.created_at, "snippet": null, "active": false, "archived": false})
    );
    // Newest first, 60 a page.
    for number in 0..70 {
        fixture.chat(&ada, &format!("n{number:02}")).await;
    }
    fixture
        .sql("UPDATE chats SET updated_at = CAST(substr(title, 2) AS BIGINT) WHERE title LIKE 'n__'")
        .await;
    let first = chats.list(&ada.id, &ChatQuery::default()).await.unwrap();
    assert_eq!((first.len(), first[1].title.as_str(), first[59].title.as_str()), (60, "n69", "n11"));
    let second = chats.list(&ada.id, &ChatQuery { page: 2, ..ChatQuery::default() }).await.unwrap();
    assert_eq!((second.len(), second[0].title.as_str()), (11, "n10"));
}

async fn the_archive_is_sorted_and_searched(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chats = fixture.db.chats();
    for title in ["Beta", "alpha", "gamma_1"] {
        fixture.chat(&ada, title).await;
    }
    assert_eq!(chats.archive_all(&ada.id).await.unwrap(), 3);
    assert_eq!(chats.archive_all(&ada.id).await.unwrap(), 0);
    let query = ArchivedQuery {
        order: ChatOrder::Title,
        direction: Direction::Ascending,
        ..ArchivedQuery::default()
    };
    let titles: Vec<_> =
        chats.list_archived(&ada.id, &query).await.unwrap().into_iter().map(|item| item.title).collect();
    assert_eq!(titles, ["alpha", "Beta", "gamma_1"]);
    for (text, count) in [("BETA", 1), ("_", 1), ("a", 3), ("x", 0)] {
        let query = ArchivedQuery { text: Some(text.into()), ..query.clone() };
        assert_eq!(chats.list_archived(&ada.id, &query).await.unwrap().len(), count, "{text}");
    }
    assert_eq!(chats.unarchive_all(&ada.id).await.unwrap(), 3);
    assert_eq!(chats.count_archived(&ada.id).await.unwrap(), 0);
    assert_eq!(ChatOrder::parse("title"), Some(ChatOrder::Title));
}

async fn tags_come_and_go(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let (chats, tags) = (fixture.db.chats(), fixture.db.tags());
    let (one, two) = (fixture.chat(&ada, "one").await, fixture.chat(&ada, "two").await);
    let added = chats.add_tag(&ada.id, &one.id, " Zoo Animals ").await.unwrap();
    assert_eq!(
        serde_json::to_value(&added).unwrap(),
        json!([{"id": "zoo_animals", "name": "Zoo Animals", "user_id": ada.id, "meta": null}])
    );
    chats.add_tag(&ada.id, &one.id, "zoo animals").await.unwrap();
    let added = chats.add_tag(&ada.id, &one.id, "Art").await.unwrap();
    assert_eq!(added.iter().map(|tag| tag.id.as_str()).collect::<Vec<_>>(), ["art", "zoo_animals"]);
    let chat = chats.find(&one.id).await.unwrap().unwrap();
    assert_eq!(chat.tags, ["zoo_animals", "art"]);
    assert_eq!(chat.meta_with_tags()["tags"], json!(["zoo_animals", "art"]));
    assert_eq!(chats.tags(&ada.id, &one.id).await.unwrap(), added);
    assert!(chats.tags(&ada.id, &two.id).await.unwrap().is_empty());
    chats.set_tags(&ada.id, &two.id, &["Art".into(), "New".into()]).await.unwrap();
    assert_eq!(tags.list(&ada.id).await.unwrap().len(), 3);
    assert_eq!(tags.count_chats(&ada.id, "art").await.unwrap(), 2);
    assert_eq!(chats.list_by_tag(&ada.id, &Tags::id_of("ART"), 1).await.unwrap().len(), 2);
    // The last chat without a tag takes the tag along.
    assert!(chats.remove_tag(&ada.id, &two.id, "New").await.unwrap().iter().all(|tag| tag.id != "new"));
    assert_eq!(tags.list(&ada.id).await.unwrap().len(), 2);
    chats.delete(&ada.id, &one.id).await.unwrap();
    assert_eq!(tags.list(&ada.id).await.unwrap().into_iter().map(|tag| tag.id).collect::<Vec<_>>(), ["art"]);
    assert!(tags.delete(&ada.id, "art").await.unwrap());
    assert!(chats.find(&two.id).await.unwrap().unwrap().tags.is_empty());
    for name in ["", "  ", &"x".repeat(101)] {
        assert!(matches!(chats.add_tag(&ada.id, &two.id, name).await, Err(StorageError::Malformed { .. })));
    }
    let many: Vec<String> = (0..101).map(|number| format!("t{number}")).collect();
    assert!(matches!(chats.set_tags(&ada.id, &two.id, &many).await, Err(StorageError::TooLarge { .. })));
    assert!(tags.list(&ada.id).await.unwrap().is_empty());
}

async fn a_copy_has_all_messages(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chats = fixture.db.chats();
    let extra = json!({"models": ["m"]}).as_object().cloned().unwrap();
    let chat =
        chats.create(&ada.id, NewChat { title: "one".into(), extra, ..NewChat::default() }).await.unwrap();
    let mut reply = message("a", Some("q"), "assistant", "half");
    reply.done = Some(false);
    fixture.db.messages().upsert_many(&chat.id, vec![message("q", None, "user", "x"), reply]).await.unwrap();
    chats.set_current_message(&ada.id, &chat.id, "a").await.unwrap();
    chats.add_tag(&ada.id, &chat.id, "Tag").await.unwrap();
    chats.toggle_pinned(&ada.id, &chat.id).await.unwrap();
    chats.set_share_id(&ada.id, &chat.id, Some("s")).await.unwrap();
    let origin = json!({"originalChatId": chat.id}).as_object().cloned().unwrap();
    let copy = chats.copy(&ada.id, &chat.id, "Copy of one", origin).await.unwrap();
    assert_ne!(copy.id, chat.id);
    assert_eq!((copy.title.as_str(), copy.pinned, copy.share_id.as_deref()), ("Copy of one", false, None));
    assert_eq!(copy.extra["models"], json!(["m"]));
    assert_eq!(copy.extra["originalChatId"], json!(chat.id));
    assert_eq!(copy.tags, ["tag"]);
    assert_eq!(chats.find(&copy.id).await.unwrap().unwrap(), copy);
    let messages = fixture.db.messages().all(&copy.id).await.unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].done, messages[1].done), (None, Some(true)));
    // The copy goes on by itself.
    fixture.db.messages().upsert(&copy.id, message("n", Some("a"), "user", "more")).await.unwrap();
    assert_eq!(fixture.db.messages().count(&chat.id).await.unwrap(), 2);
    assert_eq!(fixture.db.messages().all(&copy.id).await.unwrap()[2].sequence, 2);
}

async fn deleting_chats(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chats = fixture.db.chats();
    let chat = fixture.chat(&ada, "one").await;
    fixture.db.messages().upsert(&chat.id, message("m", None, "user", "x")).await.unwrap();
    fixture.chat(&ada, "two").await;
    let kept = fixture.chat(&bob, "kept").await;
    chats.delete(&ada.id, &chat.id).await.unwrap();
    assert!(matches!(chats.delete(&ada.id, &chat.id).await, Err(StorageError::ChatNotFound)));
    assert_eq!(fixture.db.messages().count(&chat.id).await.unwrap(), 0);
    assert_eq!(chats.delete_all(&ada.id).await.unwrap(), 1);
    assert_eq!(chats.count(&ada.id).await.unwrap(), 0);
    assert!(chats.exists(&kept.id).await.unwrap());
}

async fn too_large_documents_are_refused(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let extra = json!({"files": ["x".repeat(2_000_000)]}).as_object().cloned().unwrap();
    let outcome = fixture.db.chats().create(&ada.id, NewChat { extra, ..NewChat::default() }).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
}
