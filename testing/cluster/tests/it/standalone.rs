//! One server.

use crate::LIMIT;
use antiphon_cluster::{Error, Kind, Options, Rig, Server, wait_until};
use std::net::Ipv6Addr;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn starts_and_ends() {
    let begin = Instant::now();
    let rig = Rig::start(Kind::Standalone, false).await.unwrap();
    println!("started in {:?}", begin.elapsed());
    let server = rig.master().await.unwrap();
    assert_eq!(server.admin(&["SET", "greeting", "hello"]).await.unwrap(), "OK");
    assert_eq!(server.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    let (pid, folder) = (server.pid().unwrap(), rig.folder().to_owned());
    server.freeze().unwrap();
    drop(rig);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_restart_without_keep_is_empty() {
    let rig = Rig::with(Options { persistent: true, ..Options::new(Kind::Standalone) }).await.unwrap();
    let server = &rig.servers()[0];
    server.admin(&["SET", "greeting", "hello"]).await.unwrap();
    server.restart(true).await.unwrap();
    assert_eq!(server.admin(&["GET", "greeting"]).await.unwrap(), "hello");
    server.terminate().await.unwrap();
    assert!(matches!(server.admin(&["PING"]).await, Err(Error::NotRunning { .. })));
    server.restart(false).await.unwrap();
    assert_eq!(server.admin(&["DBSIZE"]).await.unwrap(), "0");
}

/// A client's connection, which subscribes when it is told a channel.
async fn client(server: &Server, channel: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv6Addr::LOCALHOST, server.port)).await.unwrap();
    let command = channel.map_or("PING\r\n".to_owned(), |channel| format!("SUBSCRIBE {channel}\r\n"));
    stream.write_all(command.as_bytes()).await.unwrap();
    assert_ne!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    stream
}

#[tokio::test]
async fn counts_clients_without_the_rig_and_replicas() {
    let rig = Rig::with(Options { replicas: 1, ..Options::new(Kind::Standalone) }).await.unwrap();
    let server = rig.master().await.unwrap();
    assert_eq!(server.port, rig.servers()[0].port);
    assert_eq!(server.info("connected_slaves").await.unwrap(), "1");
    assert_eq!(server.connected_clients().await.unwrap(), 0);
    let both = (client(server, None).await, client(server, Some("news")).await);
    assert_eq!(server.connected_clients().await.unwrap(), 2);
    drop(both);
    wait_until("nobody is connected", LIMIT, async || server.connected_clients().await.unwrap() == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn is_heard_by_a_server_that_hears_nobody_else() {
    let rig = Rig::start(Kind::Standalone, false).await.unwrap();
    let server = &rig.servers()[0];
    server.admin(&["CONFIG", "SET", "maxclients", "2"]).await.unwrap();
    let _held = client(server, None).await;
    let mut refused = TcpStream::connect(server.address()).await.unwrap();
    let mut said = String::new();
    refused.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("max number of clients"), "{said}");
    assert_eq!(server.connected_clients().await.unwrap(), 1);
    server.admin(&["CONFIG", "SET", "maxclients", "100"]).await.unwrap();

    // Cut off, it comes again by itself.
    for kind in ["normal", "pubsub"] {
        server.admin(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "no"]).await.unwrap();
        assert_eq!(server.admin(&["PING"]).await.unwrap(), "PONG");
    }
    let failed = server.admin(&["NO-SUCH-COMMAND"]).await.unwrap_err();
    assert!(
        matches!(&failed, Error::Reply { text, .. } if text.starts_with("ERR unknown command")),
        "{failed}"
    );
    server.freeze().unwrap();
    assert!(!server.answers());
    assert!(matches!(server.admin(&["PING"]).await, Err(Error::NotRunning { .. })));
    server.thaw().unwrap();
    assert_eq!(server.admin(&["PING"]).await.unwrap(), "PONG");
}

#[tokio::test]
async fn fails_over_by_hand_and_heals() {
    let rig = Rig::with(Options { replicas: 2, ..Options::new(Kind::Standalone) }).await.unwrap();
    let old = rig.master().await.unwrap();
    let new = rig.fail_over().await.unwrap();
    assert_ne!(new.port, old.port);
    rig.heal().await.unwrap();
    assert_eq!(new.info("connected_slaves").await.unwrap(), "2");
    // A master that comes back is one still, and replicas stay replicas.
    new.restart(true).await.unwrap();
    old.kill().unwrap();
    rig.heal().await.unwrap();
    assert_eq!(rig.master().await.unwrap().port, new.port);
    assert_eq!(old.info("role").await.unwrap(), "slave");
}
