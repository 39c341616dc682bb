//! The life of the process: arguments, one thread for each computation, listening, leaving with the parent.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::LocalError;
use crate::http::Service;
use crate::layout::LocalModel;

/// The variables that tell the arithmetic libraries how many threads to use. They are read once and cannot be set from inside.
const THREAD_VARIABLES: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];
/// Each computation uses one thread: the libraries' own threads wait for each other by spinning, which on a shared machine
/// takes the time of others.
const THREADS_PER_COMPUTATION: &str = "1";

/// A small chat model and sentence embeddings behind the OpenAI API, on loopback only.
///
/// Meant to be started by `antiphon serve`. It prints `{"listening":"127.0.0.1:PORT"}` and leaves when its standard
/// input ends or on SIGTERM. With ANTIPHON_LOCAL_TOKEN set, requests need it as their bearer token.
#[derive(Debug, Parser)]
#[command(name = "antiphon-local", version)]
pub struct Arguments {
    /// The folder with the model files; scripts/fetch-local-model makes it and prints its name
    #[arg(long, value_name = "DIR")]
    pub model_dir: PathBuf,
    /// The loopback address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = loopback)]
    pub host: IpAddr,
    /// The port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// How many answers are computed at the same time, each on one core
    #[arg(long, default_value_t = NonZeroUsize::MIN)]
    pub threads: NonZeroUsize,
    /// Only check that the model files are there; says what is missing and leaves with 1 if so
    #[arg(long)]
    pub check: bool,
}

/// The variable with the bearer token that requests must have; a command line would show it to everybody on the machine.
const TOKEN_VARIABLE: &str = "ANTIPHON_LOCAL_TOKEN";

/// Only loopback: the server has no encryption and no accounts.
fn loopback(text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Ok(address),
        Ok(_) => Err("only loopback addresses (127.0.0.1, ::1) are allowed: the local model has no encryption and no accounts".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Starts the program again in place with the thread variables set, unless they are set already.
///
/// # Errors
/// [`LocalError::Io`] when that is not possible; on success the call does not return.
pub fn restart_with_thread_variables() -> Result<(), LocalError> {
    use std::os::unix::process::CommandExt;
    let is_set = |name: &&str| std::env::var_os(name).as_deref() == Some(OsStr::new(THREADS_PER_COMPUTATION));
    if THREAD_VARIABLES.iter().all(is_set) {
        return Ok(());
    }
    let failed =
        |source| LocalError::Io { what: "cannot start again with one thread for each computation", source };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1));
    command.envs(THREAD_VARIABLES.map(|name| (name, THREADS_PER_COMPUTATION)));
    Err(failed(command.exec()))
}

/// Serves until standard input ends or a signal comes.
///
/// # Errors
/// [`LocalError::Listen`] when the port is taken, [`LocalError::Io`] for other failures at the start.
pub async fn serve(arguments: Arguments) -> Result<(), LocalError> {
    let io = |what| move |source| LocalError::Io { what, source };
    let mut terminated = signal(SignalKind::terminate()).map_err(io("cannot watch for SIGTERM"))?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(io("cannot watch for SIGINT"))?;
    let layout = LocalModel::layout(arguments.model_dir);
    if let Err(error) = layout.check() {
        tracing::warn!(%error, "starting without a complete model; requests for it will fail until it is there");
    }
    let address = SocketAddr::new(arguments.host, arguments.port);
    let listening = |source| LocalError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let token = std::env::var_os(TOKEN_VARIABLE).map(|token| token.to_string_lossy().into_owned());
    let service = Service::new(Engine::start(layout, arguments.threads)?, token);
    let parent_gone = watch_standard_input()?;
    say(&json!({ "listening": address.to_string() }).to_string())
        .map_err(io("cannot write to standard output"))?;

    // Answers in progress are cut off: whoever wanted them is gone or has asked for the end.
    tokio::select! {
        outcome = axum::serve(listener, service.router()) => outcome.map_err(io("the HTTP server failed"))?,
        _ = terminated.recv() => tracing::info!("leaving: SIGTERM"),
        _ = interrupted.recv() => tracing::info!("leaving: SIGINT"),
        _ = parent_gone => tracing::info!("leaving: standard input ended"),
    }
    Ok(())
}

/// Writes one line to standard output at once.
pub fn say(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Resolves when standard input ends. A thread of its own reads it: the runtime would wait for such a read when it ends.
fn watch_standard_input() -> Result<oneshot::Receiver<()>, LocalError> {
    let (ended, wait) = oneshot::channel();
    let watch = move || {
        // An error is an end, too: there is nobody at the other side.
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        let _ = ended.send(());
    };
    std::thread::Builder::new()
        .name("parent".into())
        .spawn(watch)
        .map_err(|source| LocalError::Io { what: "cannot start a thread", source })?;
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_accepted() {
        let parse =
            |host: &str| Arguments::try_parse_from(["antiphon-local", "--model-dir", "x", "--host", host]);
        assert!(parse("127.0.0.1").is_ok());
        assert!(parse("::1").is_ok());
        for refused in ["0.0.0.0", "::", "192.168.1.5", "localhost"] {
            assert!(parse(refused).is_err(), "{refused}");
        }
        let message = parse("0.0.0.0").unwrap_err().to_string();
        assert!(message.contains("loopback"), "{message}");
    }

    #[test]
    fn threads_must_be_at_least_one() {
        let parse =
            |threads| Arguments::try_parse_from(["antiphon-local", "--model-dir", "x", "--threads", threads]);
        assert!(parse("0").is_err());
        assert_eq!(parse("2").unwrap().threads.get(), 2);
    }
}
