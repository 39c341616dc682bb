//! What this server does not have.

use super::book;
use super::walk::{anonymous, served};
use crate::support::{Place, on_both};
use reqwest::{Method, header};
use std::collections::BTreeMap;

on_both!(absent_operations_are_not_found);

async fn absent_operations_are_not_found(place: Place) {
    let text = std::fs::read_to_string(book::folder().join("operations.json")).expect("the operations");
    let operations: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).expect("operations by tag");
    let node = place.start(&[("ENABLE_CHANNELS", "true")]).await;
    let admin = node.sign_up("Ada").await;
    let served = served();
    let mut wrong = Vec::new();
    let mut walked = 0;
    for operation in operations.values().flatten() {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        // OPTIONS is answered for every path: it asks who may call from elsewhere.
        if served.contains(&anonymous(operation)) || method == "OPTIONS" {
            continue;
        }
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        let method: Method = method.parse().expect("a method");
        let is_head = method == Method::HEAD;
        let body = (method != Method::GET).then(|| b"{}".to_vec());
        let answer = admin.send(method, &path.join("/"), body).await;
        let media_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let says_so = media_type == Some("application/json") && answer.body["detail"].is_string();
        if ![404, 405].contains(&answer.status) || !(says_so || is_head) {
            wrong.push(format!(
                "{operation} -> {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.bytes)
            ));
        }
        walked += 1;
    }
    assert!(walked > 100, "only {walked} were walked");
    assert!(wrong.is_empty(), "{wrong:#?}");
    admin.check(true).await;
    node.stop().await;
}
