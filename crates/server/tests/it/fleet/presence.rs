//! Who is there and which models are in use, as any node says.

use super::{LIMIT, at, fleet_at, rig};
use crate::support::Site;
use antiphon_cluster::{Kind, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

/// A killed node's sessions are gone within this time: a lease of 15 s, and a renewal.
const LAPSED: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_models_in_use_are_known_to_every_node_until_theirs_is_gone() {
    let rig = rig(Kind::Standalone).await;
    let fleet = fleet_at(&rig, 3, &[]).await;
    let [one, other, third] = fleet.nodes() else { panic!("three nodes") };
    let (here, there) = (Site::at(one.url()), Site::at(other.url()));
    let ada = here.sign_up("Ada").await;
    let bob = there.add(&ada, "Bob", "user").await;
    let socket = bob.connect(&there).await;
    let active = format!("/api/v1/users/{}/active", bob.id);
    let is_active = async || ada.get(&active).await.expect(200)["active"] == true;
    wait_until("Bob is there, as the other node says", LIMIT, is_active).await.expect("in time");

    // A page repeats the sign while the model is in use.
    let begin = Instant::now();
    let in_use = async || {
        socket.emit("usage", json!({ "model": "small" })).await;
        ada.get("/api/usage").await.expect(200)["model_ids"] == json!(["small"])
    };
    wait_until("the model is in use, as the other node says", LIMIT, in_use).await.expect("in time");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    drop(socket);
    let left =
        async || !is_active().await && ada.get("/api/usage").await.expect(200)["model_ids"] == json!([]);
    wait_until("Bob and the model are gone", LIMIT, left).await.expect("in time");

    let _lost = at(third, &bob).connect(&Site::at(third.url())).await;
    wait_until("Bob is there again", LIMIT, is_active).await.expect("in time");
    third.kill().expect("killed");
    let gone = async || !is_active().await;
    let took = wait_until("Bob is gone with the killed node", LAPSED, gone).await.expect("in time");
    println!("gone {took:?} after the kill");
    let _back = bob.connect(&there).await;
    wait_until("Bob is there again", LIMIT, is_active).await.expect("in time");
    other.terminate().await.expect("ended");
    let took = wait_until("Bob is gone with the node that stopped", LIMIT, gone).await.expect("in time");
    assert!(took < Duration::from_secs(2), "a node that stops cleans up at once: {took:?}");
}
