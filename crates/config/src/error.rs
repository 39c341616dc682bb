//! Errors of this crate.
//!
//! `ConfigErrors` is for values that must stop the start: all of them are collected and shown together.
//! `SettingError` is for a value that somebody tries to store in a persistent setting.
//! `SecretKeyError` is for the key file in the data folder.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// One variable whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable.
    pub variable: String,
    /// The value as it may be shown: secrets are masked.
    pub seen: String,
    /// What is wrong with it, as a sentence.
    pub problem: String,
    /// What may be written instead.
    pub allowed: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}={}", self.variable, self.seen)?;
        writeln!(formatter, "    {}", self.problem)?;
        if !self.allowed.is_empty() {
            writeln!(formatter, "    Allowed: {}", self.allowed)?;
        }
        write!(formatter, "    Fix: {}", self.fix)
    }
}

/// Every variable whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [_] => write!(formatter, "The configuration has an error.")?,
            errors => write!(formatter, "The configuration has {} errors.", errors.len())?,
        }
        for error in &self.0 {
            write!(formatter, "\n\n  {error}")?;
        }
        Ok(())
    }
}

/// A persistent setting that cannot be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// There is no setting of that key.
    #[error("There is no setting named {key}.")]
    Unknown {
        /// The key.
        key: String,
    },
    /// The value does not fit the setting.
    #[error("The value for {key} does not fit: {reason}.")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong, without the value itself.
        reason: String,
    },
    /// A form was expected to be a JSON object.
    #[error("A JSON object is expected.")]
    NotAnObject,
}

/// The key file in the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The folder or file cannot be read or written.
    #[error(
        "The key file {path} cannot be {action}: {source}. Make the data folder writable for the server, or set WEBUI_SECRET_KEY."
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `read`, `created`.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The file exists but holds no complete key.
    #[error(
        "The key file {path} is empty or cut off. Delete it (everybody has to sign in again), or set WEBUI_SECRET_KEY."
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
}
