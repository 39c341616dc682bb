//! `antiphon migrate`: the database brought up to date, or only checked.

use super::{Failure, load, say};
use crate::options;
use antiphon_config::Environment;
use antiphon_storage::Database;
use clap::Args;

#[derive(Args)]
pub(super) struct Arguments {
    /// Change nothing; fail when the database is behind
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = load(&Environment::from_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let database = Database::open(&options::database(&loaded.config)).await?;
        let report =
            if arguments.check { database.check_migrations().await? } else { database.migrate().await? };
        say(&format!("{} is at version {}.", database.location(), report.version))?;
        for name in &report.applied {
            say(&format!("Applied {name}."))?;
        }
        for name in &report.ahead {
            say(&format!("A newer program has applied {name}; this one can live with it."))?;
        }
        database.close().await;
        Ok(())
    })
}
