//! Other people's chats: as if they were not there, for administrators too.

use super::document;
use crate::support::{Place, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both!(nobody_reaches_the_chats_of_others, lists_and_searches_hold_own_chats_only);

async fn nobody_reaches_the_chats_of_others(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    let id = bob.make_chat("bob's").await;
    bob.post(&format!("/api/v1/chats/{id}/tags"), json!({ "name": "mine" })).await.expect(200);
    let before = bob.document(&id).await;
    let form = json!({ "chat": document("stolen", "x", "y") });
    let calls: [(Method, &str, Value, u16); 12] = [
        (Method::GET, "", Value::Null, 401),
        (Method::GET, "/pinned", Value::Null, 401),
        (Method::POST, "", form, 404),
        (Method::DELETE, "", Value::Null, 404),
        (Method::POST, "/clone", json!({}), 404),
        (Method::POST, "/pin", json!({}), 404),
        (Method::POST, "/archive", json!({}), 404),
        (Method::GET, "/tags", Value::Null, 404),
        (Method::POST, "/tags", json!({ "name": "x" }), 404),
        (Method::DELETE, "/tags", json!({ "name": "mine" }), 404),
        (Method::DELETE, "/tags/all", Value::Null, 404),
        (Method::POST, "/messages/a", json!({ "content": "x" }), 404),
    ];
    for (method, part, body, status) in calls {
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        let foreign = ada.send(method.clone(), &format!("/api/v1/chats/{id}{part}"), body.clone()).await;
        let unknown = ada.send(method.clone(), &format!("/api/v1/chats/unknown{part}"), body).await;
        assert_eq!((foreign.status, unknown.status), (status, status), "{method} {part}");
        // Whether there is such a chat is nobody's business.
        assert_eq!(foreign.body, unknown.body, "{method} {part}");
    }
    // An id that is taken cannot be taken over by an import.
    let mut stolen = document("stolen", "x", "y");
    stolen["id"] = json!(id);
    let made = ada.post("/api/v1/chats/new", json!({ "chat": stolen, "id": id })).await;
    assert_ne!(made.expect(200)["id"], id);
    ada.delete("/api/v1/chats/").await.expect(200);
    ada.post("/api/v1/chats/archive/all", json!({})).await.expect(200);
    assert_eq!(bob.document(&id).await, before);
    node.stop().await;
}

async fn lists_and_searches_hold_own_chats_only(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    for (account, title) in [(&ada, "ada's secret"), (&bob, "bob's secret")] {
        let id = account.make_chat(title).await;
        account.post(&format!("/api/v1/chats/{id}/tags"), json!({ "name": "Secret" })).await.expect(200);
    }
    for (account, title) in [(&ada, "ada's secret"), (&bob, "bob's secret")] {
        for path in [
            "/api/v1/chats/?page=1",
            "/api/v1/chats/search?text=secret",
            "/api/v1/chats/search?text=question",
            "/api/v1/chats/search?text=tag:secret",
        ] {
            assert_eq!(account.titles(path).await, [title], "{path}");
        }
        let tagged = account.post("/api/v1/chats/tags", json!({ "name": "secret" })).await;
        assert_eq!(tagged.expect(200)[0]["title"], title);
        let found = account.get("/api/v1/search?q=secret").await.expect(200)["items"].clone();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["title"]), (1, &json!(title)));
        let tags = account.get("/api/v1/chats/all/tags").await.expect(200).clone();
        assert_eq!((tags.as_array().unwrap().len(), &tags[0]["user_id"]), (1, &json!(account.id)));
    }
    node.stop().await;
}
