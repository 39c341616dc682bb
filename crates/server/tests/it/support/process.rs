//! The server as a process of its own, as an operator runs it.

use super::provider::LIMIT;
use super::{Place, Site};
use std::ops::Deref;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A server process. It is killed when the test ends.
pub(crate) struct Process {
    child: Child,
    site: Site,
}

impl Process {
    /// Starts the binary in this place, and waits until it says where it listens.
    pub(crate) async fn start(place: &Place, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_antiphon"))
            .env_clear()
            .envs(place.variables())
            .envs([
                ("HOST", "127.0.0.1"),
                ("PORT", "0"),
                ("ENABLE_LOCAL_MODEL", "false"),
                ("ENABLE_OLLAMA_API", "false"),
            ])
            .envs(variables.iter().copied())
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut seen = Vec::new();
        let (out, err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        let mut lines = (BufReader::new(out).lines(), BufReader::new(err).lines());
        let found = async {
            loop {
                let line = tokio::select! {
                    Ok(Some(line)) = lines.0.next_line() => line,
                    Ok(Some(line)) = lines.1.next_line() => line,
                    else => panic!("the server ended: {seen:#?}"),
                };
                let address = line
                    .split_once("listens on ")
                    .map(|(_, rest)| rest.split(['"', ' ']).next().unwrap_or_default().to_owned());
                seen.push(line);
                if let Some(address) = address {
                    return address;
                }
            }
        };
        let base = tokio::time::timeout(LIMIT, found).await.expect("the server says where it listens");
        // Read on, so that the process never waits for somebody to take its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.0.next_line().await {} });
        tokio::spawn(async move { while let Ok(Some(_)) = lines.1.next_line().await {} });
        Self { child, site: Site::new(base) }
    }

    /// Ends it at once, as a crash or the kernel would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the process is killed");
    }

    /// Asks it to end, as a service manager does, and waits until it has, with success.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(sent.success());
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await.expect("the process ends");
        assert!(ended.expect("a status").success());
    }
}

impl Deref for Process {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
