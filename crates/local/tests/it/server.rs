//! Starts the binary and talks to it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

/// Far more than any step takes on a busy machine with two cores.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// The token of the servers started here.
pub(crate) const TOKEN: &str = "token-of-the-tests";

/// The script that fetches the weights.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/fetch-local-model");

/// The computations of two tests at once would only disturb each other's times.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The folder with the weights, or `None` when the tests shall do without.
pub(crate) fn model_folder() -> Option<PathBuf> {
    let output = std::process::Command::new(SCRIPT).arg("--print").output().expect("cannot run the script");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    if folder.is_dir() {
        return Some(folder);
    }
    let without = std::env::var_os("ANTIPHON_WITHOUT_MODEL").is_some_and(|value| value == "1");
    assert!(
        without,
        "The weights are not in {}. Run scripts/fetch-local-model, or set ANTIPHON_WITHOUT_MODEL=1 to do without these tests.",
        folder.display()
    );
    None
}

/// A running `antiphon-local`; it is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    url: String,
    client: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

pub(crate) fn command(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon-local"));
    command
        .arg("--model-dir")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command.kill_on_drop(true);
    command
}

impl Server {
    /// Starts it with the real weights.
    pub(crate) async fn start() -> Option<Self> {
        Some(Self::start_in(&model_folder()?).await)
    }

    /// Starts it with another folder.
    pub(crate) async fn start_in(folder: &std::path::Path) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let mut child = command(folder).env("ANTIPHON_LOCAL_TOKEN", TOKEN).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        tokio::time::timeout(PATIENCE, output.read_line(&mut line))
            .await
            .expect("it does not start")
            .unwrap();
        let line: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let address = line["listening"].as_str().expect("it says where it listens");
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        // Another test of this process may have installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { child, url: format!("http://{address}"), client, _turn: turn }
    }

    /// Sends a request with the token.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(TOKEN).json(body);
        request.send().await.unwrap()
    }

    /// Asks without a token.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Asks one question at temperature 0 and gives the whole answer.
    pub(crate) async fn ask(&self, question: &str, most_tokens: u32) -> Value {
        let body = json!({
            "messages": [{ "role": "user", "content": question }], "temperature": 0, "max_tokens": most_tokens
        });
        let response = self.post("/v1/chat/completions", &body).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }
}

/// The text of a whole answer.
pub(crate) fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}
