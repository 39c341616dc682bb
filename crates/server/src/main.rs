//! `antiphon`: a self-hosted AI chat server.

use antiphon::commands::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
