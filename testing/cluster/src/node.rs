//! One node of Antiphon: the server as a process of its own, as an operator runs it.

use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::http;
use crate::process::{Process, Recipe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a node may take until it says where it listens.
const LISTEN: Duration = Duration::from_mins(1);

/// What stands before the address in the log.
const LISTENS: &str = "listens on http://127.0.0.1:";

/// Where a node says whether it takes requests.
const READY: &str = "/ready";

/// A node, running or not. It is killed when this is dropped.
#[derive(Debug)]
pub struct Node {
    /// Where it listens on 127.0.0.1, also after a restart.
    pub port: u16,
    name: String,
    folder: PathBuf,
    process: Process,
    /// How much it had logged when it was last started, in bytes.
    started_at: AtomicU64,
}

impl Node {
    /// Starts a node. It is not waited for.
    pub(crate) fn start(
        ground: &Arc<Ground>,
        name: &str,
        port: u16,
        program: PathBuf,
        variables: &[(String, String)],
    ) -> Result<Self> {
        let folder = ground.folder(name)?;
        let mut environment: Vec<(String, String)> = [
            ("HOST", "127.0.0.1"),
            ("PORT", &port.to_string()),
            ("DATA_DIR", &folder.join("data").display().to_string()),
            ("DATABASE_URL", &format!("sqlite:///{}", ground.path().join("webui.db").display())),
            ("WEBUI_SECRET_KEY", "the secret key of a test fleet"),
            ("ENABLE_LOCAL_MODEL", "false"),
            ("ENABLE_OLLAMA_API", "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in variables {
            set(&mut environment, name, value);
        }
        let recipe = Recipe {
            name: name.to_owned(),
            program,
            package: "antiphon",
            arguments: vec!["serve".to_owned()],
            environment: Some(environment),
            folder: folder.clone(),
            output: folder.join("log"),
        };
        let process = Process::start(recipe, ground)?;
        Ok(Self { port, name: name.to_owned(), folder, process, started_at: AtomicU64::new(0) })
    }

    /// Waits until it says where it listens.
    pub(crate) async fn wait_listening(&self) -> Result<()> {
        let what = format!("{} says where it listens", self.name);
        let listens = async || self.pid().is_none() || self.has_logged(LISTENS);
        crate::wait_until(&what, LISTEN, listens).await?;
        if self.pid().is_none() {
            return Err(self.process.ended(&self.folder.join("no-other-log")));
        }
        Ok(())
    }

    /// Its name in the fleet, such as `node-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `http://` with host and port.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process id while it runs. It changes with a restart.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Changes a variable for the next [`restart`](Self::restart).
    pub fn set(&self, name: &str, value: &str) {
        self.process.change(|recipe| set(recipe.environment.get_or_insert_default(), name, value));
    }

    /// Ends it as a crash would (`SIGKILL`).
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end (`SIGTERM`) and waits until it has, for at most 15 s.
    pub async fn terminate(&self) -> Result<()> {
        self.process.terminate().await
    }

    /// Stops it in the middle of whatever it does (`SIGSTOP`).
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Kills it if it runs, and starts it on the same port and data; returns when it listens.
    pub async fn restart(&self) -> Result<()> {
        self.kill()?;
        self.started_at.store(self.log()?.len() as u64, Ordering::Relaxed);
        self.process.again()?;
        self.wait_listening().await
    }

    /// Whether it says that it takes requests.
    pub async fn ready(&self) -> bool {
        self.status(READY).await.is_ok_and(|status| status == 200)
    }

    /// Waits until it takes requests, and says how long that took.
    pub async fn wait_ready(&self, limit: Duration) -> Result<Duration> {
        crate::wait_until(&format!("{} is ready", self.name), limit, async || self.ready().await).await
    }

    /// The HTTP status of a GET of this path, asked without a token on a connection of its own.
    pub async fn status(&self, path: &str) -> Result<u16> {
        http::status(&self.name, self.port, path).await
    }

    /// All that it has logged, over its restarts.
    pub fn log(&self) -> Result<String> {
        let path = self.folder.join("log");
        std::fs::read_to_string(&path).map_err(Error::file(path))
    }

    /// Whether it has logged this text since it was last started.
    pub fn has_logged(&self, text: &str) -> bool {
        let begin = usize::try_from(self.started_at.load(Ordering::Relaxed)).unwrap_or_default();
        self.log().is_ok_and(|log| log.get(begin..).is_some_and(|log| log.contains(text)))
    }

    /// Waits until it has logged this text since it was last started.
    pub async fn wait_logged(&self, text: &str, limit: Duration) -> Result<Duration> {
        crate::wait_until(&format!("{} logs {text:?}", self.name), limit, async || self.has_logged(text))
            .await
    }

    /// The memory that it occupies (resident set), in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.process.memory()
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> Result<usize> {
        self.process.open_files()
    }
}

/// Sets a variable in an environment.
fn set(environment: &mut Vec<(String, String)>, name: &str, value: &str) {
    environment.retain(|(found, _)| found != name);
    environment.push((name.to_owned(), value.to_owned()));
}
