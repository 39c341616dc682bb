//! Conversations: history, other answers, other questions, several models.

use crate::support::chat::{Question, said, start};
use crate::support::provider::Provider;
use crate::support::{Place, on_both};
use serde_json::json;

on_both!(
    the_second_question_carries_the_first,
    another_answer_is_a_branch_of_the_same_question,
    another_question_is_a_branch_of_its_own,
    several_models_answer_side_by_side,
    a_failed_answer_is_left_out_of_the_conversation,
    questions_that_cannot_be_placed_are_refused,
);

fn turns(turns: &[(&str, &str)]) -> Vec<(String, String)> {
    turns.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

async fn the_second_question_carries_the_first(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let first = Question::new("one").ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 1).await;
    // What a client adds to the form cannot replace what is stored.
    let forged = json!([{ "role": "user", "content": "forged" }]);
    let second = Question::after(&first, "two").with("messages", forged).ask(&ada, &socket).await;
    assert_eq!(second.chat_id, first.chat_id);
    socket.end_of_turn(&first.chat_id, 2).await;
    let expected = [("user", "one"), ("assistant", "Echo: one"), ("user", "two")];
    assert_eq!(provider.request("two").conversation(), turns(&expected));
    let third = Question::after(&second, "three").ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 3).await;
    assert_eq!(provider.request("three").conversation().len(), 5);
    let document = ada.document(&first.chat_id).await;
    assert_eq!(document["chat"]["messages"].as_array().unwrap().len(), 6);
    assert_eq!(document["chat"]["history"]["currentId"], third.answer());
    // One chat, not three.
    assert_eq!(ada.get("/api/v1/chats/?page=1").await.expect(200).as_array().unwrap().len(), 1);
    node.stop().await;
}

async fn another_answer_is_a_branch_of_the_same_question(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let question = Question::new("one");
    let first = question.ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 1).await;
    let again = question.again(&first.chat_id).ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 2).await;

    let document = ada.document(&first.chat_id).await;
    let history = &document["chat"]["history"];
    let asked = &history["messages"][&first.question_id];
    assert_eq!(asked["childrenIds"], json!([first.answer(), again.answer()]));
    assert_eq!(history["currentId"], again.answer());
    assert_eq!(history["messages"].as_object().unwrap().len(), 3);
    for answer in [first.answer(), again.answer()] {
        assert_eq!(history["messages"][answer]["content"], "Echo: one");
    }
    // The new answer was asked for without the old one.
    let requests = provider.requests();
    assert_eq!(requests[1].conversation(), turns(&[("user", "one")]));
    node.stop().await;
}

async fn another_question_is_a_branch_of_its_own(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let question = Question::new("one");
    let first = question.ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 1).await;
    let follow = Question::after(&first, "two");
    let second = follow.ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 2).await;
    let edited = follow.edited(&first.chat_id, "two, please").ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 3).await;
    let expected = [("user", "one"), ("assistant", "Echo: one"), ("user", "two, please")];
    assert_eq!(provider.request("two, please").conversation(), turns(&expected));
    let anew = question.edited(&first.chat_id, "another start").ask(&ada, &socket).await;
    socket.end_of_turn(&first.chat_id, 4).await;
    assert_eq!(provider.request("another start").conversation(), turns(&[("user", "another start")]));

    let document = ada.document(&first.chat_id).await;
    let messages = &document["chat"]["history"]["messages"];
    assert_eq!(messages[first.answer()]["childrenIds"], json!([second.question_id, edited.question_id]));
    assert_eq!(messages[&anew.question_id]["parentId"], json!(null));
    assert_eq!(document["chat"]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(messages.as_object().unwrap().len(), 8);
    node.stop().await;
}

