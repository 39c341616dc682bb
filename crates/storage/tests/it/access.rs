//! Model records and grants.

use std::collections::{BTreeSet, HashSet};

use antiphon_storage::{NewGrant, NewModelRecord, Permission, Principal, ResourceType, StorageError};
use serde_json::{Map, json};

use crate::support::{Fixture, on_both};

on_both!(records_are_made_changed_and_deleted, grants_reach_users_groups_and_everybody, grants_are_replaced);

fn record(id: &str) -> NewModelRecord {
    NewModelRecord {
        id: id.into(),
        base_model_id: None,
        name: format!("Model {id}"),
        params: Map::new(),
        meta: json!({"description": null, "capabilities": {"vision": true}}).as_object().cloned().unwrap(),
        access_grants: None,
        is_active: true,
    }
}

fn grant(principal_type: Principal, principal_id: &str, permission: Permission) -> NewGrant {
    NewGrant { principal_type, principal_id: principal_id.into(), permission }
}

async fn records_are_made_changed_and_deleted(fixture: Fixture) {
    let models = fixture.db.models();
    let everybody = vec![grant(Principal::User, "*", Permission::Read)];
    let made = models
        .create("ada", NewModelRecord { access_grants: Some(everybody), ..record("m:1") })
        .await
        .unwrap();
    assert!(matches!(models.create("ada", record("m:1")).await, Err(StorageError::ModelExists)));
    assert_eq!(models.by_id("m:1").await.unwrap().unwrap(), made);
    let shown = serde_json::to_value(&made).unwrap();
    assert_eq!(shown["access_grants"][0]["principal_id"], "*");
    assert_eq!(shown["access_grants"][0]["resource_type"], "model");
    assert_eq!(shown["meta"]["capabilities"]["vision"], true);
    let changed = models
        .update(NewModelRecord { name: "New".into(), base_model_id: Some("base".into()), ..record("m:1") })
        .await
        .unwrap();
    assert_eq!((changed.name.as_str(), changed.base_model_id.as_deref()), ("New", Some("base")));
    assert_ne!(changed.version_id, made.version_id);
    assert_eq!(changed.access_grants, made.access_grants);
    assert!(!models.toggle_active("m:1").await.unwrap().is_active);
    models.create("ada", record("a")).await.unwrap();
    let list = models.list().await.unwrap();
    assert_eq!(list.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a", "m:1"]);
    assert_eq!(list[1].access_grants.len(), 1);
    assert!(models.delete("m:1").await.unwrap());
    assert!(!models.delete("m:1").await.unwrap());
    assert_eq!(models.by_id("m:1").await.unwrap(), None);
    assert!(fixture.db.access_grants().list(ResourceType::Model, "m:1").await.unwrap().is_empty());
    assert!(matches!(models.update(record("m:1")).await, Err(StorageError::ModelNotFound)));
    assert!(matches!(models.toggle_active("m:1").await, Err(StorageError::ModelNotFound)));
    for id in ["", " ", &"x".repeat(300)] {
        assert!(matches!(models.create("ada", record(id)).await, Err(StorageError::Malformed { .. })));
    }
    let large = json!({"profile_image_url": "x".repeat(5_000_000)}).as_object().cloned().unwrap();
    let outcome = models.create("ada", NewModelRecord { meta: large, ..record("b") }).await;
    assert!(matches!(outcome, Err(StorageError::TooLarge { .. })), "{outcome:?}");
}

async fn grants_reach_users_groups_and_everybody(fixture: Fixture) {
    let (models, grants) = (fixture.db.models(), fixture.db.access_grants());
    for (id, access) in [
        ("all", vec![grant(Principal::User, "*", Permission::Read)]),
        ("bob", vec![grant(Principal::User, "bob", Permission::Write)]),
        ("team", vec![grant(Principal::Group, "team", Permission::Read)]),
        ("none", vec![]),
        ("off", vec![grant(Principal::User, "*", Permission::Read)]),
    ] {
        models.create("ada", NewModelRecord { access_grants: Some(access), ..record(id) }).await.unwrap();
    }
    models.toggle_active("off").await.unwrap();
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
    assert_eq!(models.readable_ids("ada", &[]).await.unwrap(), set(&["all", "bob", "team", "none"]));
    assert_eq!(models.readable_ids("bob", &[]).await.unwrap(), set(&["all", "bob"]));
    assert_eq!(
        models.readable_ids("eve", &["team".into(), "x".into()]).await.unwrap(),
        set(&["all", "team"])
    );
    // A group is not a user with the same name.
    assert_eq!(models.readable_ids("team", &["bob".into()]).await.unwrap(), set(&["all"]));
    for (user, groups, resource, permission, expected) in [
        ("eve", vec![], "all", Permission::Read, true),
        ("eve", vec![], "all", Permission::Write, false),
        ("bob", vec![], "bob", Permission::Read, true),
        ("bob", vec![], "bob", Permission::Write, true),
        ("eve", vec![], "team", Permission::Read, false),
        ("eve", vec!["team".to_owned()], "team", Permission::Read, true),
        ("eve", vec![], "unknown", Permission::Read, false),
    ] {
        let granted =
            grants.has_access(user, &groups, ResourceType::Model, resource, permission).await.unwrap();
        assert_eq!(granted, expected, "{user} {groups:?} {resource} {permission:?}");
        assert!(
            !grants.has_access(user, &groups, ResourceType::Channel, resource, permission).await.unwrap()
        );
    }
    let ids: Vec<String> = ["all", "bob", "team", "x"].iter().map(|id| (*id).to_owned()).collect();
    let found = grants.accessible("bob", &[], ResourceType::Model, &ids, Permission::Read).await.unwrap();
    assert_eq!(found, BTreeSet::from(["all".to_owned(), "bob".to_owned()]));
}

async fn grants_are_replaced(fixture: Fixture) {
    let grants = fixture.db.access_grants();
    let read = grant(Principal::User, "bob", Permission::Read);
    let first = grants.replace(ResourceType::Channel, "c", &[read.clone(), read.clone()]).await.unwrap();
    assert_eq!(first.len(), 1);
    let write = grant(Principal::User, "bob", Permission::Write);
    let second = grants.replace(ResourceType::Channel, "c", &[read, write.clone()]).await.unwrap();
    assert_eq!(second.len(), 2);
    assert!(second.contains(&first[0]));
    let third = grants.replace(ResourceType::Channel, "c", &[write]).await.unwrap();
    assert_eq!(third.len(), 1);
    assert_eq!(grants.list(ResourceType::Channel, "c").await.unwrap(), third);
    assert!(grants.list_all(ResourceType::Channel).await.unwrap().contains_key("c"));
    assert!(grants.replace(ResourceType::Channel, "c", &[]).await.unwrap().is_empty());
}
