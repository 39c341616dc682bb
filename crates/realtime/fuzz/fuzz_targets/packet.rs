//! Text of a client to packets, attachments included: no panic, and what is understood can be said again.
#![no_main]

use antiphon_realtime::packet::{self, Assembly, AttachmentLimits, Body, EnginePacket};
use libfuzzer_sys::fuzz_target;

const LIMITS: AttachmentLimits = AttachmentLimits { count: 4, bytes: 64 };

fuzz_target!(|text: &str| {
    for part in packet::decode_payload(text).flatten() {
        let EnginePacket::Message(text) = part else { continue };
        let Ok(packet) = packet::decode(text) else { continue };
        if let Body::Event { name, arguments, id } = &packet.body {
            let frame = packet::event(name, arguments, *id, 0);
            let again = std::str::from_utf8(&frame.payload()[1..]).unwrap();
            assert!(packet::decode(again.to_owned()).is_ok());
        }
        let wanted = packet.attachments;
        if wanted > 0 && let Ok(mut assembly) = Assembly::new(packet, LIMITS) {
            for _ in 0..wanted {
                assembly.push(vec![1, 2]).unwrap();
            }
            let _ = assembly.finish();
        }
    }
});
