//! A database of its own for each test.

use std::{future::Future, panic::AssertUnwindSafe};

use antiphon_storage::{Chat, Database, DatabaseOptions, NewChat, NewMessage, NewUser, Role, User};
use futures_util::FutureExt as _;
use sqlx::{Connection as _, Executor as _};

/// Makes each named async function of the module a test on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::support::with_sqlite(super::$name).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::support::with_postgres(super::$name).await;
                }
            )*
        }
    };
}
pub(crate) use on_both;

/// A database of one test.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) db: Database,
    pub(crate) options: DatabaseOptions,
}

impl Fixture {
    /// A second handle with connections of its own, as another node has.
    pub(crate) async fn second(&self) -> Database {
        Database::open(&self.options).await.unwrap()
    }

    pub(crate) async fn user(&self, name: &str) -> User {
        self.db.users().create(new_user(name)).await.unwrap().user
    }

    pub(crate) async fn chat(&self, user: &User, title: &str) -> Chat {
        self.db.chats().create(&user.id, NewChat { title: title.into(), ..NewChat::default() }).await.unwrap()
    }

    /// Runs SQL past the crate, to make situations that it never makes itself.
    pub(crate) async fn sql(&self, sql: &'static str) {
        if let Some(path) = self.options.url.strip_prefix("sqlite:///") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.options.url).await.unwrap();
            let schema = self.options.schema.clone().unwrap().replace('"', "\"\"");
            let sql = format!("SET search_path TO \"{schema}\"; {sql}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        id: None,
        name: name.into(),
        email: format!("{name}@example.org"),
        role: Role::User,
        profile_image_url: "/user.png".into(),
        password_hash: format!("hash of {name}"),
    }
}

pub(crate) fn message(id: &str, parent: Option<&str>, role: &str, content: &str) -> NewMessage {
    NewMessage {
        id: id.into(),
        parent_id: parent.map(Into::into),
        role: role.into(),
        content: Some(content.into()),
        ..NewMessage::default()
    }
}

async fn run<F, T>(options: DatabaseOptions, migrate: bool, test: T)
where
    T: FnOnce(Fixture) -> F,
    F: Future<Output = ()>,
{
    let db = Database::open(&options).await.unwrap();
    if migrate {
        db.migrate().await.unwrap();
    }
    test(Fixture { db: db.clone(), options }).await;
    db.close().await;
}

pub(crate) async fn with_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    sqlite(true, test).await;
}

pub(crate) async fn with_postgres<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    postgres(true, test).await;
}

/// A SQLite file of its own.
pub(crate) async fn sqlite<F: Future<Output = ()>>(migrate: bool, test: impl FnOnce(Fixture) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/test.db");
    run(DatabaseOptions::new(format!("sqlite:///{}", path.display())), migrate, test).await;
}

/// A schema of its own on the server that `ANTIPHON_TEST_POSTGRES` names; nothing without it.
pub(crate) async fn postgres<F: Future<Output = ()>>(migrate: bool, test: impl FnOnce(Fixture) -> F) {
    #[expect(clippy::disallowed_methods, reason = "tests are told where PostgreSQL is by their caller")]
    let Ok(url) = std::env::var("ANTIPHON_TEST_POSTGRES") else {
        eprintln!("skipped: ANTIPHON_TEST_POSTGRES is not set");
        return;
    };
    let schema = format!("Test \"{}\"", uuid::Uuid::new_v4());
    let mut options = DatabaseOptions::new(url.as_str());
    options.schema = Some(schema.clone());
    let outcome = AssertUnwindSafe(run(options, migrate, test)).catch_unwind().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let drop = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", schema.replace('"', "\"\""));
    connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
    connection.close().await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
