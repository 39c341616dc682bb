//! Tags of chats.

use crate::support::{Place, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both!(tags_are_added_listed_and_removed, a_tag_has_a_name);

fn names(tags: &Value) -> Vec<&str> {
    tags.as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect()
}

async fn tags_are_added_listed_and_removed(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let (one, two) = (ada.make_chat("one").await, ada.make_chat("two").await);
    let of = |id: &str| format!("/api/v1/chats/{id}/tags");
    let added = ada.post(&of(&one), json!({ "name": "Deep Blue" })).await;
    assert_eq!(
        added.expect(200),
        &json!([{ "id": "deep_blue", "name": "Deep Blue", "user_id": ada.id, "meta": null }])
    );
    // The same tag in another spelling is the same tag.
    assert_eq!(names(ada.post(&of(&one), json!({ "name": " deep blue " })).await.expect(200)).len(), 1);
    ada.post(&of(&one), json!({ "name": "Sea" })).await.expect(200);
    ada.post(&of(&two), json!({ "name": "Sea" })).await.expect(200);
    assert_eq!(names(ada.get(&of(&one)).await.expect(200)), ["Deep Blue", "Sea"]);
    assert_eq!(names(ada.get("/api/v1/chats/all/tags").await.expect(200)), ["Deep Blue", "Sea"]);
    let tagged = ada.post("/api/v1/chats/tags", json!({ "name": "sea" })).await;
    assert_eq!(tagged.expect(200).as_array().unwrap().len(), 2);
    assert_eq!(ada.document(&one).await["meta"]["tags"], json!(["deep_blue", "sea"]));

    let body = json!({ "name": "Sea" }).to_string().into_bytes();
    let left = ada.send(Method::DELETE, &of(&one), Some(body)).await;
    assert_eq!(names(left.expect(200)), ["Deep Blue"]);
    assert_eq!(ada.delete(&format!("{}/all", of(&one))).await.expect(200), &json!(true));
    assert_eq!(ada.get(&of(&one)).await.expect(200), &json!([]));
    // A tag that no chat has any more is gone.
    assert_eq!(names(ada.get("/api/v1/chats/all/tags").await.expect(200)), ["Sea"]);
    node.stop().await;
}

async fn a_tag_has_a_name(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let id = ada.make_chat("chat").await;
    let path = format!("/api/v1/chats/{id}/tags");
    for name in [String::new(), "  ".to_owned(), "x".repeat(500), "é".repeat(150)] {
        ada.post(&path, json!({ "name": name })).await.expect_plain(400);
    }
    for form in [json!({}), json!({ "name": 7 }), json!({ "name": null }), json!(["x"])] {
        ada.post(&path, form).await.expect(422);
    }
    let unknown = json!({ "name": "none" }).to_string().into_bytes();
    assert_eq!(ada.send(Method::DELETE, &path, Some(unknown)).await.expect(200), &json!([]));
    assert_eq!(ada.get(&path).await.expect(200), &json!([]));
    node.stop().await;
}
