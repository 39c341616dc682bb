//! Live events between two nodes that share a database and a Redis.

use super::{LIMIT, rig};
use crate::support::chat::{Question, deltas, said, start};
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Account, Heard, NodeUnderTest, Place, Socket, eventually, on_both};
use antiphon_cluster::{Kind, Rig, wait_until};
use antiphon_storage::NewChannel;
use serde_json::{Value, json};

on_both!(
    a_reply_is_heard_on_the_other_node_word_for_word,
    a_channel_reaches_its_members_on_both_nodes,
    pages_are_told_to_read_again_after_redis_was_away,
    what_changed_unheard_is_put_right_after_a_gap,
);

/// Two nodes, a provider for both, and somebody who signed in at each.
struct Pair {
    rig: Rig,
    provider: Provider,
    a: NodeUnderTest,
    b: NodeUnderTest,
    ada: Account,
    ada_at_b: Account,
}

async fn pair(place: &Place) -> Pair {
    let rig = rig(Kind::Standalone).await;
    let provider = Provider::start().await;
    let variables = rig.variables();
    let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("ENABLE_CHANNELS", "true"));
    let (a, b) = (start(place, &provider, &variables).await, start(place, &provider, &variables).await);
    for node in [&a, &b] {
        let ready = async || node.client().get("/ready").await.status == 200;
        wait_until("the node is ready", LIMIT, ready).await.expect("in time");
    }
    let ada = a.sign_up("Ada").await;
    let ada_at_b = b.sign_in("Ada").await;
    Pair { rig, provider, a, b, ada, ada_at_b }
}

async fn a_reply_is_heard_on_the_other_node_word_for_word(place: Place) {
    let Pair { provider, a, b, ada, ada_at_b, rig: _rig } = pair(&place).await;
    let (at_a, at_b) = (ada.connect(&a).await, ada_at_b.connect(&b).await);
    let asked = Question::new("[[tokens=200 hold=50 delay=1]]").with_background().ask(&ada, &at_a).await;
    at_b.said(asked.answer(), &tokens(50)).await;
    // As a page that is opened on the other node: it listens first, then it reads, then the rest comes.
    let tab = ada_at_b.connect(&b).await;
    let so_far = ada_at_b.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&so_far["content"], &so_far["done"]), (&json!(tokens(50)), &json!(false)));
    provider.release();
    let rest = tab.end_of_turn(&asked.chat_id, 1).await;
    let mut text = tokens(50);
    for delta in deltas(&rest, asked.answer()) {
        assert_eq!(delta["offset"], json!(text.len()), "nothing twice and no gap");
        text.push_str(delta["delta"].as_str().expect("a delta"));
    }
    assert_eq!(text, tokens(200));
    let (here, there) =
        (at_a.end_of_turn(&asked.chat_id, 1).await, at_b.end_of_turn(&asked.chat_id, 1).await);
    assert_eq!(said(&there, asked.answer()), tokens(200));
    let all = |heard: &[Heard]| -> Vec<Value> { deltas(heard, asked.answer()).cloned().collect() };
    assert_eq!(all(&here), all(&there), "the same pieces in the same order, each once");
    let kinds = |heard: &[Heard]| -> Vec<String> {
        let of_answer = heard.iter().filter(|event| event.message_id == asked.answer());
        of_answer.map(|event| event.kind.clone()).collect()
    };
    assert_eq!(kinds(&here), kinds(&there));
    a.stop().await;
    b.stop().await;
}

/// Waits until a socket has heard a message of this content.
async fn hears(socket: &Socket, content: &str) {
    let content = content.to_owned();
    socket
        .wait_for(format!("the message {content}"), move |heard| {
            heard
                .iter()
                .any(|event| event.envelope["data"]["data"]["content"] == content.as_str())
                .then_some(())
        })
        .await;
}

async fn a_channel_reaches_its_members_on_both_nodes(place: Place) {
    let Pair { rig: _rig, provider: _provider, a, b, ada, .. } = pair(&place).await;
    a.add(&ada, "Bob", "user").await;
    let bob = b.sign_in("Bob").await;
    let (of_ada, of_bob) = (ada.connect(&a).await, bob.connect(&b).await);
    // A channel made after both are there: Bob's socket on the other node is put into its room.
    let form = json!({ "type": "group", "name": "both", "user_ids": [bob.id] });
    let made = ada.post("/api/v1/channels/create", form).await.expect(200).clone();
    let channel = made["id"].as_str().expect("an id");
    of_bob
        .wait_for("the new channel", |heard| {
            heard.iter().any(|event| event.kind == "channel:created").then_some(())
        })
        .await;
    let rejoined = of_bob.call("join-channels", json!({ "auth": { "token": bob.token } })).await;
    assert_eq!(rejoined, Value::Null, "the event has no answer");
    let post = format!("/api/v1/channels/{channel}/messages/post");
    let message = |content: &str| json!({ "content": content, "data": { "files": [] }, "reply_to_id": null });
    ada.post(&post, message("from a")).await.expect(200);
    hears(&of_bob, "from a").await;
    bob.post(&post, message("from b")).await.expect(200);
    hears(&of_ada, "from b").await;
    hears(&of_bob, "from b").await;
    a.stop().await;
    b.stop().await;
}

