//! A process that can be killed, frozen, thawed and started again.

use crate::error::{Error, Result};
use crate::ground::Ground;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a process may take to end after it was asked to.
const END: Duration = Duration::from_secs(15);

/// How long a process may take to stand still. It is a matter of microseconds.
const FREEZE: Duration = Duration::from_secs(5);

/// How much of the end of a log goes into an error.
const LOG_TAIL: usize = 4_000;

/// What to start: a program, its arguments and environment, and where its output goes.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// The Debian package that brings the program.
    pub(crate) package: &'static str,
    pub(crate) arguments: Vec<String>,
    /// The whole environment, or nothing to take over the caller's.
    pub(crate) environment: Option<Vec<(String, String)>>,
    pub(crate) folder: PathBuf,
    /// Output and errors are appended to this file.
    pub(crate) output: PathBuf,
}

impl Recipe {
    fn spawn(&self) -> Result<Child> {
        let output = || {
            File::options().create(true).append(true).open(&self.output).map_err(Error::file(&self.output))
        };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
        if let Some(environment) = &self.environment {
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        }
        command.spawn().map_err(|source| Error::Program {
            program: self.program.display().to_string(),
            package: self.package,
            source,
        })
    }
}

/// A process of a rig, running or not. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    recipe: Mutex<Recipe>,
    state: Mutex<State>,
    ground: Arc<Ground>,
}

#[derive(Debug)]
struct State {
    child: Option<Child>,
    frozen: bool,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(recipe: Recipe, ground: &Arc<Ground>) -> Result<Self> {
        let process = Self {
            recipe: Mutex::new(recipe),
            state: Mutex::new(State { child: None, frozen: false }),
            ground: Arc::clone(ground),
        };
        process.again()?;
        Ok(process)
    }

    /// Starts it again after it has ended.
    pub(crate) fn again(&self) -> Result<()> {
        let mut state = self.state.lock();
        let child = self.recipe.lock().spawn()?;
        let kept = self.ground.keep(child.id());
        *state = State { child: Some(child), frozen: false };
        kept
    }

    /// Changes what is started the next time.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Recipe)) {
        change(&mut self.recipe.lock());
    }

    pub(crate) fn name(&self) -> String {
        self.recipe.lock().name.clone()
    }

    /// Its id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let mut state = self.state.lock();
        self.reap(&mut state);
        state.child.as_ref().map(Child::id)
    }

    /// Whether it was frozen and not thawed since.
    pub(crate) fn frozen(&self) -> bool {
        self.state.lock().frozen
    }

    /// Ends it as a crash would (`SIGKILL`), frozen or not, and waits until it is gone. Nothing happens when it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        let mut state = self.state.lock();
        let Some(child) = &mut state.child else { return Ok(()) };
        let pid = child.id();
        child.kill().map_err(Error::io(format!("killing {pid}")))?;
        child.wait().map_err(Error::io(format!("waiting for {pid}")))?;
        *state = State { child: None, frozen: false };
        self.ground.forget(pid)
    }

    /// Asks it to end (`SIGTERM`), as a service manager does, and waits until it has.
    pub(crate) async fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM, false)?;
        let what = format!("{} ends after SIGTERM", self.name());
        crate::wait_until(&what, END, async || self.pid().is_none()).await?;
        Ok(())
    }

    /// Stops it in the middle of whatever it does (`SIGSTOP`): its connections stay open and it answers nothing. Returns when all
    /// its threads stand still; the signal alone would leave them time for an answer.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP, true)?;
        let tasks = self.proc("task")?;
        let begin = Instant::now();
        while !stand_still(&tasks)? {
            if begin.elapsed() > FREEZE {
                return Err(Error::Late {
                    what: format!("{} stands still after SIGSTOP", self.name()),
                    limit: FREEZE,
                });
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Lets it go on (`SIGCONT`).
    pub(crate) fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT, false)
    }

    /// The memory that it occupies (resident set), in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let text = std::fs::read_to_string(&status).map_err(Error::file(&status))?;
        let kibibytes: Option<u64> = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let missing =
            || Error::Unexpected { name: self.name(), text: format!("no VmRSS in {}", status.display()) };
        Ok(1_024 * kibibytes.ok_or_else(missing)?)
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> Result<usize> {
        let folder = self.proc("fd")?;
        Ok(std::fs::read_dir(&folder).map_err(Error::file(&folder))?.count())
    }

    fn proc(&self, file: &str) -> Result<PathBuf> {
        let pid = self.pid().ok_or_else(|| Error::NotRunning { name: self.name() })?;
        Ok(PathBuf::from(format!("/proc/{pid}/{file}")))
    }

    /// The end of what it wrote to its output, for errors.
    pub(crate) fn ended(&self, log: &Path) -> Error {
        let recipe = self.recipe.lock();
        let text =
            [log, &recipe.output].map(|path| std::fs::read_to_string(path).unwrap_or_default()).concat();
        let name = recipe.name.clone();
        if ["Address already in use", "os error 98"].iter().any(|sign| text.contains(sign)) {
            return Error::PortTaken { name };
        }
        let tail = text.char_indices().rev().nth(LOG_TAIL).map_or(0, |(at, _)| at);
        Error::Ended { name, log: text[tail..].to_owned() }
    }

    fn signal(&self, signal: Signal, frozen: bool) -> Result<()> {
        let mut state = self.state.lock();
        self.reap(&mut state);
        let pid = state.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        let Some(pid) = pid else { return Err(Error::NotRunning { name: self.name() }) };
        rustix::process::kill_process(pid, signal).map_err(|source| Error::Io {
            what: format!("a signal to {}", self.name()),
            source: source.into(),
        })?;
        state.frozen = frozen;
        Ok(())
    }

    /// Notices that it has ended by itself.
    fn reap(&self, state: &mut State) {
        let Some(child) = &mut state.child else { return };
        if matches!(child.try_wait(), Ok(Some(_))) {
            // When the keeper is gone, so is what it would do wrong.
            let _ = self.ground.forget(child.id());
            *state = State { child: None, frozen: false };
        }
    }
}

/// Whether all threads of a process are stopped; `tasks` is the folder of them, see proc(5).
fn stand_still(tasks: &Path) -> Result<bool> {
    for task in std::fs::read_dir(tasks).map_err(Error::file(tasks))? {
        let file = task.map_err(Error::file(tasks))?.path().join("stat");
        // A thread that has ended meanwhile does nothing any longer.
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        // The state follows the name, which is in brackets and may have brackets in it.
        let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that cannot be killed is one that is gone already.
        let _ = self.kill();
    }
}
