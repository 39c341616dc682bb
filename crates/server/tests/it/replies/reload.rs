//! A page that is opened in the middle of a reply: the text so far and the rest arrive, nothing twice, nothing lost.

use crate::support::chat::{Question, deltas, said, start};
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Heard, Place, on_both};
use serde_json::json;

on_both!(
    a_reload_has_the_text_so_far_and_hears_the_rest,
    a_reload_in_the_middle_of_thinking,
    whoever_reads_sees_at_least_what_was_told,
    the_end_is_stored_before_it_is_told,
);

/// Continues a text from deltas heard later; those that it has already are passed over.
#[track_caller]
fn continued(mut text: String, heard: &[Heard], message_id: &str) -> String {
    for delta in deltas(heard, message_id) {
        let offset = usize::try_from(delta["offset"].as_u64().expect("an offset")).unwrap();
        let piece = delta["delta"].as_str().expect("a delta");
        assert!(offset <= text.len(), "a gap between {} and {offset}", text.len());
        let known = (text.len() - offset).min(piece.len());
        text.push_str(&piece[known..]);
    }
    text
}

async fn a_reload_has_the_text_so_far_and_hears_the_rest(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[tokens=40 hold=20 delay=1]]").ask(&ada, &socket).await;
    socket.said(asked.answer(), &tokens(20)).await;

    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["content"], &message["done"]), (&json!(tokens(20)), &json!(false)));
    let item = &message["output"][0];
    assert_eq!((&item["status"], &item["content"][0]["text"]), (&json!("in_progress"), &json!(tokens(20))));
    let running = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(running.expect(200)["task_ids"], json!(asked.task_ids));

    // As a page that is opened: it listens first, then it reads, then the rest comes.
    let tab = ada.connect(&node).await;
    let so_far = ada.message(&asked.chat_id, asked.answer()).await;
    provider.release();
    let heard = tab.end_of_turn(&asked.chat_id, 1).await;
    let first = deltas(&heard, asked.answer()).next().unwrap();
    assert_eq!((&first["offset"], &first["item_id"]), (&json!(tokens(20).len()), &item["id"]));
    let text = so_far["content"].as_str().unwrap().to_owned();
    assert_eq!(continued(text, &heard, asked.answer()), tokens(40));
    assert_eq!(said(&socket.heard(), asked.answer()), tokens(40));
    node.stop().await;
}

async fn a_reload_in_the_middle_of_thinking(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked = Question::new("[[reasoning=3 tokens=4 hold=0]]").ask(&ada, &socket).await;
    let thought = "think1 think2 think3 ";
    socket
        .wait_for("the thoughts", |heard| {
            let thoughts: String =
                deltas(heard, asked.answer()).filter_map(|delta| delta["delta"].as_str()).collect();
            (thoughts == thought).then_some(())
        })
        .await;
    let message = ada.message(&asked.chat_id, asked.answer()).await;
    assert_eq!(message["content"], "");
    let item = &message["output"][0];
    assert_eq!((&item["type"], &item["status"]), (&json!("reasoning"), &json!("in_progress")));
    assert_eq!(item["content"][0]["text"], thought);
    provider.release();
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(4));
    node.stop().await;
}

async fn whoever_reads_sees_at_least_what_was_told(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    for round in 0..5 {
        let asked = Question::new(format!("[[tokens=30 delay=2]] {round}")).ask(&ada, &socket).await;
        let text = tokens(30);
        loop {
            let heard = socket.heard();
            let told = said(&heard, asked.answer());
            let message = ada.message(&asked.chat_id, asked.answer()).await;
            let read = message["content"].as_str().unwrap();
            assert!(read.len() >= told.len(), "{told:?} was told, {read:?} was read: {message}");
            assert!(text.starts_with(read), "{read:?}");
            if message["done"] == true {
                assert_eq!(read, text);
                break;
            }
        }
    }
    node.stop().await;
}

async fn the_end_is_stored_before_it_is_told(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    for count in [1, 5, 50] {
        let asked = Question::new(format!("[[tokens={count}]]")).ask(&ada, &socket).await;
        socket
            .wait_for("the end", |heard| {
                heard
                    .iter()
                    .find(|event| event.chat_id == asked.chat_id && event.data["done"] == true)
                    .map(drop)
            })
            .await;
        let message = ada.message(&asked.chat_id, asked.answer()).await;
        assert_eq!((&message["content"], &message["done"]), (&json!(tokens(count)), &json!(true)));
    }
    node.stop().await;
}
