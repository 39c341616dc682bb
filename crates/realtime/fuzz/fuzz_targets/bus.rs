//! JSON of other nodes to bus messages: no panic, and what is understood can be said again.
#![no_main]

use antiphon_realtime::BusMessage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(message)) = BusMessage::from_json(bytes) {
        let text = message.to_json().unwrap();
        assert!(matches!(BusMessage::from_json(text.as_bytes()), Ok(Some(_))));
    }
});
