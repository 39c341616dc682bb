//! What a line of the log looks like.

#![expect(clippy::expect_used, reason = "the helpers of tests may fail like the tests")]

use std::io;
use std::sync::{Arc, Mutex};

use antiphon_config::{Environment, Logging, load};
use antiphon_telemetry::{names, subscriber};
use serde_json::Value;

fn logging(pairs: &[(&str, &str)]) -> Logging {
    load(&Environment::from_pairs(pairs.iter().copied())).expect("a configuration").config.logging
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(pairs: &[(&str, &str)], work: impl FnOnce()) -> String {
    let output = Output::default();
    let writer = output.clone();
    tracing::subscriber::with_default(subscriber(&logging(pairs), move || writer.clone()), work);
    let bytes = output.0.lock().expect("a lock").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_line_that_the_guide_searches_for_is_found() {
    let line = logged(&[("GLOBAL_LOG_LEVEL", "debug")], || {
        tracing::debug!(target: names::SOCKET_LOGGER, "Using Redis to manage websockets.");
    });
    assert!(line.ends_with(" DEBUG:open_webui.socket.main:Using Redis to manage websockets.\n"), "{line}");
}

#[test]
fn fields_and_spans_follow_the_message() {
    let line = logged(&[], || {
        let _span = tracing::info_span!("request", method = "GET").entered();
        let error = io::Error::other("it\nbroke");
        tracing::warn!(target: "antiphon_test", count = 3, name = "a b", plain = "c", error = &error as &dyn std::error::Error, "Something happened.");
    });
    let expected = " WARNING:antiphon_test:Something happened. count=3 name=\"a b\" plain=c error=\"it\\nbroke\" method=\"GET\"\n";
    assert!(line.ends_with(expected), "{line}");
}

#[test]
fn a_client_cannot_forge_a_line() {
    let line = logged(&[], || tracing::info!(target: "antiphon_test", "a\nERROR:antiphon:forged \x1b[2J"));
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(r"a\nERROR:antiphon:forged \u{1b}[2J"), "{line}");
}

#[test]
fn json_lines_hold_the_agreed_fields() {
    let line = logged(&[("LOG_FORMAT", "json")], || {
        let _span = tracing::info_span!("request", method = "GET").entered();
        tracing::error!(target: "antiphon_test", count = 3, msg = "mine", "Something\nhappened.");
    });
    let value: Value = serde_json::from_str(&line).expect("one JSON object");
    assert_eq!(value["level"], "error");
    assert_eq!(value["msg"], "Something\nhappened.");
    assert_eq!(value["msg_"], "mine");
    assert_eq!(value["count"], 3);
    assert_eq!(value["spans"][0], serde_json::json!({"name": "request", "method": "GET"}));
    assert!(value["caller"].as_str().is_some_and(|caller| caller.starts_with("antiphon_test:")), "{line}");
    assert!(value["ts"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
}

#[test]
fn the_level_is_that_of_the_environment() {
    let work = || {
        tracing::debug!(target: "antiphon_test", "own detail");
        tracing::debug!(target: "hyper", "library detail");
        tracing::info!(target: "hyper", "library news");
        tracing::warn!(target: "antiphon_test", "own warning");
        tracing::error!(target: "antiphon_test", "own error");
    };
    let messages = |level: &str| -> Vec<String> {
        logged(&[("GLOBAL_LOG_LEVEL", level)], work)
            .lines()
            .filter_map(|line| line.rsplit(':').next().map(str::to_owned))
            .collect()
    };
    assert_eq!(messages("DEBUG"), ["own detail", "library news", "own warning", "own error"]);
    assert_eq!(messages("INFO"), ["library news", "own warning", "own error"]);
    assert_eq!(messages("nonsense"), messages("INFO"));
    assert_eq!(messages("WARNING"), ["own warning", "own error"]);
    assert_eq!(messages("CRITICAL"), ["own error"]);
    assert_eq!(messages("TRACE").len(), 5);
}
