//! Signs of life.

use crate::support::{Place, on_both};
use serde_json::json;

on_both!(a_node_says_that_it_lives_and_takes_requests);

async fn a_node_says_that_it_lives_and_takes_requests(place: Place) {
    let node = place.start(&[]).await;
    for path in ["/health", "/health/db", "/ready"] {
        assert_eq!(node.client().get(path).await.expect(200), &json!({ "status": true }), "{path}");
    }
    node.stop().await;
}
