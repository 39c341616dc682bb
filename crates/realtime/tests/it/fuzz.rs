//! Deterministic fuzzing of the parsers: valid input, mutated. `fuzz/` has the same for `cargo fuzz`.

use antiphon_realtime::BusMessage;
use antiphon_realtime::frame::FrameReader;
use antiphon_realtime::packet::{self, Assembly, AttachmentLimits, Body, EnginePacket};

/// A small generator of random numbers (xorshift64*), the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.byte()).collect()
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Changes a few bytes: other values, gaps, repetitions, a cut.
    pub(crate) fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"0123456789[]{}\",:-/\\ \x1eb_\xC3\xFF\x00etrunl";
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.byte(),
                1 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                3 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                4 => bytes.truncate(at),
                _ => {
                    let end = at + self.below(bytes.len() - at + 1);
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }
}

const PACKETS: [&str; 14] = [
    "40",
    r#"40{"token":"abc"}"#,
    "40/admin,",
    "41",
    r#"42["user-join",{"auth":{"token":"x"}}]"#,
    r#"4212["events:channel",{"channel_id":"c","data":{"type":"typing","data":{"typing":true}}}]"#,
    r#"42/x,7["a",null,1.5e3,"\u00e9\n",[[],{}]]"#,
    r#"4312[{"ok":1},"second"]"#,
    r#"452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
    r#"461-3[{"_placeholder":true,"num":0}]"#,
    "2probe",
    "3",
    "6",
    r#"44{"message":"no"}"#,
];

const LIMITS: AttachmentLimits = AttachmentLimits { count: 4, bytes: 64 };

fn check_packet(text: &str) {
    let Ok(EnginePacket::Message(text)) = packet::decode_engine(text.to_owned()) else { return };
    let Ok(decoded) = packet::decode(text) else { return };
    if let Body::Event { name, arguments, id } = &decoded.body {
        // What is understood can be said again, and means the same.
        let values: Vec<serde_json::Value> = serde_json::from_str(arguments.get()).unwrap();
        let frame = packet::event(name, arguments, *id, 0);
        let again = std::str::from_utf8(&frame.payload()[1..]).unwrap().to_owned();
        match packet::decode(again).unwrap().body {
            Body::Event { name: name_again, arguments: arguments_again, id: id_again } => {
                assert_eq!((name, id), (&name_again, &id_again));
                let values_again: Vec<serde_json::Value> =
                    serde_json::from_str(arguments_again.get()).unwrap();
                assert_eq!(values, values_again);
            }
            other => panic!("{other:?}"),
        }
    }
    let wanted = decoded.attachments;
    if wanted > 0
        && let Ok(mut assembly) = Assembly::new(decoded, LIMITS)
    {
        for _ in 0..wanted {
            assembly.push(vec![1, 2]).unwrap();
        }
        let _ = assembly.finish();
    }
}

#[test]
fn mutated_packets_never_panic_and_what_is_understood_is_stable() {
    let mut random = Random::new(1);
    for _ in 0..150_000 {
        let valid = random.pick(&PACKETS);
        let bytes = random.mutate(valid.as_bytes());
        check_packet(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn mutated_payloads_never_panic() {
    let mut random = Random::new(2);
    let payload = "42[\"a\",1]\u{1e}3\u{1e}451-[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==";
    for _ in 0..50_000 {
        let bytes = random.mutate(payload.as_bytes());
        for part in packet::decode_payload(&String::from_utf8_lossy(&bytes)) {
            if let Ok(EnginePacket::Message(text)) = part {
                check_packet(&format!("4{text}"));
            }
        }
    }
}

#[test]
fn mutated_frames_never_panic_and_stay_within_the_limit() {
    const LIMIT: usize = 300;
    let mut random = Random::new(3);
    let mut valid = Vec::new();
    for (first, payload) in [
        (0x81, PACKETS[4]),
        (0x01, "42[\"a\""),
        (0x89, "ping"),
        (0x80, "]"),
        (0x82, "xyz"),
        (0x88, "\u{3}\u{0}"),
    ] {
        valid.extend([first, 0x80 | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4]);
        valid.extend(payload.bytes().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    for _ in 0..100_000 {
        let bytes = random.mutate(&valid);
        let mut reader = FrameReader::default();
        let step = 1 + random.below(bytes.len() + 1);
        'stream: for mut piece in bytes.chunks(step) {
            loop {
                match reader.read(&mut piece, LIMIT) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
                assert!(reader.held() <= LIMIT + 125);
            }
            assert!(piece.is_empty());
        }
    }
}

#[test]
fn mutated_bus_messages_never_panic() {
    let mut random = Random::new(4);
    let valid = [
        r#"{"method":"emit","event":"e","data":[{"a":1}],"binary":false,"namespace":"/","room":"r","skip_sid":["a"],"callback":["r","/",1],"host_id":"x"}"#,
        r#"{"method":"emit","event":"e","data":[[{"_placeholder":true,"num":0}],"AQI="],"binary":true,"room":null}"#,
        r#"{"method":"callback","host_id":"x","sid":"y","namespace":"/","id":1,"args":[1]}"#,
        r#"{"method":"enter_room","sid":"x","room":"y","namespace":"/","host_id":"z"}"#,
    ];
    for _ in 0..50_000 {
        let message = random.pick(&valid);
        let bytes = random.mutate(message.as_bytes());
        if let Ok(Some(message)) = BusMessage::from_json(&bytes) {
            let text = message.to_json().unwrap();
            BusMessage::from_json(text.as_bytes()).unwrap().unwrap();
        }
    }
}
