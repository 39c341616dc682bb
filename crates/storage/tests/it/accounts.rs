//! Accounts, settings of accounts and settings of the server.

use antiphon_storage::{
    Direction, NewChat, NewGrant, Permission, Principal, ResourceType, Role, SignInLink, StorageError,
    UserOrder, UserQuery, UserUpdate,
};
use serde_json::json;

use crate::support::{Fixture, message, new_user, on_both};

on_both!(
    the_first_account_is_an_administrator,
    addresses_are_unique_without_case,
    profiles_change_field_by_field,
    the_last_administrator_stays,
    deleting_an_account_takes_everything_along,
    lists_are_sorted_searched_and_paged,
    settings_and_information_are_kept,
    settings_of_the_server_have_a_version,
    people_of_a_provider_have_one_account,
);

async fn the_first_account_is_an_administrator(fixture: Fixture) {
    let users = fixture.db.users();
    assert_eq!(users.count().await.unwrap(), 0);
    let first = users.create(new_user("ada")).await.unwrap();
    assert!(first.first);
    assert_eq!(first.user.role, Role::Admin);
    let second =
        users.create(antiphon_storage::NewUser { role: Role::Pending, ..new_user("bob") }).await.unwrap();
    assert!(!second.first);
    assert_eq!(second.user.role, Role::Pending);
    assert_eq!(users.first_admin().await.unwrap().unwrap().id, first.user.id);
    assert_eq!(users.by_id(&second.user.id).await.unwrap().unwrap(), second.user);
    assert_eq!(users.by_id("nobody").await.unwrap(), None);
    let both = users.by_ids(&[first.user.id.clone(), second.user.id.clone(), "nobody".into()]).await.unwrap();
    assert_eq!(both.len(), 2);
    let stamp = fixture.db.credentials().by_user(&first.user.id).await.unwrap().unwrap().session_stamp;
    assert_eq!(stamp, first.session_stamp);
}

async fn people_of_a_provider_have_one_account(fixture: Fixture) {
    let users = fixture.db.users();
    let link = |provider, subject| SignInLink { provider, subject };
    let made = users.create_linked(new_user("ada"), link("oidc", "a-1")).await.unwrap();
    assert!(made.first);
    assert_eq!(made.user.oauth, Some(json!({ "oidc": { "sub": "a-1" } })));
    let found = users.by_link(link("oidc", "a-1")).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.oauth), (&made.user.id, &made.user.oauth));
    assert_eq!(users.by_link(link("google", "a-1")).await.unwrap(), None);

    let bob = fixture.user("bob").await;
    users.link(&bob.id, link("google", "b-1")).await.unwrap();
    users.link(&bob.id, link("oidc", "b-2")).await.unwrap();
    users.link(&bob.id, link("oidc", "b-3")).await.unwrap();
    assert_eq!(users.by_link(link("oidc", "b-2")).await.unwrap(), None, "another has taken its place");
    let bob = users.by_link(link("google", "b-1")).await.unwrap().unwrap();
    assert_eq!(bob.oauth, Some(json!({ "google": { "sub": "b-1" }, "oidc": { "sub": "b-3" } })));
    assert!(matches!(users.link("nobody", link("oidc", "x")).await, Err(StorageError::UserNotFound)));

    // Neither half is there when the address is somebody else's.
    let twin = users.create_linked(new_user("bob"), link("oidc", "twin")).await;
    assert!(matches!(twin, Err(StorageError::EmailTaken)));
    assert_eq!(users.by_link(link("oidc", "twin")).await.unwrap(), None);
    assert!(users.delete(&bob.id).await.unwrap());
    assert_eq!(users.by_link(link("oidc", "b-3")).await.unwrap(), None);
}

async fn addresses_are_unique_without_case(fixture: Fixture) {
    let users = fixture.db.users();
    fixture.user("ada").await;
    let mut twin = new_user("twin");
    twin.email = "  ADA@Example.org ".into();
    assert!(matches!(users.create(twin).await, Err(StorageError::EmailTaken)));
    assert_eq!(users.by_email("Ada@EXAMPLE.org").await.unwrap().unwrap().name, "ada");
    // The refused transaction left nothing behind and blocks nobody.
    assert_eq!(users.count().await.unwrap(), 1);
    let bob = fixture.user("bob").await;
    let update = UserUpdate { email: Some("Ada@example.org".into()), ..UserUpdate::default() };
    assert!(matches!(users.update(&bob.id, update).await, Err(StorageError::EmailTaken)));
}

