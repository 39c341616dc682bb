//! Lists of chats, imports and searches.

use super::document;
use crate::support::{Place, on_both};
use serde_json::{Value, json};

on_both!(
    an_import_keeps_what_it_knows,
    a_malformed_import_stores_nothing,
    the_list_comes_in_pages_newest_first,
    a_search_finds_titles_and_messages,
    a_search_is_narrowed_by_words,
    the_search_of_the_page_leads_into_the_chat,
);

/// The form of an import of chats with these titles, each a second older than the one before.
fn import(titles: impl IntoIterator<Item = String>) -> Value {
    let chats = titles.into_iter().zip(0_i64..).map(|(title, age)| {
        json!({
            "chat": document(&title, &format!("about {title}"), "answer"),
            "created_at": 1_700_000_000 - age, "updated_at": 1_700_000_000 - age,
        })
    });
    json!({ "chats": chats.collect::<Vec<_>>() })
}

async fn an_import_keeps_what_it_knows(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let form = json!({ "chats": [{
        "chat": document("old", "q", "a"), "meta": { "source": "elsewhere" }, "pinned": true, "folder_id": null,
        "created_at": 1_600_000_000, "updated_at": 1_600_000_001,
    }] });
    let imported = ada.post("/api/v1/chats/import", form).await.expect(200).clone();
    let chat = &imported[0];
    assert_eq!((&chat["created_at"], &chat["updated_at"]), (&json!(1_600_000_000), &json!(1_600_000_001)));
    assert_eq!((&chat["pinned"], &chat["meta"]["source"]), (&json!(true), &json!("elsewhere")));
    let mut read = ada.document(chat["id"].as_str().unwrap()).await;
    read["chat"].as_object_mut().unwrap().remove("share_mode");
    assert_eq!(&read, chat);
    assert_eq!(ada.titles("/api/v1/chats/pinned").await, ["old"]);
    // An answer that nobody writes any more is complete.
    let mut broken = document("broken off", "q", "half");
    broken["history"]["messages"]["a"]["done"] = json!(false);
    let imported =
        ada.post("/api/v1/chats/import", json!({ "chats": [{ "chat": broken }] })).await.expect(200).clone();
    assert_eq!(imported[0]["chat"]["history"]["messages"]["a"]["done"], true);
    node.stop().await;
}

async fn a_malformed_import_stores_nothing(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let good = json!({ "chat": document("good", "q", "a") });
    for bad in [
        json!({}),
        json!({ "chat": 7 }),
        json!({ "chat": { "history": { "messages": { "a": {} } } } }),
        json!({ "chat": {}, "pinned": "yes" }),
        json!({ "chat": {}, "created_at": "today" }),
        json!({ "chat": {}, "meta": [] }),
        json!(null),
    ] {
        let answer = ada.post("/api/v1/chats/import", json!({ "chats": [good, bad] })).await;
        assert!(matches!(answer.status, 400 | 422), "{bad} -> {} {}", answer.status, answer.body);
    }
    let many = json!({ "chats": vec![json!({ "chat": {} }); 1_001] });
    ada.post("/api/v1/chats/import", many).await.expect_plain(413);
    assert!(ada.titles("/api/v1/chats/?page=1").await.is_empty());
    node.stop().await;
}

async fn the_list_comes_in_pages_newest_first(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let titles: Vec<String> = (0..125).map(|number| format!("chat {number:03}")).collect();
    ada.post("/api/v1/chats/import", import(titles.clone())).await.expect(200);
    for (page, range) in [(1, 0..60), (2, 60..120), (3, 120..125), (4, 125..125)] {
        assert_eq!(ada.titles(&format!("/api/v1/chats/?page={page}")).await, titles[range], "page {page}");
    }
    assert_eq!(ada.titles("/api/v1/chats/").await, titles[..60]);
    assert_eq!(ada.titles("/api/v1/chats/list?page=3").await, titles[120..]);
    assert!(ada.titles("/api/v1/chats/?page=4000000000").await.is_empty());
    ada.get("/api/v1/chats/?page=-1").await.expect(422);
    ada.get("/api/v1/chats/?page=one").await.expect(422);
    let item = ada.get("/api/v1/chats/?page=1").await.expect(200)[0].clone();
    let keys: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["active", "archived", "created_at", "id", "last_read_at", "snippet", "title", "updated_at"]
    );
    node.stop().await;
}

