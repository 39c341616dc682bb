//! Each failure is there when it was inflicted, and gone when it was ended.

use crate::{LIMIT, start_with};
use antiphon_cluster::{Failure, Kind, Options, Rig, Server, wait_until};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server that says nothing for so long is silent.
const SILENCE: Duration = Duration::from_millis(150);

/// The slot of this key is the one that failures hit.
const KEY: &str = "open-webui";

/// A connection as clients have it.
struct Client(TcpStream);

impl Client {
    async fn to(server: &Server) -> Self {
        Self(TcpStream::connect(server.address()).await.unwrap())
    }

    /// The reply to a command, `closed`, or `silent`.
    async fn say(&mut self, command: &str) -> String {
        if self.0.write_all(format!("{command}\r\n").as_bytes()).await.is_err() {
            return "closed".to_owned();
        }
        self.hear(SILENCE).await
    }

    async fn hear(&mut self, limit: Duration) -> String {
        let mut bytes = [0; 256];
        match tokio::time::timeout(limit, self.0.read(&mut bytes)).await {
            Err(_) => "silent".to_owned(),
            Ok(Ok(read @ 1..)) => String::from_utf8_lossy(&bytes[..read]).trim_end().to_owned(),
            Ok(_) => "closed".to_owned(),
        }
    }
}

/// What clients of the server that was hit see.
async fn check(rig: &Rig, failure: Failure, server: &Server, mut old: Client, mut subscriber: Client) {
    let write = format!("SET {KEY} 1");
    match failure {
        Failure::MasterKilled => {
            assert_eq!(old.say("PING").await, "closed");
            assert_eq!(server.pid(), None);
        }
        Failure::MasterFrozen | Failure::NetworkSilent => {
            assert_eq!(old.say("PING").await, "silent");
            assert_eq!(Client::to(server).await.say("PING").await, "silent");
        }
        Failure::FirstSentinelKilled => assert_eq!(rig.sentinels()[0].pid(), None),
        Failure::FirstSentinelFrozen => assert!(!rig.sentinels()[0].answers()),
        Failure::SentinelsKilled => assert!(rig.sentinels().iter().all(|sentinel| sentinel.pid().is_none())),
        Failure::Promoted => assert_eq!(Client::to(server).await.say(&write).await, "+OK"),
        Failure::SlotMoved => assert!(old.say(&write).await.starts_with("-MOVED")),
        Failure::RestartedEmpty => {
            assert_eq!(old.say("PING").await, "closed");
            assert_eq!(Client::to(server).await.say("DBSIZE").await, ":0");
        }
        Failure::SubscribersKilled => {
            assert_eq!(subscriber.hear(LIMIT).await, "closed");
            assert_eq!(old.say("PING").await, "+PONG");
        }
        Failure::ClientsKilled => {
            assert_eq!(old.hear(LIMIT).await, "closed");
            assert_eq!(subscriber.hear(SILENCE).await, "silent");
        }
        Failure::Paused | Failure::NetworkOneWay(_) => assert_eq!(old.say("PING").await, "silent"),
        Failure::IdleTimeout | Failure::NetworkCut => assert_eq!(old.hear(LIMIT).await, "closed"),
        Failure::ClientsRefused => {
            assert_eq!(
                (old.hear(LIMIT).await, subscriber.hear(LIMIT).await),
                ("closed".into(), "closed".into())
            );
            let refused = Client::to(server).await.hear(LIMIT).await;
            assert!(refused.starts_with("-ERR max number of clients "), "{refused}");
        }
        Failure::OutOfMemory => assert!(old.say(&write).await.starts_with("-OOM")),
        Failure::Eviction => assert_eq!(old.say(&write).await, "+OK"),
        Failure::NetworkSlow => {
            assert_eq!(old.say("PING").await, "silent");
            assert_eq!(old.hear(LIMIT).await, "+PONG");
        }
    }
}

async fn inflicts_and_ends_all(kind: Kind) {
    let rig = start_with(Options { proxied: true, ..Options::new(kind) }).await;
    for failure in Failure::of(rig.options()) {
        let master = rig.owner_or_master().await;
        let (mut client, mut subscriber) = (Client::to(master).await, Client::to(master).await);
        assert_eq!(client.say(&format!("SET {KEY} 1")).await, "+OK", "before '{failure}'");
        assert!(subscriber.say("SUBSCRIBE news").await.contains("subscribe"));
        let broken = rig.inflict(failure).await.unwrap();
        check(&rig, failure, broken.master(), client, subscriber).await;
        broken.end().await.unwrap_or_else(|error| panic!("'{failure}' does not end: {error}"));
        // Whatever it was, somebody takes writes now, and goes on to do so.
        wait_until(&format!("a write after '{failure}'"), LIMIT, async || {
            let master = rig.owner_or_master().await;
            Client::to(master).await.say(&format!("SET {KEY} 1")).await == "+OK"
        })
        .await
        .unwrap();
        rig.heal().await.unwrap_or_else(|error| panic!("'{failure}' does not heal: {error}"));
        println!("{kind:?}: {failure}");
    }
}

trait OwnerOrMaster {
    async fn owner_or_master(&self) -> &Server;
}

impl OwnerOrMaster for Rig {
    async fn owner_or_master(&self) -> &Server {
        let found =
            if self.options().kind == Kind::Cluster { self.owner(KEY).await } else { self.master().await };
        found.expect("somebody takes writes")
    }
}

#[tokio::test]
async fn are_there_and_then_gone() {
    tokio::join!(
        inflicts_and_ends_all(Kind::Standalone),
        inflicts_and_ends_all(Kind::Sentinel),
        inflicts_and_ends_all(Kind::Cluster),
    );
}

#[tokio::test]
async fn need_what_they_break() {
    let rig = start_with(Options::new(Kind::Standalone)).await;
    for failure in [Failure::NetworkCut, Failure::FirstSentinelFrozen, Failure::SlotMoved, Failure::Promoted]
    {
        assert!(rig.inflict(failure).await.is_err(), "{failure}");
    }
    assert_eq!(rig.master().await.unwrap().admin(&["PING"]).await.unwrap(), "PONG");
}
