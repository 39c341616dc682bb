//! Sockets that send nonsense harm nobody else.

use crate::support::chat::{Question, said, start};
use crate::support::provider::Provider;
use crate::support::script::tokens;
use crate::support::{Place, Site, dial, on_both, text};
use futures_util::SinkExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;

on_both!(ten_thousand_hostile_frames_harm_nobody_else);

/// Frames that are sent in all.
const FRAMES: usize = 10_000;

/// Sockets that send them at the same time.
const ATTACKERS: u64 = 8;

/// A small generator of numbers that look like chance, the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// What an attacker sends next.
enum Frame {
    Text(String),
    Binary(Vec<u8>),
    /// Bytes past the websocket layer.
    Raw(Vec<u8>),
}

const BROKEN: [&str; 16] = [
    "",
    "x",
    "4",
    "42",
    "42{",
    "42[",
    "42[\"a",
    "42[]",
    "42[7]",
    "42[null,{}]",
    "4999999999999999999999[]",
    "459999-[]",
    "0{}",
    "43[[[[[[",
    "42[\"events:chat\",{\"chat_id\":",
    "42/,[\"x\"]",
];

const BADLY_TIMED: [&str; 14] = [
    "40",
    "40{}",
    "41",
    "43999[]",
    "3",
    "2",
    "2x",
    "5",
    "6",
    "40/other,",
    "41/other,",
    "42/x,[\"a\"]",
    "431[{}]",
    "451-[\"usage\",{\"_placeholder\":true,\"num\":0}]",
];

const NAMES: [&str; 8] = [
    "user-join",
    "heartbeat",
    "usage",
    "events:chat",
    "events:channel",
    "join-channels",
    "join-note",
    "ydoc:document:join",
];

fn frame(chance: &mut Chance, victim: &str) -> Frame {
    let values = [
        "null",
        "7",
        "\"text\"",
        "[]",
        "{}",
        "[[[]]]",
        "{\"auth\":{\"token\":\"x\"}}",
        "1e999",
        "{\"auth\":7}",
    ];
    match chance.below(12) {
        0..3 => Frame::Text(chance.pick(&BROKEN).to_owned()),
        3 | 4 => Frame::Text(chance.pick(&BADLY_TIMED).to_owned()),
        5 | 6 => Frame::Text(format!("42[\"{}\",{}]", chance.pick(&NAMES), chance.pick(&values))),
        7 => {
            let kind = chance.pick(&["join", "leave", "typing", "last_read_at", "dance"]);
            Frame::Text(format!(
                "42{}[\"events:chat\",{{\"chat_id\":\"{victim}\",\"data\":{{\"type\":\"{kind}\"}}}}]",
                chance.below(9)
            ))
        }
        8 => Frame::Text(format!("42[\"usage\",\"{}\"]", "x".repeat(60_000 + chance.below(10_000)))),
        9 => Frame::Binary((0..chance.below(64)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect()),
        10 => Frame::Text(format!("42{}", "[".repeat(1 + chance.below(5_000)))),
        // A frame that announces more than will ever come.
        _ => Frame::Raw(
            [vec![0x81, 0xFF], (1_u64 << chance.below(63)).to_be_bytes().to_vec(), vec![0; 8]].concat(),
        ),
    }
}

/// Sends hostile frames over one connection after the other until all are sent.
async fn attack(base: String, token: Option<String>, victim: String, seed: u64, sent: Arc<AtomicUsize>) {
    let mut chance = Chance(seed);
    while sent.load(Ordering::Relaxed) < FRAMES {
        let Ok(mut wire) = dial(&base).await else { continue };
        let auth =
            token.as_ref().map_or_else(|| "{}".to_owned(), |token| json!({ "token": token }).to_string());
        // Some begin before they may, some connect as they should.
        if text(&mut wire).await.is_none()
            || (chance.below(4) > 0 && wire.send(Message::text(format!("40{auth}"))).await.is_err())
        {
            continue;
        }
        for _ in 0..=chance.below(60) {
            let outcome = match frame(&mut chance, &victim) {
                Frame::Text(text) => wire.send(Message::text(text)).await.map_err(drop),
                Frame::Binary(bytes) => wire.send(Message::binary(bytes)).await.map_err(drop),
                Frame::Raw(bytes) => wire.get_mut().write_all(&bytes).await.map_err(drop),
            };
            sent.fetch_add(1, Ordering::Relaxed);
            if outcome.is_err() {
                break;
            }
        }
    }
}

async fn ten_thousand_hostile_frames_harm_nobody_else(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let site: &Site = &node;
    let ada = site.sign_up("Ada").await;
    let mallory = site.add(&ada, "Mallory", "user").await;
    let socket = ada.connect(site).await;
    let asked = Question::new("[[tokens=400 hold=200 delay=1]]").ask(&ada, &socket).await;
    socket.chat(&asked.chat_id, "join").await;
    let document = ada.document(&asked.chat_id).await;
    socket.said(asked.answer(), &tokens(200)).await;

    let sent = Arc::new(AtomicUsize::new(0));
    let attackers: Vec<_> = (1..=ATTACKERS)
        .map(|seed| {
            // Half of them are nobody, half have an account of their own.
            let token = (seed % 2 == 0).then(|| mallory.token.clone());
            let attack =
                attack(site.base().to_owned(), token, asked.chat_id.clone(), seed * 7919, sent.clone());
            tokio::spawn(attack)
        })
        .collect();
    provider.release();
    let mut beats = 0_u32;
    while beats == 0 || attackers.iter().any(|attacker| !attacker.is_finished()) {
        // Who behaves is served all the while.
        assert_eq!(socket.chat(&asked.chat_id, "join").await, true);
        assert_eq!(site.client().get("/health").await.expect(200)["status"], true);
        beats += 1;
    }
    for attacker in attackers {
        attacker.await.expect("the attacker ends");
    }
    assert!(sent.load(Ordering::Relaxed) >= FRAMES);

    let heard = socket.end_of_turn(&asked.chat_id, 1).await;
    assert_eq!(said(&heard, asked.answer()), tokens(400));
    assert!(!socket.is_closed());
    assert!(!heard.iter().any(|event| event.kind == "typing"), "nobody else types in this chat");
    let after = ada.document(&asked.chat_id).await;
    assert_eq!(after["title"], document["title"]);
    assert_eq!(after["chat"]["history"]["messages"][asked.answer()]["content"], tokens(400));
    // The attackers' own account is no worse off either.
    let mallorys = mallory.connect(site).await;
    mallorys.sync().await;
    let next = Question::after(&asked, "still there?").ask(&ada, &socket).await;
    let heard = socket.end_of_turn(&asked.chat_id, 2).await;
    assert_eq!(said(&heard, next.answer()), "Echo: still there?");
    node.stop().await;
}
