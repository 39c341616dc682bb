//! Search in titles and messages.

use antiphon_storage::StorageError;

use crate::support::{Fixture, message, on_both};

on_both!(titles_and_messages_are_searched, filters_narrow_the_search, search_texts_are_bounded);

async fn titles_and_messages_are_searched(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chats = fixture.db.chats();
    let title = fixture.chat(&ada, "About Zebras").await;
    let inside = fixture.chat(&ada, "Other").await;
    let foreign = fixture.chat(&bob, "zebras of bob").await;
    fixture
        .db
        .messages()
        .upsert_many(
            &inside.id,
            vec![
                message("m", None, "user", "nothing"),
                message("n", None, "assistant", "they saw 50% of a ZEBRA; Übermut tut selten gut"),
            ],
        )
        .await
        .unwrap();
    fixture.sql("UPDATE chats SET updated_at = 100 WHERE title = 'Other'").await;
    let found = chats.search(&ada.id, "zebra", 1).await.unwrap();
    assert_eq!(found.iter().map(|item| &item.id).collect::<Vec<_>>(), [&title.id, &inside.id]);
    assert_eq!(found[0].snippet, None);
    assert!(found[1].snippet.as_ref().unwrap().contains("50% of a ZEBRA"), "{found:?}");
    for (text, count) in [
        ("0% of", 1),
        ("5_% of", 0),
        ("%", 1),
        ("über", 1),
        ("ÜBER", 1),
        ("\\", 0),
        ("' OR 1=1 --", 0),
        ("zebras bob", 0),
        ("", 2),
    ] {
        assert_eq!(chats.search(&ada.id, text, 1).await.unwrap().len(), count, "{text:?}");
    }
    assert!(chats.search(&ada.id, "zebra", 2).await.unwrap().is_empty());
    let places = chats
        .find_in_messages(&ada.id, &[title.id.clone(), inside.id.clone(), foreign.id.clone()], "zebra")
        .await
        .unwrap();
    assert_eq!(places, [(inside.id.clone(), "n".to_owned())]);
    chats.toggle_archived(&ada.id, &inside.id).await.unwrap();
    assert_eq!(chats.search(&ada.id, "zebra", 1).await.unwrap().len(), 1);
    assert_eq!(chats.search(&ada.id, "zebra archived:true", 1).await.unwrap().len(), 1);
}

async fn filters_narrow_the_search(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let chats = fixture.db.chats();
    let [red, blue, plain] = [
        fixture.chat(&ada, "red fish").await,
        fixture.chat(&ada, "blue fish").await,
        fixture.chat(&ada, "fish").await,
    ];
    for (chat, tags) in [(&red, ["Big One", "Wet"]), (&blue, ["Small", "Wet"])] {
        for tag in tags {
            chats.add_tag(&ada.id, &chat.id, tag).await.unwrap();
        }
    }
    chats.toggle_pinned(&ada.id, &plain.id).await.unwrap();
    for (text, count) in [
        ("fish", 3),
        ("tag:wet", 2),
        ("tag:big_one fish", 1),
        ("tag:wet tag:small", 1),
        ("tag:small tag:big_one", 0),
        ("tag:none", 1),
        ("pinned:true", 1),
        ("pinned:false blue", 1),
        ("tag:unknown", 0),
    ] {
        assert_eq!(chats.search(&ada.id, text, 1).await.unwrap().len(), count, "{text}");
    }
}

async fn search_texts_are_bounded(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let outcome = fixture.db.chats().search(&ada.id, &"x".repeat(1001), 1).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
    assert!(fixture.db.chats().search(&ada.id, "nul\0", 1).await.unwrap().is_empty());
    let tags = "tag:x ".repeat(100);
    assert!(fixture.db.chats().search(&ada.id, &tags, 1).await.unwrap().is_empty());
}
