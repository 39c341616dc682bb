//! Ten thousand malformed, oversized and badly timed frames, and one client that must not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use antiphon_realtime::RealtimeConfig;
use tokio::io::AsyncWriteExt as _;

use crate::fuzz::Random;
use crate::support::{Server, eventually};

const FRAMES: usize = 10_000;
const ATTACKERS: u64 = 6;
/// Frames of one attacker's connection; most do not live that long.
const PER_CONNECTION: usize = 40;

/// A client's websocket frame with zero mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        Ok(medium) => {
            bytes.push(0xFE);
            bytes.extend(medium.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0xFF);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// One hostile frame.
fn hostile(random: &mut Random) -> Vec<u8> {
    const BADLY_TIMED: [&str; 16] = [
        "40",
        "41",
        "43999[]",
        "42[\"echo\",1]",
        "40/other,",
        "41/other,",
        "3",
        "2x",
        "5",
        "6",
        "42/x,[\"a\"]",
        "431[{}]",
        "42[\"panic\"]",
        "421[\"say\",\"victims\",\"noise\"]",
        "42[\"leave\",\"victims\"]",
        "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
    ];
    const MALFORMED: [&str; 10] =
        ["", "x", "4", "42", "42{", "42[\"a", "4999999999999999999999[]", "459999-[]", "0{}", "43[[[[[["];
    match random.below(14) {
        0..8 => frame(0x81, random.pick(&BADLY_TIMED).as_bytes()),
        8 => frame(0x81, random.pick(&MALFORMED).as_bytes()),
        9 => frame(0x82, &random.bytes(40)),
        10 => frame(0x81, &random.mutate(br#"42["echo",{"a":[1,2,3]}]"#)),
        11 => random.bytes(30),
        12 => {
            // Announces more than it sends.
            let mut bytes = vec![0x81, 0xFF];
            bytes.extend((1_u64 << random.below(63)).to_be_bytes());
            bytes.extend([0; 8]);
            bytes
        }
        _ => frame(0x81, format!(r#"42["echo","{}"]"#, "x".repeat(65_530 + random.below(100))).as_bytes()),
    }
}

async fn attack(server: Arc<Server>, seed: u64, sent: Arc<AtomicUsize>) {
    let mut random = Random::new(seed);
    while sent.load(Ordering::Relaxed) < FRAMES {
        let mut client = server.open().await;
        if random.below(4) > 0 {
            client.join_namespace("40").await;
        }
        for _ in 0..PER_CONNECTION {
            let bytes = hostile(&mut random);
            if client.ws.get_mut().write_all(&bytes).await.is_err() {
                break;
            }
            sent.fetch_add(1, Ordering::Relaxed);
            if random.below(8) == 0 {
                // Waits for the server to act, so that later frames meet a closing connection.
                let _ = tokio::time::timeout(Duration::from_millis(2), client.next()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_harm_nobody_else() {
    let config = RealtimeConfig {
        connect_time_limit: Duration::from_secs(2),
        handler_time_limit: Duration::from_secs(2),
        ..RealtimeConfig::default()
    };
    let server = Arc::new(Server::start(config).await);
    let mut victim = server.member("victims").await;
    victim.send(r#"42["login"]"#).await;
    victim.sync().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let attackers: Vec<_> =
        (0..ATTACKERS).map(|seed| tokio::spawn(attack(server.clone(), seed + 1, sent.clone()))).collect();
    // While they go on, every event of the victim is answered, and every event for it arrives, in order.
    let mut rounds = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    while attackers.iter().any(|attacker| !attacker.is_finished()) || rounds < 100 {
        pace.tick().await;
        victim.send(&format!(r#"42["echo",{rounds}]"#)).await;
        server.realtime.to("victims").emit("news", &rounds).await.unwrap();
        let mut missing = vec![format!(r#"42["echo",[{rounds}]]"#), format!(r#"42["news",{rounds}]"#)];
        while !missing.is_empty() {
            let packet = victim.packet().await;
            if packet != r#"42["said","noise"]"# {
                let before = missing.len();
                missing.retain(|expected| *expected != packet);
                assert_eq!(missing.len() + 1, before, "unexpected: {packet}");
            }
        }
        rounds += 1;
    }
    for attacker in attackers {
        attacker.await.unwrap();
    }
    assert!(sent.load(Ordering::Relaxed) >= FRAMES);
    let stats = server.realtime.stats();
    assert!(stats.closed_malformed > 100, "the malformed frames were understood: {stats:?}");
    assert!(stats.closed_limits > 50, "the oversized frames were taken: {stats:?}");
    assert_eq!(server.realtime.members("victims"), [victim.sid.clone()], "nobody was put out of the room");
    eventually("all but the victim are gone", || {
        let stats = server.realtime.stats();
        (stats.connections, stats.sockets, stats.rooms, stats.queued_bytes, stats.pending_acks)
            == (1, 1, 1, 0, 0)
    })
    .await;
}
