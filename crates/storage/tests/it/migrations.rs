//! Bringing databases to the version of the program.

use antiphon_storage::{Database, ErrorKind, StorageError};
use futures_util::future::join_all;

use crate::support::{self, Fixture, on_both};

on_both!(
    a_second_run_changes_nothing,
    a_database_that_was_extended_is_accepted,
    a_contracted_database_is_refused,
    an_edited_migration_is_refused,
    a_database_of_another_program_is_left_as_it_is
);

async fn a_second_run_changes_nothing(fixture: Fixture) {
    let report = fixture.db.migrate().await.unwrap();
    assert!(report.applied.is_empty() && report.ahead.is_empty(), "{report:?}");
    assert_eq!(fixture.db.check_migrations().await.unwrap(), report);
}

async fn a_database_that_was_extended_is_accepted(fixture: Fixture) {
    fixture
        .sql("INSERT INTO schema_migrations (version, name, kind, checksum, applied_at) VALUES (9001, '9001_later', 'expand', 'x', 1)")
        .await;
    let report = fixture.db.check_migrations().await.unwrap();
    assert_eq!(report.ahead, ["9001_later"]);
    assert_eq!(report.version, 9001);
    assert_eq!(fixture.db.migrate().await.unwrap().ahead, ["9001_later"]);
}

async fn a_contracted_database_is_refused(fixture: Fixture) {
    fixture
        .sql("INSERT INTO schema_migrations (version, name, kind, checksum, applied_at) VALUES (9001, '9001_later', 'contract', 'x', 1)")
        .await;
    for outcome in [fixture.db.check_migrations().await, fixture.db.migrate().await] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StorageError::DatabaseTooNew { .. }), "{error:?}");
        assert!(error.to_string().contains("9001_later"), "{error}");
    }
}

async fn an_edited_migration_is_refused(fixture: Fixture) {
    fixture.sql("UPDATE schema_migrations SET checksum = 'other' WHERE version = 2").await;
    let error = fixture.db.check_migrations().await.unwrap_err();
    assert!(matches!(error, StorageError::MigrationChanged { .. }), "{error:?}");
}

async fn a_database_of_another_program_is_left_as_it_is(fixture: Fixture) {
    fixture.sql("DROP TABLE schema_migrations; CREATE TABLE alembic_version (version_num TEXT)").await;
    for outcome in [fixture.db.check_migrations().await, fixture.db.migrate().await] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StorageError::ForeignDatabase { .. }), "{error:?}");
        assert!(error.to_string().contains("DATABASE_URL"), "{error}");
    }
    // Nothing was made there: the names are still free.
    fixture.sql("CREATE TABLE schema_migrations (word TEXT)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checking_an_empty_sqlite_says_what_is_missing() {
    support::sqlite(false, checking_says_what_is_missing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checking_an_empty_postgres_says_what_is_missing() {
    support::postgres(false, checking_says_what_is_missing).await;
}

async fn checking_says_what_is_missing(fixture: Fixture) {
    let error = fixture.db.check_migrations().await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("0001_accounts") && message.contains("antiphon migrate"), "{message}");
    // Nothing was made by looking.
    assert!(matches!(error, StorageError::MigrationsMissing { found: 0, .. }));
    assert!(fixture.db.check_migrations().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_migrate_one_sqlite_at_once() {
    support::sqlite(false, ten_nodes_migrate_at_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_migrate_one_postgres_at_once() {
    support::postgres(false, ten_nodes_migrate_at_once).await;
}

async fn ten_nodes_migrate_at_once(fixture: Fixture) {
    let nodes = join_all((0..10).map(|_| {
        let options = fixture.options.clone();
        tokio::spawn(async move {
            let db = Database::open(&options).await.unwrap();
            let report = db.migrate().await.unwrap();
            db.check_migrations().await.unwrap();
            db.close().await;
            report
        })
    }))
    .await;
    let applied: Vec<usize> = nodes.into_iter().map(|node| node.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
}

#[tokio::test]
async fn an_unreachable_server_is_told_at_once_and_without_the_password() {
    let mut options =
        antiphon_storage::DatabaseOptions::new("postgresql://someone:hidden@127.0.0.1:1/nothing");
    options.pool_timeout = std::time::Duration::from_secs(2);
    let error = Database::open(&options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hidden"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let options = antiphon_storage::DatabaseOptions::new(format!("sqlite:///{}/x/y.db", file.display()));
    let message = Database::open(&options).await.unwrap_err().to_string();
    assert!(message.contains("file/x"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_without_the_write_ahead_log_works_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut options =
        antiphon_storage::DatabaseOptions::new(format!("sqlite:///{}/j.db", folder.path().display()));
    options.sqlite.wal = false;
    let db = Database::open(&options).await.unwrap();
    db.migrate().await.unwrap();
    db.users().create(support::new_user("ada")).await.unwrap();
    assert_eq!(db.users().count().await.unwrap(), 1);
    assert!(!folder.path().join("j.db-wal").exists());
    db.close().await;
}