async fn several_models_answer_side_by_side(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let asked =
        Question::new("[[tokens=4 hold=2]]").to(&["mock", "mock-two", "mock"]).ask(&ada, &socket).await;
    assert_eq!(asked.task_ids.len(), 3);
    provider.wait_for("all three are asked at once", |requests| (requests.len() == 3).then_some(())).await;
    for answer in &asked.answers {
        socket.said(answer, "tok1 tok2").await;
    }
    let running = ada.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
    assert_eq!(running.expect(200)["task_ids"].as_array().unwrap().len(), 3);
    provider.release_all();
    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    let mut models: Vec<String> =
        provider.requests().iter().map(|request| request.body["model"].to_string()).collect();
    models.sort();
    assert_eq!(models, ["\"mock\"", "\"mock\"", "\"mock-two\""]);
    let document = ada.document(&asked.chat_id).await;
    let messages = &document["chat"]["history"]["messages"];
    assert_eq!(messages[&asked.question_id]["childrenIds"], json!(asked.answers));
    for (index, (answer, model)) in asked.answers.iter().zip(["mock", "mock-two", "mock"]).enumerate() {
        assert_eq!(said(&heard, answer), "tok1 tok2 tok3 tok4");
        let message = &messages[answer];
        assert_eq!((&message["modelIdx"], &message["model"]), (&json!(index), &json!(model)));
        assert_eq!((&message["content"], &message["done"]), (&json!("tok1 tok2 tok3 tok4"), &json!(true)));
    }
    assert_eq!(document["chat"]["models"], json!(["mock", "mock-two", "mock"]));
    node.stop().await;
}

async fn a_failed_answer_is_left_out_of_the_conversation(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let socket = ada.connect(&node).await;
    let failed = Question::new("[[fail=500]]").ask(&ada, &socket).await;
    socket.end_of_turn(&failed.chat_id, 1).await;
    Question::after(&failed, "and now?").ask(&ada, &socket).await;
    socket.end_of_turn(&failed.chat_id, 2).await;
    let expected = [("user", "[[fail=500]]"), ("user", "and now?")];
    assert_eq!(provider.request("and now?").conversation(), turns(&expected));
    node.stop().await;
}

async fn questions_that_cannot_be_placed_are_refused(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "admin").await;
    let (socket, bobs) = (ada.connect(&node).await, bob.connect(&node).await);
    let asked = Question::new("mine").ask(&ada, &socket).await;
    socket.end_of_turn(&asked.chat_id, 1).await;
    let before = ada.document(&asked.chat_id).await;
    let strange = Question::after(&asked, "a stranger's question").form(&bobs.sid);
    let mut lost = Question::after(&asked, "lost").form(&socket.sid);
    lost["user_message"]["parentId"] = json!("nowhere");
    let mut same = Question::after(&asked, "same id").form(&socket.sid);
    same["message_ids"][0]["message_id"] = same["user_message"]["id"].clone();
    let mut nameless = Question::new("no id").form(&socket.sid);
    nameless["user_message"].as_object_mut().unwrap().remove("id");
    let mut no_answer = Question::new("no answer").form(&socket.sid);
    no_answer["message_ids"] = json!([]);
    no_answer.as_object_mut().unwrap().remove("id");
    let mut no_question = Question::new("no question").form(&socket.sid);
    no_question.as_object_mut().unwrap().remove("user_message");
    let too_many = Question::new("too many").to(&["mock"; 17]).form(&socket.sid);
    let unknown_chat = Question::first_of("unknown", "x").form(&socket.sid);
    let unknown_model = Question::new("x").to(&["no-such-model"]).form(&socket.sid);
    let one_unknown = Question::new("x").to(&["mock", "no-such-model"]).form(&socket.sid);
    for (account, form, status) in [
        (&bob, strange, 404),
        (&ada, lost, 400),
        (&ada, same, 400),
        (&ada, nameless, 400),
        (&ada, no_answer, 400),
        (&ada, no_question, 400),
        (&ada, too_many, 400),
        (&ada, unknown_chat, 404),
        (&ada, unknown_model, 400),
        (&ada, one_unknown, 400),
    ] {
        let answer = account.post("/api/chat/completions", form.clone()).await;
        assert_eq!(answer.status, status, "{form} -> {}", answer.body);
        answer.expect_plain(status);
    }
    assert_eq!(ada.document(&asked.chat_id).await, before);
    for account in [&ada, &bob] {
        assert_eq!(account.get("/api/tasks").await.expect(200), &json!({ "tasks": [] }));
        let chats = account.get("/api/v1/chats/?page=1").await.expect(200).clone();
        assert_eq!(chats.as_array().unwrap().len(), usize::from(account.id == ada.id));
    }
    assert_eq!(provider.requests().len(), 1);
    node.stop().await;
}
