//! `antiphon-cluster`: Redis topologies and fleets to play with.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that people use at a terminal")]

use antiphon_cluster::{Balancer, Error, Fleet, Kind, Options, Result, Rig};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: antiphon-cluster start KIND [--tls] [--password WORD] [--redis-server PATH]
       antiphon-cluster fleet KIND [--tls] [--password WORD] [--redis-server PATH] [--nodes N] [--set NAME=VALUE]… PROGRAM

KIND is standalone, sentinel or cluster. Both run until Ctrl-C, and leave nothing behind.
start   starts Redis, and prints the variables by which a node reaches it
fleet   starts Redis, N nodes (3) of the server PROGRAM, and nginx round robin in front of them";

/// How long nodes may take to be ready before the fleet is shown all the same.
const READY: Duration = Duration::from_secs(30);

/// What to start.
struct Wish {
    options: Options,
    nodes: usize,
    variables: Vec<(String, String)>,
    program: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wish = match arguments.split_first() {
        Some((command, rest)) => wish(command, rest),
        None => None,
    };
    let Some(wish) = wish else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&wish).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("antiphon-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for, if they make sense.
fn wish(command: &str, arguments: &[String]) -> Option<Wish> {
    let (kind, rest) = arguments.split_first()?;
    let kind = match kind.as_str() {
        "standalone" => Kind::Standalone,
        "sentinel" => Kind::Sentinel,
        "cluster" => Kind::Cluster,
        _ => return None,
    };
    let mut wish = Wish { options: Options::new(kind), nodes: 3, variables: Vec::new(), program: None };
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        match (command, argument.as_str()) {
            (_, "--tls") => wish.options.tls = true,
            (_, "--password") => wish.options.password = Some(rest.next()?.clone()),
            (_, "--redis-server") => wish.options.program = rest.next()?.into(),
            ("fleet", "--nodes") => wish.nodes = rest.next()?.parse().ok()?,
            ("fleet", "--set") => {
                let (name, value) = rest.next()?.split_once('=')?;
                wish.variables.push((name.to_owned(), value.to_owned()));
            }
            ("fleet", program) if wish.program.is_none() && !program.starts_with('-') => {
                wish.program = Some(program.into());
            }
            _ => return None,
        }
    }
    (wish.program.is_some() == (command == "fleet") && ["start", "fleet"].contains(&command)).then_some(wish)
}

/// Starts all of it, and waits for a signal.
async fn run(wish: &Wish) -> Result<()> {
    let failed = |source| Error::Io { what: "waiting for a signal".to_owned(), source };
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        shown = show(wish) => shown,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}

/// Starts all of it, says what it is, and stays. Whoever drops this ends it all.
async fn show(wish: &Wish) -> Result<()> {
    let rig = Rig::with(wish.options.clone()).await?;
    for server in rig.servers().iter().chain(rig.sentinels()) {
        eprintln!("{:<12} {}   pid {}", server.name(), server.address(), server.pid().unwrap_or_default());
    }
    let mut fleet = None;
    if let Some(program) = &wish.program {
        let own = rig.variables().into_iter().map(|(name, value)| (name.to_owned(), value));
        let started = Fleet::start(program, wish.nodes, own.chain(wish.variables.iter().cloned())).await?;
        for node in started.nodes() {
            eprintln!("{:<12} {}   pid {}", node.name(), node.url(), node.pid().unwrap_or_default());
        }
        let balancer = Balancer::start(&started.ports()).await?;
        if let Err(error) = started.wait_ready(READY).await {
            eprintln!("{error}; the logs are in {}", started.folder().display());
        }
        println!("The fleet is at {}", balancer.url());
        fleet = Some((started, balancer));
    } else {
        for (name, value) in rig.variables() {
            println!("export {name}={}", quoted(&value));
        }
    }
    eprintln!("Ctrl-C ends it.");
    std::future::pending::<()>().await;
    drop(fleet);
    Ok(())
}

/// A value as a shell quotes it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