async fn a_search_finds_titles_and_messages(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let chats = [
        ("Rivers of Europe", "where does the Rhône end", "in the Méditerranée"),
        ("Mountains", "how high is 100%_sure", "very"),
        ("Lakes", "what lives in Lake Geneva", "fish, and rivers feed it"),
    ];
    for (title, question, answer) in chats {
        ada.post("/api/v1/chats/new", json!({ "chat": document(title, question, answer) })).await.expect(200);
    }
    let found = async |text: &str| {
        let mut titles = ada.titles(&format!("/api/v1/chats/search?text={text}")).await;
        titles.sort();
        titles
    };
    assert_eq!(found("rivers").await, ["Lakes", "Rivers of Europe"]);
    assert_eq!(found("RIVERS").await, ["Lakes", "Rivers of Europe"]);
    assert_eq!(found("rh%C3%B4ne").await, ["Rivers of Europe"]);
    assert_eq!(found("M%C3%89DITERRAN%C3%89E").await, ["Rivers of Europe"]);
    // Signs that databases read as wildcards are ordinary letters here.
    assert_eq!(found("100%25_sure").await, ["Mountains"]);
    assert!(found("1%250").await.is_empty());
    assert!(found("%27%20OR%201=1%20--").await.is_empty());
    assert!(found("nothing").await.is_empty());
    assert_eq!(found("").await.len(), 3);
    let items = ada.get("/api/v1/chats/search?text=geneva").await.expect(200).clone();
    assert!(items[0]["snippet"].as_str().unwrap().contains("Lake Geneva"));
    ada.get("/api/v1/chats/search").await.expect(422);
    ada.get(&format!("/api/v1/chats/search?text={}", "x".repeat(2_000))).await.expect_plain(413);
    node.stop().await;
}

async fn a_search_is_narrowed_by_words(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let mut ids = Vec::new();
    for title in ["one", "two", "three"] {
        ids.push(ada.make_chat(title).await);
    }
    ada.post(&format!("/api/v1/chats/{}/tags", ids[0]), json!({ "name": "Deep Blue" })).await.expect(200);
    ada.post(&format!("/api/v1/chats/{}/pin", ids[1]), json!({})).await.expect(200);
    ada.post(&format!("/api/v1/chats/{}/archive", ids[2]), json!({})).await.expect(200);
    for (text, expected) in [
        ("tag:deep_blue", vec!["one"]),
        ("tag:deep_blue%20two", vec![]),
        ("pinned:true", vec!["two"]),
        ("archived:true", vec!["three"]),
        ("question%20tag:none", vec!["two"]),
    ] {
        assert_eq!(ada.titles(&format!("/api/v1/chats/search?text={text}")).await, expected, "{text}");
    }
    node.stop().await;
}

async fn the_search_of_the_page_leads_into_the_chat(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let form = json!({ "chat": document("Lakes", "what lives in Lake Geneva", "fish") });
    let id = ada.post("/api/v1/chats/new", form).await.expect(200)["id"].as_str().unwrap().to_owned();
    let found = ada.get("/api/v1/search?q=geneva&kind=&sharing=&scope=&page=1").await.expect(200).clone();
    assert_eq!(found["has_more"], false);
    let item = &found["items"][0];
    assert_eq!((&item["kind"], &item["title"]), (&json!("chat"), &json!("Lakes")));
    assert_eq!(item["url"], format!("/c/{id}?message=q"));
    assert!(item["snippet"].as_str().unwrap().contains("Geneva"));
    let by_title = ada.get("/api/v1/search?q=lakes").await.expect(200)["items"][0].clone();
    assert_eq!(by_title["url"], format!("/c/{id}"));
    assert_eq!(ada.get("/api/v1/search?q=lakes&kind=note").await.expect(200)["items"], json!([]));
    node.stop().await;
}