async fn profiles_change_field_by_field(fixture: Fixture) {
    let users = fixture.db.users();
    let ada = fixture.user("ada").await;
    let update = UserUpdate {
        name: Some("Ada L.".into()),
        bio: Some(Some("counts\0".into())),
        status_expires_at: Some(Some(99)),
        ..UserUpdate::default()
    };
    let changed = users.update(&ada.id, update).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.bio.as_deref()), ("Ada L.", Some("counts\u{fffd}")));
    assert_eq!(changed.status_expires_at, Some(99));
    assert_eq!(changed.email, ada.email);
    let changed =
        users.update(&ada.id, UserUpdate { bio: Some(None), ..UserUpdate::default() }).await.unwrap();
    assert_eq!((changed.bio, changed.name.as_str()), (None, "Ada L."));
    users.set_timezone(&ada.id, "Europe/Paris").await.unwrap();
    users.touch(&ada.id, ada.last_active_at + 100).await.unwrap();
    users.touch(&ada.id, ada.last_active_at + 50).await.unwrap();
    let now = users.by_id(&ada.id).await.unwrap().unwrap();
    assert_eq!(now.timezone.as_deref(), Some("Europe/Paris"));
    assert_eq!(now.last_active_at, ada.last_active_at + 100);
    assert_eq!(users.count_active_since(ada.last_active_at + 100).await.unwrap(), 1);
    assert_eq!(users.count_active_since(ada.last_active_at + 101).await.unwrap(), 0);
    for outcome in [
        users.update("nobody", UserUpdate::default()).await.map(drop),
        users.set_timezone("nobody", "UTC").await,
        users.settings("nobody").await.map(drop),
    ] {
        assert!(matches!(outcome, Err(StorageError::UserNotFound)));
    }
}

async fn the_last_administrator_stays(fixture: Fixture) {
    let users = fixture.db.users();
    let ada = fixture.user("ada").await;
    let bob = fixture.user("bob").await;
    assert!(matches!(users.set_role(&ada.id, Role::User).await, Err(StorageError::LastAdmin)));
    assert!(matches!(users.delete(&ada.id).await, Err(StorageError::LastAdmin)));
    assert_eq!(users.set_role(&ada.id, Role::Admin).await.unwrap().user.role, Role::Admin);
    let before = fixture.db.credentials().by_user(&bob.id).await.unwrap().unwrap().session_stamp;
    let change = users.set_role(&bob.id, Role::Admin).await.unwrap();
    assert_eq!(change.user.role, Role::Admin);
    assert_ne!(change.session_stamp, before);
    assert_eq!(
        fixture.db.credentials().session(&bob.id).await.unwrap().unwrap().session_stamp,
        change.session_stamp
    );
    users.set_role(&ada.id, Role::Pending).await.unwrap();
    assert!(matches!(users.set_role(&bob.id, Role::User).await, Err(StorageError::LastAdmin)));
    assert!(matches!(users.set_role("nobody", Role::User).await, Err(StorageError::UserNotFound)));
    assert!(!users.delete("nobody").await.unwrap());
}

async fn deleting_an_account_takes_everything_along(fixture: Fixture) {
    let (ada, bob) = (fixture.user("ada").await, fixture.user("bob").await);
    let chat = fixture.chat(&bob, "secret").await;
    fixture.db.messages().upsert(&chat.id, message("m", None, "user", "text")).await.unwrap();
    fixture.db.chats().add_tag(&bob.id, &chat.id, "Tag").await.unwrap();
    fixture.db.api_keys().replace(&bob.id, "sk-bob").await.unwrap();
    let grants = [
        NewGrant {
            principal_type: Principal::User,
            principal_id: bob.id.clone(),
            permission: Permission::Read,
        },
        NewGrant {
            principal_type: Principal::User,
            principal_id: ada.id.clone(),
            permission: Permission::Read,
        },
    ];
    fixture.db.access_grants().replace(ResourceType::Model, "m", &grants).await.unwrap();
    assert!(fixture.db.users().delete(&bob.id).await.unwrap());
    assert_eq!(fixture.db.users().by_id(&bob.id).await.unwrap(), None);
    assert!(!fixture.db.chats().exists(&chat.id).await.unwrap());
    assert!(fixture.db.messages().all(&chat.id).await.unwrap().is_empty());
    assert!(fixture.db.tags().list(&bob.id).await.unwrap().is_empty());
    assert!(fixture.db.api_keys().find("sk-bob").await.unwrap().is_none());
    assert!(fixture.db.credentials().by_email("bob@example.org").await.unwrap().is_none());
    assert_eq!(fixture.db.access_grants().list(ResourceType::Model, "m").await.unwrap().len(), 1);
    let lost = fixture.db.chats().create(&bob.id, NewChat::default()).await;
    assert!(matches!(lost, Err(StorageError::UserNotFound)), "{lost:?}");
    assert!(matches!(fixture.db.api_keys().replace(&bob.id, "sk-2").await, Err(StorageError::UserNotFound)));
}

