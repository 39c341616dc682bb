//! Installs the log.

use antiphon_config::{LogFormat, LogLevel, Logging};
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::line::{Json, Plain};
use crate::names;

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// There is a log already.
    #[error("The log is set up already in this process.")]
    AlreadySetUp(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the logs of the whole process to standard error. To be called once, by the program itself.
pub fn init(logging: &Logging) -> Result<(), TelemetryError> {
    Ok(subscriber(logging, std::io::stderr).try_init()?)
}

/// A log that writes elsewhere, for tests: `tracing::subscriber::with_default(subscriber(…), || …)`.
pub fn subscriber<W>(logging: &Logging, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_ansi(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match logging.format {
        LogFormat::Plain => layer.fmt_fields(DefaultFields::new()).event_format(Plain).boxed(),
        LogFormat::Json => layer.fmt_fields(JsonFields::new()).event_format(Json).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter(logging.level)))
}

/// What is logged. Libraries say much below `INFO`, so their details are logged at `TRACE` only.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        // Nothing is above an error here: what stops the server is an error too.
        LogLevel::Error | LogLevel::Critical => LevelFilter::ERROR,
    };
    let libraries = if level == LogLevel::Trace { own } else { own.min(LevelFilter::INFO) };
    Targets::new()
        .with_default(libraries)
        .with_target(names::OWN_TARGETS, own)
        .with_target(names::REFERENCE_TARGETS, own)
}
