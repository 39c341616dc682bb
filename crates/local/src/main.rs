//! The binary `antiphon-local`: see the library for what it does.

use std::process::ExitCode;

use antiphon_local::error::LocalError;
use antiphon_local::layout::LocalModel;
use antiphon_local::lifecycle::{self, Arguments};
use clap::Parser;
use tracing::Level;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Standard output carries one line for the parent; the log goes to standard error.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(Level::INFO)
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), LocalError> {
    if arguments.check {
        LocalModel::layout(arguments.model_dir).check()?;
        return lifecycle::say("the model files are there")
            .map_err(|source| LocalError::Io { what: "cannot write to standard output", source });
    }
    lifecycle::restart_with_thread_variables()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LocalError::Io { what: "cannot start the runtime", source })?;
    runtime.block_on(lifecycle::serve(arguments))
}
