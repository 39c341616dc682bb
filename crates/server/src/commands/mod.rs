//! The commands of the binary, one a file.

mod config;
mod migrate;
mod serve;

use antiphon_config::{Environment, Loaded};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Exit status for a configuration that cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIGURATION: u8 = 78;

/// A self-hosted AI chat server.
#[derive(Parser)]
#[command(name = "antiphon", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (what happens without a command)
    Serve(serve::Arguments),
    /// Show the configuration, or write its reference page
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// Bring the database up to date, or check that it is
    Migrate(migrate::Arguments),
}

/// Runs a command; the exit status is 0, 1 for a failure, or 78 for a configuration that cannot be used.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command.unwrap_or(Command::Serve(serve::Arguments::default())) {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Config { command } => config::run(&command),
        Command::Migrate(arguments) => migrate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(errors)) => {
            complain(&errors.to_string());
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Other(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed.
enum Failure {
    Configuration(antiphon_config::ConfigErrors),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// The configuration of this process.
fn load(environment: &Environment) -> Result<Loaded, Failure> {
    antiphon_config::load(environment).map_err(Failure::Configuration)
}

/// Says something on standard error, where nobody may listen.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says something on standard output.
fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end())
}
