//! PostgreSQL that freezes, restarts or throws its clients out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use antiphon_storage::{Database, ErrorKind, Role, StartReply};
use sqlx::Connection as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{self, Fixture};

/// A way to the database that can be frozen: connections stay open, nothing passes.
struct Proxy {
    port: u16,
    frozen: Arc<AtomicBool>,
}

impl Proxy {
    async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let frozen = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&frozen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                tokio::spawn(pump(client_read, server_write, Arc::clone(&flag)));
                tokio::spawn(pump(server_read, client_write, Arc::clone(&flag)));
            }
        });
        Self { port, frozen }
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    frozen: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer).await
        && length > 0
    {
        while frozen.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_postgres_is_given_up_in_time_and_found_again() {
    support::with_postgres(frozen).await;
}

async fn frozen(fixture: Fixture) {
    let (before, after) = fixture.options.url.rsplit_once('@').unwrap();
    let (address, name) = after.split_once('/').unwrap();
    let proxy = Proxy::start(address.to_owned()).await;
    let mut options = fixture.options.clone();
    options.url = format!("{before}@127.0.0.1:{}/{name}", proxy.port);
    options.pool_timeout = Duration::from_secs(3);
    let db = Database::open(&options).await.unwrap();
    assert_eq!(db.users().count().await.unwrap(), 0);
    proxy.frozen.store(true, Ordering::Release);
    let begin = Instant::now();
    let outcome = db.ping().await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    proxy.frozen.store(false, Ordering::Release);
    let begin = Instant::now();
    while db.ping().await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "not found again");
    }
    assert_eq!(db.users().count().await.unwrap(), 0);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_postgres_ended_are_replaced_unnoticed() {
    support::with_postgres(ended).await;
}

async fn ended(fixture: Fixture) {
    let name = uuid::Uuid::new_v4().to_string();
    let mut options = fixture.options.clone();
    options.url = format!("{}?application_name={name}", options.url);
    let db = Database::open(&options).await.unwrap();
    let ada = fixture.user("ada").await;
    let users = db.users();
    // Several connections, all of which end.
    futures_util::future::join_all((0..5).map(|_| users.count())).await;
    let mut connection = sqlx::PgConnection::connect(&fixture.options.url).await.unwrap();
    let ended =
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1")
            .bind(&name)
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(!ended.is_empty());
    // Reads and transactions find connections that work, in the same schema.
    assert_eq!(users.count().await.unwrap(), 1);
    db.chats().start_reply(StartReply { user_id: ada.id.clone(), ..StartReply::default() }).await.unwrap();
    users.set_role(&ada.id, Role::Admin).await.unwrap();
    connection.close().await.unwrap();
    db.close().await;
}
