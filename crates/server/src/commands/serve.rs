//! `antiphon serve`: one node, until it is told to stop.

use super::{Failure, load};
use crate::Node;
use antiphon_config::{Environment, Severity};
use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args, Default)]
pub(super) struct Arguments {
    /// Address to listen on, instead of HOST
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, instead of PORT
    #[arg(long)]
    port: Option<u16>,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut loaded = load(&Environment::from_process())?;
    let server = &mut loaded.config.server;
    if let Some(host) = arguments.host {
        server.host = host;
    }
    if let Some(port) = arguments.port {
        server.port = port;
    }
    antiphon_telemetry::init(&loaded.config.logging)?;
    for notice in &loaded.notices {
        match notice.severity {
            Severity::Warning => tracing::warn!("{}: {}", notice.subject, notice.text),
            Severity::Information => tracing::info!("{}: {}", notice.subject, notice.text),
        }
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().worker_threads(loaded.config.server.workers);
    if let Some(threads) = loaded.config.server.blocking_threads {
        runtime.max_blocking_threads(threads);
    }
    runtime.build()?.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
        let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
        let node = Node::start(loaded.config).await?;
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("stopping: no new connections; replies that run may end");
        tokio::select! {
            () = node.shut_down() => {}
            // Whoever asks twice does not want to wait.
            _ = interrupted.recv() => tracing::warn!("stopped at once on the second signal"),
        }
        Ok(())
    })
}
