//! Judgements of answers.

use antiphon_storage::{Feedback, MAX_SNAPSHOT_BYTES, NewFeedback, StorageError};
use serde_json::{json, value::to_raw_value};

use crate::support::{Fixture, on_both};

on_both!(a_judgement_is_kept_changed_and_deleted_by_its_owner, a_judgement_has_bounds);

fn new(data: &serde_json::Value) -> NewFeedback {
    NewFeedback {
        kind: "rating".into(),
        data: data.as_object().cloned(),
        meta: json!({ "message_id": "m" }).as_object().cloned(),
        snapshot: Some(to_raw_value(&json!({ "chat": { "title": "T" } })).unwrap()),
    }
}

async fn a_judgement_is_kept_changed_and_deleted_by_its_owner(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let feedback = fixture.db.feedback();
    let made = feedback.create(&ada.id, new(&json!({ "rating": 1 }))).await.unwrap();
    let told = json!(made);
    assert_eq!(
        (&told["type"], &told["version"], &told["user_id"]),
        (&json!("rating"), &json!(0), &json!(ada.id))
    );
    assert_eq!(told["snapshot"], json!({ "chat": { "title": "T" } }));
    assert_eq!(json!(feedback.owned(&ada.id, &made.id).await.unwrap()), told);

    let change = NewFeedback {
        kind: "rating".into(),
        data: new(&json!({ "rating": -1 })).data,
        ..NewFeedback::default()
    };
    let changed = json!(feedback.update(&ada.id, &made.id, change.clone()).await.unwrap());
    assert_eq!((&changed["data"], &changed["meta"]), (&json!({ "rating": -1 }), &told["meta"]));
    assert_eq!(changed["snapshot"], told["snapshot"]);

    let unknown = |result: Result<Feedback, StorageError>| {
        assert!(matches!(result, Err(StorageError::FeedbackNotFound)), "{result:?}");
    };
    unknown(feedback.owned(&bob.id, &made.id).await);
    unknown(feedback.update(&bob.id, &made.id, change.clone()).await);
    unknown(feedback.update(&ada.id, "unknown", change).await);
    assert!(!feedback.delete(&bob.id, &made.id).await.unwrap());
    assert!(feedback.delete(&ada.id, &made.id).await.unwrap());
    unknown(feedback.owned(&ada.id, &made.id).await);
}

async fn a_judgement_has_bounds(fixture: Fixture) {
    let ada = fixture.user("ada").await;
    let feedback = fixture.db.feedback();
    let long = new(&json!({ "comment": "x".repeat(70_000) }));
    assert!(matches!(feedback.create(&ada.id, long).await, Err(StorageError::TooLarge { .. })));
    let snapshot = Some(to_raw_value(&"x".repeat(MAX_SNAPSHOT_BYTES)).unwrap());
    let large = NewFeedback { snapshot, ..new(&json!({})) };
    assert!(matches!(feedback.create(&ada.id, large).await, Err(StorageError::TooLarge { .. })));
    let nameless = NewFeedback { kind: String::new(), ..new(&json!({})) };
    assert!(matches!(feedback.create(&ada.id, nameless).await, Err(StorageError::Malformed { .. })));
}
