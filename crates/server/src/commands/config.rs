//! `antiphon config print` and `antiphon config reference`.

use super::{Failure, load, say};
use antiphon_config::{Environment, reference_markdown};
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print every variable with its effective value and where it comes from; secrets are masked
    Print,
    /// Write the reference of all variables
    Reference {
        /// File to write; `-` prints it
        #[arg(default_value = "docs/reference/environment.md")]
        file: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Print => {
            let loaded = load(&Environment::from_process())?;
            say(&loaded.report.to_string())?;
            for notice in &loaded.notices {
                super::complain(&format!("{}: {}", notice.subject, notice.text));
            }
        }
        Command::Reference { file } if file.as_os_str() == "-" => say(&reference_markdown())?,
        Command::Reference { file } => {
            std::fs::write(file, reference_markdown())
                .with_context(|| format!("{} could not be written", file.display()))?;
        }
    }
    Ok(())
}
