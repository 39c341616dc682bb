//! Starts and supervises `antiphon-local`, the small demonstration model, on its first use.
//!
//! The process listens on a loopback port that the system chose, takes only requests with a token that this process
//! made up, and ends by itself when its standard input closes, so it never outlives the server.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;

/// Longest time from spawning the process until it says where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest time between two starts, so that a process which dies at once is not started in a loop.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// Longest time the process may take to end after its input was closed.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The file by which a folder of weights is known.
const CHAT_WEIGHTS: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Name of the environment variable that carries the token to the process.
const TOKEN_VARIABLE: &str = "ANTIPHON_LOCAL_TOKEN";

/// Why the local model cannot be used now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalModelError {
    /// The process could not be started.
    #[error("{path} could not be started: {source}")]
    Spawn {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The process ended or said something else before it listened.
    #[error("the local model ended before it was ready; its messages are in this log")]
    Ended,
    /// The process did not get ready in time.
    #[error("the local model was not ready within {} s", START_TIMEOUT.as_secs())]
    Slow,
    /// It ended a moment ago and is not started again yet.
    #[error("the local model ended a moment ago; it is started again in a few seconds")]
    Resting,
}

/// The first line that the process prints.
#[derive(Deserialize)]
struct Ready {
    listening: String,
}

struct Running {
    child: Child,
    /// Kept open: the process ends when this closes.
    input: ChildStdin,
    url: Url,
}

/// Owner of the local model's process.
pub(crate) struct LocalModel {
    binary: PathBuf,
    model_directory: PathBuf,
    threads: usize,
    token: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    started_at: Option<Instant>,
}

impl LocalModel {
    /// A supervisor for `binary` with the weights in `model_directory`. Starts nothing yet.
    pub(crate) fn new(binary: PathBuf, model_directory: PathBuf, threads: usize) -> Self {
        let token = uuid::Uuid::new_v4().simple().to_string();
        Self { binary, model_directory, threads, token, state: Mutex::default() }
    }

    /// The folder below `models`, or that folder itself, which holds weights.
    pub(crate) fn weights(models: &Path) -> Option<PathBuf> {
        let below = std::fs::read_dir(models).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut candidates: Vec<PathBuf> = below.filter(|path| path.is_dir()).collect();
        candidates.sort();
        candidates.push(models.to_owned());
        candidates.into_iter().find(|folder| folder.join(CHAT_WEIGHTS).is_file())
    }

    /// The bearer token that the process expects.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The base URL of the process, which is started if it does not run.
    pub(crate) async fn base_url(&self) -> Result<Url, LocalModelError> {
        let mut state = self.state.lock().await;
        if let Some(running) = &mut state.running {
            match running.child.try_wait() {
                Ok(None) => return Ok(running.url.clone()),
                ended => {
                    tracing::warn!(?ended, "the local model ended; it is started again on its next use");
                    state.running = None;
                }
            }
        }
        if state.started_at.is_some_and(|at| at.elapsed() < RESTART_PAUSE) {
            return Err(LocalModelError::Resting);
        }
        state.started_at = Some(Instant::now());
        let running = self.start().await?;
        let url = running.url.clone();
        state.running = Some(running);
        Ok(url)
    }

    /// Ends the process, if it runs.
    pub(crate) async fn stop(&self) {
        let Some(running) = self.state.lock().await.running.take() else { return };
        let Running { mut child, input, .. } = running;
        drop(input);
        if timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
            // It did not notice; nothing of it is worth keeping.
            let _ = child.kill().await;
        }
    }

    async fn start(&self) -> Result<Running, LocalModelError> {
        let mut child = Command::new(&self.binary)
            .arg("--model-dir")
            .arg(&self.model_directory)
            .args(["--port", "0", "--threads", &self.threads.to_string()])
            .env(TOKEN_VARIABLE, &self.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| LocalModelError::Spawn { path: self.binary.clone(), source })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LocalModelError::Ended);
        };
        let mut lines = BufReader::new(output).lines();
        let line = match timeout(START_TIMEOUT, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => return Err(LocalModelError::Ended),
            Err(_) => return Err(LocalModelError::Slow),
        };
        let ready: Ready = serde_json::from_str(&line).map_err(|_| LocalModelError::Ended)?;
        tracing::info!(address = ready.listening, "the local demonstration model was started");
        let url =
            Url::parse(&format!("http://{}/v1", ready.listening)).map_err(|_| LocalModelError::Ended)?;
        Ok(Running { child, input, url })
    }
}
