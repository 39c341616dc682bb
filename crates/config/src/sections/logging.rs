//! What is logged and how a line looks.

use crate::registry::{section, variable};
use crate::rules::{Choice, List, Separator, Text, Whole, optional};

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything, also the libraries' details.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What may need an operator's attention.
    Warning,
    /// What went wrong.
    Error,
    /// Only what stops the server.
    Critical,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `LEVEL:logger:message`, for people and `grep`.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Names of levels in Python's logging, and `TRACE`.
const LEVELS: &[(&str, LogLevel)] = &[
    ("TRACE", LogLevel::Trace),
    ("DEBUG", LogLevel::Debug),
    ("INFO", LogLevel::Info),
    ("WARNING", LogLevel::Warning),
    ("ERROR", LogLevel::Error),
    ("CRITICAL", LogLevel::Critical),
    ("WARN", LogLevel::Warning),
    ("FATAL", LogLevel::Critical),
    ("NOTSET", LogLevel::Trace),
];

const FORMATS: &[(&str, LogFormat)] =
    &[("", LogFormat::Plain), ("plain", LogFormat::Plain), ("json", LogFormat::Json)];

section! {
    /// What is logged and how a line looks.
    pub struct Logging, "Logs" {
        /// Least important level that is logged.
        level: LogLevel = variable("GLOBAL_LOG_LEVEL", Choice::lenient(LEVELS)).or("INFO");
        /// Form of a line: empty for `LEVEL:logger:message`, `json` for one JSON object a line.
        format: LogFormat = variable("LOG_FORMAT", Choice::lenient(FORMATS)).or("");
    }
    others {
        /// How much of each request the audit log keeps: `NONE`, `METADATA`, `REQUEST` or `REQUEST_RESPONSE`.
        variable("AUDIT_LOG_LEVEL", Text).or("NONE").reserved();
        /// File of the audit log.
        variable("AUDIT_LOGS_FILE_PATH", optional(Text)).reserved();
        /// Bytes of a body that the audit log keeps.
        variable("MAX_BODY_LOG_SIZE", Whole::<i64>::lenient()).or("2048").reserved();
        /// Paths that the audit log leaves out.
        variable("AUDIT_EXCLUDED_PATHS", List::new(Separator::Comma)).or("/chats,/chat,/folders").reserved();
        /// The only paths that the audit log keeps.
        variable("AUDIT_INCLUDED_PATHS", List::new(Separator::Comma)).reserved();
        /// Sends traces, metrics and logs to an OpenTelemetry collector.
        variable("ENABLE_OTEL", crate::rules::Bool).or("false").reserved();
    }
}
