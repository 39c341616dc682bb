//! nginx in front of servers that say who they are.

use crate::LIMIT;
use antiphon_cluster::Balancer;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers every request with its port; an upgrade with 101, and then every line with itself.
async fn server() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut request = String::new();
                while stream.read_line(&mut request).await.is_ok_and(|read| read > 0) {
                    if !request.ends_with("\r\n\r\n") {
                        continue;
                    }
                    let body = port.to_string();
                    let upgrade = request.contains("Upgrade: websocket\r\n") && request.contains("Connection: upgrade\r\n");
                    let answer = if upgrade {
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned()
                    } else {
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    request.clear();
                    if upgrade {
                        while stream.read_line(&mut request).await.is_ok_and(|read| read > 0) {
                            stream.write_all(request.as_bytes()).await.unwrap();
                            request.clear();
                        }
                    }
                }
            });
        }
    };
    (port, tokio::spawn(serving))
}

async fn get(balancer: &Balancer) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, balancer.port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: fleet\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn goes_round_and_leaves_out_who_is_gone() {
    let (first, one) = server().await;
    let (second, _two) = server().await;
    let balancer = Balancer::start(&[first, second]).await.unwrap();
    let mut seen = BTreeMap::new();
    for _ in 0..10 {
        *seen.entry(get(&balancer).await).or_insert(0) += 1;
    }
    assert_eq!(seen, BTreeMap::from([(first.to_string(), 5), (second.to_string(), 5)]), "no stickiness");
    one.abort();
    assert!(one.await.unwrap_err().is_cancelled());
    for _ in 0..4 {
        assert_eq!(get(&balancer).await, second.to_string());
    }
}

#[tokio::test]
async fn passes_websockets() {
    let (port, _server) = server().await;
    let balancer = Balancer::start(&[port]).await.unwrap();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, balancer.port)).await.unwrap();
    let mut stream = BufReader::new(stream);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: fleet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .await
        .unwrap();
    let talk = async {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let mut line = String::new();
        stream.write_all(b"hello\n").await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "hello\n");
    };
    tokio::time::timeout(LIMIT, talk).await.unwrap();
}
