//! Where a test keeps its data: a folder of its own, and a database of its own.

use super::NodeUnderTest;
use antiphon_storage::{Database, DatabaseOptions};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

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

/// A data folder and a database, both gone after the test. Nodes started in one place share them.
#[derive(Clone)]
pub(crate) struct Place {
    folder: Arc<tempfile::TempDir>,
    /// Variables that name the database.
    database: Vec<(String, String)>,
}

impl Place {
    /// Starts a node here with further variables.
    pub(crate) async fn start(&self, variables: &[(&str, &str)]) -> NodeUnderTest {
        NodeUnderTest::start(self, variables).await
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Opens the database beside the server that uses it, to see what is stored.
    pub(crate) async fn database(&self) -> Database {
        let variable = |name: &str| {
            self.database.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
        };
        let file = || format!("sqlite:///{}", self.folder.path().join("webui.db").display());
        let mut options = DatabaseOptions::new(variable("DATABASE_URL").unwrap_or_else(file));
        options.schema = variable("DATABASE_SCHEMA");
        options.pool_size = Some(1);
        Database::open(&options).await.expect("the database")
    }

    /// The variables that name data folder and database.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = self.database.clone();
        variables.push(("DATA_DIR".to_owned(), self.folder.path().display().to_string()));
        variables
    }
}

/// Runs a test on a SQLite file of its own.
pub(crate) async fn with_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    test(Place { folder, database: Vec::new() }).await;
}

/// Runs a test on a schema of its own of the server that `ANTIPHON_TEST_POSTGRES` names; does nothing without it.
pub(crate) async fn with_postgres<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    #[expect(clippy::disallowed_methods, reason = "tests are told where PostgreSQL is by their caller")]
    let Ok(url) = std::env::var("ANTIPHON_TEST_POSTGRES") else {
        eprintln!("skipped: ANTIPHON_TEST_POSTGRES is not set");
        return;
    };
    let schema = format!("node_{}", uuid::Uuid::new_v4().simple());
    let database = vec![
        ("DATABASE_URL".to_owned(), url.clone()),
        ("DATABASE_SCHEMA".to_owned(), schema.clone()),
        ("DATABASE_POOL_SIZE".to_owned(), "5".to_owned()),
    ];
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let outcome = AssertUnwindSafe(test(Place { folder, database })).catch_unwind().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("PostgreSQL");
    let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
    connection.execute(sqlx::AssertSqlSafe(drop)).await.expect("the schema is dropped");
    connection.close().await.expect("the connection closes");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
