//! Live replies that are read on another node than the one that writes them.

use antiphon_cluster::{Kind, Rig, wait_until};
use antiphon_state::reply_log::{Epoch, Read, ReplyKey, ReplyWriter, Snapshot};
use antiphon_state::{Clock, ReplyLogs};

use super::support::{Node, USUAL, pair};
use crate::redis::support::LIMIT;

fn logs(node: &Node) -> ReplyLogs {
    ReplyLogs::fleet(Clock::system(), &node.exchange, &node.bus, None)
}

fn key() -> ReplyKey {
    ReplyKey::new("chat", "message")
}

/// Appends a piece and tells it, as a reply does.
async fn tell(node: &Node, writer: &ReplyWriter, text: &str) {
    writer.append(format!("<{text}>").into_bytes().into(), text).await.expect("appended");
    node.realtime.to("user:ada").emit("delta", text).await.expect("sent");
}

/// Waits until a node reads a log as `wanted`.
async fn until_read(logs: &ReplyLogs, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let as_wanted = async || logs.snapshot(&key()).await.is_some_and(|seen| wanted(&seen));
    wait_until(what, LIMIT, as_wanted).await.expect("in time");
    logs.snapshot(&key()).await.expect("a snapshot")
}

fn joined(seen: &Snapshot) -> String {
    seen.entries.iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect()
}

async fn a_late_reader_has_the_text_and_then_the_rest(kind: Kind) {
    let rig = Rig::steady(kind, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let (of_a, of_b) = (logs(&a), logs(&b));
    assert_eq!(of_b.snapshot(&key()).await, None);
    let mut client = b.member("user:ada").await;
    let writer = of_a.open(key(), "").await.expect("opened");
    for text in ["one ", "tw\u{f6} ", "three "] {
        tell(&a, &writer, text).await;
    }
    // Whoever has heard an event finds its entry in the log.
    client.until(r#"42["delta","three "]"#).await;
    let seen = of_b.snapshot(&key()).await.expect("it is there before its event");
    assert_eq!(seen, of_a.snapshot(&key()).await.expect("here"), "both nodes read the same");
    assert_eq!(
        (seen.text.as_str(), seen.offset, joined(&seen).as_str()),
        ("one tw\u{f6} three ", 3, "<one ><tw\u{f6} ><three >")
    );
    // With a state the entries before it are not needed.
    writer.put_state("{state}".into()).await.expect("put");
    tell(&a, &writer, "four").await;
    client.until(r#"42["delta","four"]"#).await;
    let later = of_b.snapshot(&key()).await.expect("there");
    assert_eq!(later, of_a.snapshot(&key()).await.expect("here"));
    assert_eq!(joined(&later), "<four>");
    let Some(Read::Entries { entries, next, .. }) = of_b.read_from(&key(), seen.epoch, 3).await else {
        panic!("what follows is there")
    };
    assert_eq!((entries.len(), next), (1, 4));
    for (epoch, offset) in [(seen.epoch, 1), (seen.epoch, 9), (Epoch(1), 3)] {
        assert!(matches!(of_b.read_from(&key(), epoch, offset).await, Some(Read::Resync(_))));
    }
    writer.finish().await.expect("finished");
    until_read(&of_b, "the end is seen", |seen| seen.finished).await;
    // The same answer is written anew, by the other node.
    let again = of_b.open(key(), "").await.expect("opened");
    tell(&b, &again, "anew").await;
    let anew = until_read(&of_a, "the new text is seen", |seen| seen.text == "anew").await;
    assert!(!anew.finished && anew.epoch > seen.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reader_on_another_node_has_the_text_and_then_the_rest() {
    a_late_reader_has_the_text_and_then_the_rest(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reader_on_another_node_of_a_cluster_has_the_text_and_then_the_rest() {
    a_late_reader_has_the_text_and_then_the_rest(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_and_its_event_are_one_command() {
    const ENTRIES: u64 = 500;
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let mut client = b.member("user:ada").await;
    let writer = logs(&a).open(key(), "").await.expect("opened");
    let before = a.bus.totals();
    for number in 0..ENTRIES {
        tell(&a, &writer, &format!("{number} ")).await;
        if number % 10 == 0 {
            // So that the entries come in batches of many sizes.
            tokio::task::yield_now().await;
        }
    }
    client.until(&format!(r#"42["delta","{} "]"#, ENTRIES - 1)).await;
    let told = async || a.bus.totals().published == before.published + ENTRIES;
    wait_until("all is published", LIMIT, told).await.expect("in time");
    let commands = a.bus.totals().commands - before.commands;
    // The beginning of the log is one; a batch can end between an entry and its event, so a few may be apart.
    assert!(commands <= ENTRIES + 1 + ENTRIES / 50, "{commands} commands for {ENTRIES} entries");
    let stats = rig.servers()[0].admin(&["INFO", "commandstats"]).await.expect("counts");
    let calls = |command: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    assert_eq!(calls("rpushx"), ENTRIES);
    let renewed = calls("expire");
    assert!((1..ENTRIES / 10).contains(&renewed), "the lifetime was renewed {renewed} times");
    let ttl = rig.servers()[0].admin(&["KEYS", "*antiphon*"]).await.expect("keys");
    for key in ttl.lines() {
        let left: i64 =
            rig.servers()[0].admin(&["TTL", key]).await.expect("a time").parse().expect("a number");
        assert!(left > 0, "{key} has no end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_redis_lost_is_written_anew() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let (of_a, of_b) = (logs(&a), logs(&b));
    let writer = of_a.open(key(), "").await.expect("opened");
    tell(&a, &writer, "lost ").await;
    until_read(&of_b, "the text is there", |seen| seen.text == "lost ").await;
    rig.servers()[0].admin(&["FLUSHALL"]).await.expect("flushed");
    assert_eq!(of_b.snapshot(&key()).await, None, "the chat shows what is stored");
    let mut expected = "lost ".to_owned();
    let grown = async || {
        tell(&a, &writer, "x").await;
        of_b.snapshot(&key()).await.is_some_and(|seen| seen.text.starts_with("lost x"))
    };
    wait_until("the log is there again", LIMIT, grown).await.expect("in time");
    expected.clone_from(&of_a.snapshot(&key()).await.expect("here").text);
    until_read(&of_b, "nothing is missing", |seen| seen.text == expected).await;
    // Without Redis a reader is not held up for long.
    rig.servers()[0].freeze().expect("frozen");
    let begin = std::time::Instant::now();
    assert_eq!(of_b.snapshot(&key()).await, None);
    assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(of_a.snapshot(&key()).await.is_some());
    rig.servers()[0].thaw().expect("thawed");
}
