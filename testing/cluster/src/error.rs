//! What can go wrong while servers are started or told what to do.

use std::path::PathBuf;
use std::time::Duration;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a rig could not do what a test asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not on this machine.
    #[error(
        "{program} could not be started: {source}; install the package {package} (scripts/system-packages {package})"
    )]
    Program {
        /// The program's name.
        program: String,
        /// The Debian package that brings it.
        package: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A server ended instead of coming up.
    #[error("{name} ended instead of starting:\n{log}")]
    Ended {
        /// Which server.
        name: String,
        /// The end of its log.
        log: String,
    },
    /// Another process took the port between its choice and its use.
    #[error("{name} found its port taken")]
    PortTaken {
        /// Which server.
        name: String,
    },
    /// A condition did not come true in time.
    #[error("this did not happen within {limit:?}: {what}")]
    Late {
        /// The condition, in words.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A server answered a command with an error; the text begins with Redis' code, such as `NOAUTH`.
    #[error("{name} answered: {text}")]
    Reply {
        /// Which server.
        name: String,
        /// Its words.
        text: String,
    },
    /// A server's answer was not of the form that was expected.
    #[error("{name} answered something unexpected: {text}")]
    Unexpected {
        /// Which server.
        name: String,
        /// What it said.
        text: String,
    },
    /// A server is not running, so that it cannot be signalled or asked.
    #[error("{name} is not running")]
    NotRunning {
        /// Which server.
        name: String,
    },
    /// Talking to a server, a process or a file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl Error {
    /// Turns an input or output error into this error, with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The same for something that was done to a file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(path.into().display().to_string())
    }
}
