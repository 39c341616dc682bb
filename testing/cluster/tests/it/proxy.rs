//! The proxy: each fault does what it says.

use crate::{LIMIT, start_with};
use antiphon_cluster::{Direction, Kind, Options, Proxy, Rig, wait_until};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long silence is listened to before it is believed.
const SILENCE: Duration = Duration::from_millis(150);

/// A server that tells the test what it has read, and answers every byte with itself.
async fn echo() -> (Proxy, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let (told, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            // A connection that is reset before it is taken comes as an error.
            let Ok((mut stream, _)) = listener.accept().await else { continue };
            let told = told.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    let _ = told.send(bytes[..read].to_vec());
                    if stream.write_all(&bytes[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (proxy, seen)
}

/// Connects, and is reset: while connecting, when the reset comes that early, or when reading.
async fn is_reset(proxy: &Proxy) -> bool {
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await?;
        stream.read(&mut [0; 64]).await
    };
    let read = tokio::time::timeout(LIMIT, exchange).await.expect("an end");
    read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await.unwrap()
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 64];
    let read = tokio::time::timeout(LIMIT, stream.read(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.read(&mut [0; 64])).await.is_err()
}

#[tokio::test]
async fn passes_and_closes() {
    let (proxy, _seen) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut stream).await, "hello");
    assert_eq!(proxy.connections().unwrap(), 1);
    // The half that the client closes is closed for the server, which then closes its own.
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream).await, "");
    drop(stream);
    wait_until("nothing is open", LIMIT, async || proxy.connections().unwrap() == 0).await.unwrap();
}

#[tokio::test]
async fn cut_resets_open_and_new_connections() {
    let (proxy, _seen) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut stream).await, "hello");
    proxy.cut();
    let reset = tokio::time::timeout(LIMIT, stream.read(&mut [0; 64])).await.unwrap();
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(is_reset(&proxy).await);
    proxy.pass();
    let mut third = connect(&proxy).await;
    third.write_all(b"again").await.unwrap();
    assert_eq!(read(&mut third).await, "again");
}

#[tokio::test]
async fn black_hole_is_silent_and_keeps_what_it_held_back() {
    let (proxy, mut seen) = echo().await;
    let mut old = connect(&proxy).await;
    old.write_all(b"1").await.unwrap();
    assert_eq!(read(&mut old).await, "1");
    assert_eq!(seen.recv().await.unwrap(), b"1");
    proxy.black_hole();
    let mut new = connect(&proxy).await;
    old.write_all(b"2").await.unwrap();
    new.write_all(b"3").await.unwrap();
    assert!(is_silent(&mut old).await && is_silent(&mut new).await);
    assert!(seen.try_recv().is_err(), "nothing reached the server");
    assert_eq!(proxy.connections().unwrap(), 2);
    let gone = connect(&proxy).await;
    assert_eq!(proxy.connections().unwrap(), 3);
    drop(gone);
    wait_until("what its client closed does not count", LIMIT, async || proxy.connections().unwrap() == 2)
        .await
        .unwrap();
    proxy.pass();
    assert_eq!((read(&mut old).await, read(&mut new).await), ("2".to_owned(), "3".to_owned()));
}

#[tokio::test]
async fn one_way_passes_one_way() {
    let (proxy, mut seen) = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.one_way(Direction::ToServer);
    stream.write_all(b"1").await.unwrap();
    assert_eq!(tokio::time::timeout(LIMIT, seen.recv()).await.unwrap().unwrap(), b"1");
    assert!(is_silent(&mut stream).await);
    proxy.pass();
    assert_eq!(read(&mut stream).await, "1");

    proxy.one_way(Direction::ToClient);
    stream.write_all(b"2").await.unwrap();
    assert!(tokio::time::timeout(SILENCE, seen.recv()).await.is_err());
    proxy.pass();
    assert_eq!(read(&mut stream).await, "2");
}

#[tokio::test]
async fn delay_is_each_way_and_does_not_reduce_throughput() {
    let (proxy, mut seen) = echo().await;
    let delay = Duration::from_millis(100);
    proxy.delay(delay);
    let mut stream = connect(&proxy).await;
    let begin = Instant::now();
    for part in [b"a", b"b", b"c", b"d"] {
        stream.write_all(part).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answered = String::new();
    while answered.len() < 4 {
        answered += &read(&mut stream).await;
    }
    assert_eq!(answered, "abcd");
    assert!(seen.recv().await.is_some());
    let took = begin.elapsed();
    assert!(took >= 2 * delay, "{took:?}");
    // Eight delays one after the other are what a proxy would take that carries one chunk at a time.
    assert!(took < 8 * delay, "{took:?}");
}

#[tokio::test]
async fn a_dead_target_resets() {
    let (proxy, seen) = echo().await;
    drop(seen);
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = unused.local_addr().unwrap();
    drop(unused);
    drop(proxy);
    let proxy = Proxy::start(target).unwrap();
    assert!(is_reset(&proxy).await);
}

/// Says PING by the port that clients use, without waiting for long.
async fn ping(rig: &Rig, server: usize) -> bool {
    let mut stream = TcpStream::connect(rig.servers()[server].address()).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut bytes = [0; 7];
    matches!(tokio::time::timeout(SILENCE, stream.read(&mut bytes)).await, Ok(Ok(7)) if &bytes == b"+PONG\r\n")
}

#[tokio::test]
async fn a_proxied_master_is_silent_for_clients_only_unless_servers_too() {
    let rig = start_with(Options { proxied: true, ..Options::new(Kind::Sentinel) }).await;
    let old = rig.master().await.unwrap();
    assert_eq!(rig.proxies().count(), 6);
    assert!(ping(&rig, 0).await);
    let proxy = old.proxy().unwrap();
    wait_until("only servers are connected", LIMIT, async || proxy.connections().unwrap() == 0)
        .await
        .unwrap();

    proxy.black_hole();
    assert!(!ping(&rig, 0).await);
    // The link of the replicas lives on, and with it the replication.
    old.admin(&["SET", "greeting", "hello"]).await.unwrap();
    assert_eq!(old.admin(&["WAIT", "2", "5000"]).await.unwrap(), "2");

    proxy.servers_too(true);
    let new = rig.new_master(old, LIMIT).await.unwrap();
    proxy.pass();
    wait_until("the old master follows the new one", LIMIT, async || {
        old.info("role").await.is_ok_and(|role| role == "slave")
            && old.info("master_port").await.is_ok_and(|port| port == new.client_port().to_string())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_proxied_cluster_tells_its_clients_of_the_proxies() {
    for tls in [false, true] {
        let rig = start_with(Options { proxied: true, tls, ..Options::new(Kind::Cluster) }).await;
        let nodes = rig.servers()[0].admin(&["CLUSTER", "NODES"]).await.unwrap();
        for server in rig.servers() {
            let told = |port: u16| nodes.contains(&format!("127.0.0.1:{port}@"));
            assert!(told(server.client_port()) && !told(server.port), "{nodes}");
        }
    }
}
