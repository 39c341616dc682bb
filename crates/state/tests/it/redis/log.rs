//! What the log says, and says only once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use antiphon_cluster::{Kind, Options, Rig, wait_until};
use antiphon_config::Environment;
use antiphon_state::redis::{Repeat, cmd};
use parking_lot::Mutex;

use super::support::{LIMIT, Links};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One thread, so that the log of this thread is that of every task.
#[tokio::test]
async fn a_break_is_one_line_per_link_with_its_remedy_and_no_secret() {
    let output = Output::default();
    let writer = output.clone();
    let none: [(&str, &str); 0] = [];
    let logging =
        antiphon_config::load(&Environment::from_pairs(none)).expect("a configuration").config.logging;
    // While there is only one subscriber in the process, a line that another test's thread passes first counts as off for all
    // threads, because that thread has none. With a second one, every subscriber is asked for every line.
    let _second = tracing::Dispatch::new(antiphon_telemetry::subscriber(&logging, io::sink));
    let _log =
        tracing::subscriber::set_default(antiphon_telemetry::subscriber(&logging, move || writer.clone()));

    let options = Options { password: Some("hunter2".to_owned()), ..Options::new(Kind::Standalone) };
    let rig = Rig::with(options).await.expect("a rig");
    let links = Links::to(&rig).await;
    rig.servers()[0].kill().expect("killed");
    links.wait_unready("the kill").await;
    // Calls during the break add no lines.
    for _ in 0..100 {
        let set = cmd("SET").arg("a").arg("b").take();
        let waiting = links.connections.main().command::<()>(Repeat::Idempotent, set);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err(), "it waits");
    }
    rig.servers()[0].restart(false).await.expect("restarted");
    links.wait_ready("the restart").await;
    let text = || String::from_utf8_lossy(&output.0.lock()).into_owned();
    let back = async || text().matches("Redis is back after").count() == 2;
    if let Err(error) = wait_until("the return is told", LIMIT, back).await {
        panic!("{error}: {}", text());
    }
    let text = text();
    assert_eq!(text.matches("Redis is connected.").count(), 2, "{text}");
    assert_eq!(text.matches("The connection to Redis is lost").count(), 2, "{text}");
    assert!(text.matches("Redis cannot be reached").count() <= 4, "{text}");
    assert!(
        text.contains("maxclients") && text.contains("link=\"subscription\"")
            || text.contains("link=subscription"),
        "{text}"
    );
    for line in text.lines().filter(|line| line.contains("WARNING")) {
        assert!(line.contains("Check "), "a warning says what to do: {line}");
    }
    let described = links.connections.describe().join("\n");
    assert!(
        described.contains("standalone at 127.0.0.1:") && described.contains(": 2 to the server"),
        "{described}"
    );
    let shown = format!("{text}{described}{:?}{:?}", links.connections.options(), links.connections.status());
    assert!(!shown.contains("hunter2"), "{shown}");
}
