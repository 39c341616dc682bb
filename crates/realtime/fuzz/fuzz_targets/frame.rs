//! Bytes of a client to websocket messages: no panic, and never more held than the limit.
#![no_main]

use antiphon_realtime::frame::FrameReader;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;
const CONTROL: usize = 125;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = FrameReader::default();
    let Some((step, bytes)) = bytes.split_first() else { return };
    for mut piece in bytes.chunks(usize::from(*step).max(1)) {
        loop {
            match reader.read(&mut piece, LIMIT) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(piece.is_empty());
        assert!(reader.held() <= LIMIT + CONTROL);
    }
});
