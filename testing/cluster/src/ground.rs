//! The ground that processes stand on: a temporary folder, and a keeper that outlives whoever made it.
//!
//! A test process can be killed, and then no `Drop` runs. So each ground has a keeper: a small shell that reads the ids of the
//! processes from a pipe. The pipe closes when the test process ends, however it ends; the keeper then kills what is left,
//! also what is frozen, and removes the folder.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use tempfile::TempDir;

/// Reads lines `+ PID` and `- PID`; at the end of its input it kills what is left and removes the folder `$1`.
///
/// Signals from a terminal end the test process, and only its end is the keeper's sign.
const KEEPER: &str = r#"
trap '' HUP INT TERM
pids=" "
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="${pids%% $pid *} ${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids; do kill -s KILL "$pid" 2>/dev/null; done
rm -rf -- "$1"
"#;

/// A temporary folder whose processes and files do not outlive its maker.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    keeper: Mutex<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    process: Child,
    lines: Option<ChildStdin>,
}

impl Ground {
    /// Makes a folder and starts its keeper.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("antiphon-cluster-")
            .tempdir()
            .map_err(Error::io("a temporary folder"))?;
        let mut process = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("sh, which watches over the servers of a test"))?;
        let lines = process.stdin.take();
        Ok(Self { folder, keeper: Mutex::new(Keeper { process, lines }) })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).map_err(Error::file(&path))?;
        Ok(path)
    }

    /// Has the keeper end this process when the maker ends.
    pub(crate) fn keep(&self, pid: u32) -> Result<()> {
        self.tell('+', pid)
    }

    /// Takes a process that has ended off the keeper's list, because its id may be given to another.
    pub(crate) fn forget(&self, pid: u32) -> Result<()> {
        self.tell('-', pid)
    }

    fn tell(&self, sign: char, pid: u32) -> Result<()> {
        match &mut self.keeper.lock().lines {
            Some(lines) => writeln!(lines, "{sign} {pid}").map_err(Error::io("the keeper of the servers")),
            None => Ok(()),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut();
        keeper.lines = None;
        // The keeper reads the end of its input, and ends. Nothing can be done if it does not.
        let _ = keeper.process.wait();
    }
}