async fn lists_are_sorted_searched_and_paged(fixture: Fixture) {
    for number in 0..35 {
        fixture.user(&format!("user{number:02}")).await;
    }
    let mut odd = new_user("odd");
    odd.name = "100%_Übung".into();
    fixture.db.users().create(odd).await.unwrap();
    let users = fixture.db.users();
    let by_name =
        UserQuery { order: UserOrder::Name, direction: Direction::Ascending, ..UserQuery::default() };
    let first = users.list(&by_name).await.unwrap();
    assert_eq!((first.items.len(), first.total), (30, 36));
    assert_eq!(first.items[1].name, "user00");
    let second = users.list(&UserQuery { page: 2, ..by_name.clone() }).await.unwrap();
    assert_eq!((second.items.len(), second.total), (6, 36));
    assert!(users.list(&UserQuery { page: u32::MAX, ..by_name.clone() }).await.unwrap().items.is_empty());
    for (text, expected) in [
        ("USER1", 10),
        ("user1_@", 0),
        ("%", 1),
        ("0%_ü", 1),
        ("0%_Ü", 1),
        ("odd@EXAMPLE", 1),
        ("\\", 0),
        ("'", 0),
    ] {
        let found = users.list(&UserQuery { text: Some(text.into()), ..by_name.clone() }).await.unwrap();
        assert_eq!(found.total, expected, "{text}");
        assert_eq!(found.items.len(), usize::try_from(expected).unwrap(), "{text}");
    }
    for order in ["created_at", "email", "role", "last_active_at", "updated_at"] {
        let order = UserOrder::parse(order).unwrap();
        assert_eq!(users.list(&UserQuery { order, ..UserQuery::default() }).await.unwrap().items.len(), 30);
    }
    assert_eq!(UserOrder::parse("password"), None);
}

async fn settings_and_information_are_kept(fixture: Fixture) {
    let users = fixture.db.users();
    let ada = fixture.user("ada").await;
    assert_eq!(users.settings(&ada.id).await.unwrap(), None);
    let settings = json!({"ui": {"version": "1", "list": [1, 2.5, null], "text": "ü\u{0}"}});
    users.set_settings(&ada.id, &settings).await.unwrap();
    users.set_info(&ada.id, &json!({"location": "x"})).await.unwrap();
    assert_eq!(users.settings(&ada.id).await.unwrap(), Some(settings.clone()));
    assert_eq!(users.info(&ada.id).await.unwrap(), Some(json!({"location": "x"})));
    let user = serde_json::to_value(users.by_id(&ada.id).await.unwrap().unwrap()).unwrap();
    assert_eq!(user["settings"], settings);
    assert_eq!(user["role"], "admin");
    assert!(user["oauth"].is_null() && user["profile_banner_image_url"].is_null());
}

async fn settings_of_the_server_have_a_version(fixture: Fixture) {
    let settings = fixture.db.settings();
    assert_eq!(settings.all().await.unwrap().version, 0);
    let first =
        settings.put_many(&[("ui.a".into(), json!(true)), ("ui.b".into(), json!(null))]).await.unwrap();
    let second = settings.put_many(&[("ui.a".into(), json!({"x": 1}))]).await.unwrap();
    assert!(second > first && first > 0);
    let all = settings.all().await.unwrap();
    assert_eq!(all.version, second);
    assert_eq!(all.values["ui.a"], json!({"x": 1}));
    assert_eq!(all.values["ui.b"], json!(null));
    let third = settings.remove(&["ui.a".into(), "unknown".into()]).await.unwrap();
    assert_eq!(settings.all().await.unwrap().values.len(), 1);
    let fourth = settings.clear().await.unwrap();
    assert!(fourth > third);
    let all = settings.all().await.unwrap();
    assert!(all.values.is_empty());
    assert_eq!((all.version, settings.version().await.unwrap()), (fourth, fourth));
}