async fn pages_are_told_to_read_again_after_redis_was_away(place: Place) {
    let Pair { rig, provider, a, b, ada, ada_at_b } = pair(&place).await;
    let (at_a, at_b) = (ada.connect(&a).await, ada_at_b.connect(&b).await);
    rig.servers()[0].freeze().expect("frozen");
    let asked = Question::new("[[tokens=800 hold=10 delay=5]]").ask(&ada, &at_a).await;
    at_a.said(asked.answer(), &tokens(10)).await;
    for node in [&a, &b] {
        let noticed = async || node.client().get("/ready").await.status == 503;
        wait_until("the break is noticed", LIMIT, noticed).await.expect("in time");
    }
    rig.servers()[0].thaw().expect("thawed");
    for socket in [&at_a, &at_b] {
        let told = |heard: &[Heard]| heard.iter().any(|event| event.name == "antiphon:resync").then_some(());
        socket.wait_for("to read again", told).await;
    }
    // Whoever reads now and listens on has all of it.
    let so_far = ada_at_b.message(&asked.chat_id, asked.answer()).await;
    assert_eq!(so_far["done"], json!(false));
    provider.release();
    // Clients that know nothing of that get the whole reply so far once more, while it goes on.
    let answer = asked.answer().to_owned();
    let so_far = at_b
        .wait_for("the whole reply so far", move |heard| {
            let of_answer =
                heard.iter().filter(|event| event.message_id == answer && event.kind == "chat:completion");
            of_answer.map(|event| event.data.clone()).find(|data| data["output"].is_array())
        })
        .await;
    assert_eq!(so_far["done"], Value::Null, "before the end");
    let text = so_far["output"][0]["content"][0]["text"].as_str().expect("a text");
    assert!(text.len() > tokens(10).len() && tokens(800).starts_with(text), "{text}");
    at_b.end_of_turn(&asked.chat_id, 1).await;
    let whole = ada_at_b.message(&asked.chat_id, asked.answer()).await;
    assert_eq!(whole["content"], json!(tokens(800)));
    a.stop().await;
    b.stop().await;
}

/// Changes that no message told of, as if it had been lost: SQL alone says who is where, and whose session has ended.
async fn what_changed_unheard_is_put_right_after_a_gap(place: Place) {
    let Pair { rig, provider: _provider, a, b, ada, .. } = pair(&place).await;
    let mut sockets = Vec::new();
    for name in ["Bob", "Cid"] {
        a.add(&ada, name, "user").await;
        let account = b.sign_in(name).await;
        sockets.push((account.connect(&b).await, account));
    }
    let [(of_bob, bob), (of_cid, cid)] = &sockets[..] else { panic!("two people") };
    let form = json!({ "type": "group", "name": "before", "user_ids": [bob.id] });
    let before = ada.post("/api/v1/channels/create", form).await.expect(200)["id"].clone();
    let before = before.as_str().expect("an id");
    let post = async |channel: &str, content: &str| {
        let message = json!({ "content": content, "data": { "files": [] }, "reply_to_id": null });
        ada.post(&format!("/api/v1/channels/{channel}/messages/post"), message).await.expect(200);
    };
    let has_heard = |content: &str| {
        of_bob.heard().iter().any(|event| event.envelope["data"]["data"]["content"] == content)
    };
    post(before, "while he was there").await;
    hears(of_bob, "while he was there").await;

    let database = place.database().await;
    let channels = database.channels();
    let gone = channels.remove_members(before, std::slice::from_ref(&bob.id)).await.expect("removed");
    assert_eq!(gone, [bob.id.as_str()]);
    let new = NewChannel { name: "after".to_owned(), ..NewChannel::default() };
    let after = channels.create_group(&ada.id, new, std::slice::from_ref(&bob.id)).await.expect("made").id;
    database.credentials().renew_session_stamp(&cid.id).await.expect("renewed");
    post(&after, "nobody told him").await;

    rig.servers()[0].freeze().expect("frozen");
    let noticed = async || b.client().get("/ready").await.status == 503;
    wait_until("the break is noticed", LIMIT, noticed).await.expect("in time");
    rig.servers()[0].thaw().expect("thawed");
    let closed = async || of_cid.is_closed();
    wait_until("the session that has ended is over", LIMIT, closed).await.expect("in time");
    eventually("he follows his new channel", async || {
        post(&after, "now he knows").await;
        has_heard("now he knows").then_some(())
    })
    .await;
    post(before, "without him").await;
    post(&after, "with him").await;
    hears(of_bob, "with him").await;
    assert!(!has_heard("without him") && !has_heard("nobody told him") && !of_bob.is_closed());
    a.stop().await;
    b.stop().await;
}
