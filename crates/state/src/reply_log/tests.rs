use super::*;

fn logs() -> (ReplyLogs, Clock) {
    let clock = Clock::manual(1_800_000_000);
    (ReplyLogs::new(clock.clone()), clock)
}

fn key() -> ReplyKey {
    ReplyKey::new("chat", "message")
}

async fn append(writer: &ReplyWriter, text: &str) -> u64 {
    writer.append(Bytes::from(format!("<{text}>")), text).await.unwrap().offset
}

fn joined(entries: &[Entry]) -> String {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect()
}

#[tokio::test]
async fn a_reload_gets_the_text_so_far_and_then_the_rest() {
    let (logs, _) = logs();
    let writer = logs.open(key(), "").await.unwrap();
    assert_eq!(append(&writer, "one ").await, 0);
    assert_eq!(append(&writer, "two ").await, 1);
    let seen = logs.snapshot(&key()).await.unwrap();
    assert_eq!((seen.text.as_str(), seen.offset, seen.finished), ("one two ", 2, false));
    assert_eq!(joined(&seen.entries), "<one ><two >");
    append(&writer, "three").await;
    writer.finish().await.unwrap();
    let Some(Read::Entries { entries, next, finished }) =
        logs.read_from(&key(), seen.epoch, seen.offset).await
    else {
        panic!("the entries are there");
    };
    assert_eq!((joined(&entries).as_str(), entries[0].offset, next, finished), ("<three>", 2, 3, true));
    assert_eq!(logs.text(&key()).await.unwrap(), "one two three");
}

#[tokio::test]
async fn another_epoch_or_an_offset_from_nowhere_leads_to_a_snapshot() {
    let (logs, _) = logs();
    let first = logs.open(key(), "").await.unwrap();
    append(&first, "lost ").await;
    let second = logs.open(key(), "kept ").await.unwrap();
    assert!(second.epoch() > first.epoch());
    assert_eq!(first.append(Bytes::from_static(b"x"), "x").await, Err(StateError::ReplyTakenOver));
    append(&second, "more").await;
    let Some(Read::Resync(snapshot)) = logs.read_from(&key(), first.epoch(), 1).await else {
        panic!("no resync")
    };
    assert_eq!((snapshot.text.as_str(), snapshot.epoch), ("kept more", second.epoch()));
    assert!(matches!(logs.read_from(&key(), second.epoch(), 2).await, Some(Read::Resync(_))));
    assert!(matches!(logs.read_from(&key(), second.epoch(), 1).await, Some(Read::Entries { .. })));
    assert_eq!(logs.read_from(&ReplyKey::new("chat", "other"), second.epoch(), 0).await, None);
}

#[tokio::test]
async fn a_state_spares_the_reader_the_entries_before_it() {
    let (logs, _) = logs();
    let writer = logs.open(key(), "").await.unwrap();
    append(&writer, "a").await;
    writer.put_state(Bytes::from_static(b"{state}")).await.unwrap();
    append(&writer, "b").await;
    let snapshot = logs.snapshot(&key()).await.unwrap();
    assert_eq!(snapshot.state, Some(State { offset: 1, data: Bytes::from_static(b"{state}") }));
    assert_eq!(joined(&snapshot.entries), "<b>");
    // Somebody who only missed a moment still gets every delta.
    let Some(Read::Entries { entries, .. }) = logs.read_from(&key(), writer.epoch(), 0).await else {
        panic!("the entries are there");
    };
    assert_eq!(joined(&entries), "<a><b>");
}

#[tokio::test]
async fn a_state_is_asked_for_when_the_entries_outgrow_the_last_one() {
    let (logs, _) = logs();
    let writer = logs.open(key(), "").await.unwrap();
    let piece = Bytes::from(vec![b'x'; MIN_BYTES_BETWEEN_STATES]);
    assert!(!writer.append(piece.clone(), "").await.unwrap().wants_state);
    assert!(writer.append(piece.clone(), "").await.unwrap().wants_state);
    writer.put_state(Bytes::from(vec![b'y'; 2 * MIN_BYTES_BETWEEN_STATES])).await.unwrap();
    assert!(!writer.append(piece.clone(), "").await.unwrap().wants_state);
    assert!(!writer.append(piece.clone(), "").await.unwrap().wants_state);
    assert!(writer.append(piece, "").await.unwrap().wants_state);
}

#[tokio::test]
async fn old_entries_go_and_the_text_stays_when_a_reply_is_long() {
    let (logs, _) = logs();
    let writer = logs.open(key(), "").await.unwrap();
    writer.put_state(Bytes::from_static(b"old")).await.unwrap();
    let piece = Bytes::from(vec![b'x'; MAX_ENTRY_BYTES]);
    for _ in 0..5 {
        writer.append(piece.clone(), "z").await.unwrap();
    }
    let snapshot = logs.snapshot(&key()).await.unwrap();
    assert_eq!((snapshot.text.as_str(), snapshot.offset), ("zzzzz", 5));
    assert_eq!(snapshot.state, None, "a state whose following entries are gone is of no use");
    assert_eq!(snapshot.entries.first().map(|entry| entry.offset), Some(1));
    assert!(matches!(logs.read_from(&key(), writer.epoch(), 0).await, Some(Read::Resync(_))));
    assert!(logs.bytes() <= MAX_LOG_BYTES + "zzzzz".len());
}

#[tokio::test]
async fn one_entry_and_the_whole_text_are_limited() {
    let (logs, _) = logs();
    let writer = logs.open(key(), &"x".repeat(MAX_TEXT_BYTES)).await.unwrap();
    let too_large = Bytes::from(vec![0; MAX_ENTRY_BYTES + 1]);
    assert_eq!(writer.append(too_large, "").await, Err(StateError::ReplyTooLarge { limit: MAX_ENTRY_BYTES }));
    let one_more = writer.append(Bytes::from_static(b"x"), "x").await;
    assert_eq!(one_more, Err(StateError::ReplyTooLarge { limit: MAX_TEXT_BYTES }));
    assert_eq!(logs.snapshot(&key()).await.unwrap().offset, 0);
}

#[tokio::test]
async fn the_node_limit_is_kept_by_the_reply_that_grows() {
    let logs = ReplyLogs::with_node_limit(Clock::manual(1), 100);
    let one = logs.open(ReplyKey::new("c", "1"), "").await.unwrap();
    let two = logs.open(ReplyKey::new("c", "2"), "").await.unwrap();
    one.append(Bytes::from(vec![0; 60]), "").await.unwrap();
    for _ in 0..10 {
        two.append(Bytes::from(vec![0; 20]), "t").await.unwrap();
        assert!(logs.bytes() <= 100);
    }
    assert_eq!(logs.snapshot(one.key()).await.unwrap().entries.len(), 1);
    let snapshot = logs.snapshot(two.key()).await.unwrap();
    assert_eq!((snapshot.entries.len(), snapshot.offset, snapshot.text.len()), (1, 10, 10));
}

#[tokio::test]
async fn a_full_node_refuses_a_reply_that_has_nothing_left_to_let_go() {
    let logs = ReplyLogs::with_node_limit(Clock::manual(1), 100);
    let one = logs.open(ReplyKey::new("c", "1"), &"x".repeat(100)).await.unwrap();
    let refused = one.append(Bytes::from_static(b"e"), "t").await;
    assert_eq!(refused, Err(StateError::RepliesTooLarge { limit: 100 }));
    assert!(logs.remove(one.key()).await);
    assert_eq!(logs.bytes(), 0);
}

#[tokio::test]
async fn finished_and_abandoned_replies_are_purged_and_their_bytes_freed() {
    let (logs, clock) = logs();
    let finished = logs.open(ReplyKey::new("c", "finished"), "").await.unwrap();
    let live = logs.open(ReplyKey::new("c", "live"), "").await.unwrap();
    append(&finished, "text").await;
    append(&live, "text").await;
    finished.finish().await.unwrap();
    assert_eq!(logs.purge(), 0);
    clock.advance(FINISHED_FOR);
    assert_eq!(logs.purge(), 1);
    assert_eq!((logs.len(), logs.bytes()), (1, "<text>text".len()));
    clock.advance(ABANDONED_AFTER);
    assert_eq!(logs.purge(), 1);
    assert_eq!(live.append(Bytes::from_static(b"x"), "").await, Err(StateError::ReplyTakenOver));
    assert_eq!(logs.bytes(), 0);
}

#[tokio::test]
async fn a_removed_reply_refuses_its_writer() {
    let (logs, _) = logs();
    let writer = logs.open(key(), "").await.unwrap();
    append(&writer, "text").await;
    assert!(logs.remove(&key()).await);
    assert!(!logs.remove(&key()).await);
    assert_eq!(writer.finish().await, Err(StateError::ReplyTakenOver));
    assert!(logs.is_empty());
    assert_eq!(logs.bytes(), 0);
}

#[tokio::test]
async fn epochs_grow_within_one_millisecond() {
    let (logs, _) = logs();
    let mut last = Epoch(0);
    for _ in 0..3000 {
        let epoch = logs.open(key(), "").await.unwrap().epoch();
        assert!(epoch > last && epoch.0 < 1 << 53);
        last = epoch;
    }
}
