//! The program `antiphon-cluster`, and what it leaves behind when it ends in whatever way.

use crate::LIMIT;
use antiphon_cluster::wait_until;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running program, and the ids of what it has started.
struct Started {
    program: Child,
    variables: Vec<String>,
    servers: Vec<u32>,
    folder: PathBuf,
}

async fn start(arguments: &[&str]) -> Started {
    let mut program = Command::new(env!("CARGO_BIN_EXE_antiphon-cluster"))
        .arg("start")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut servers = Vec::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            match line.split_once("pid ") {
                Some((_, pid)) => servers.push(pid.parse().unwrap()),
                None => return assert!(line.contains("Ctrl-C"), "{line}"),
            }
        }
        panic!("the program ended");
    };
    tokio::time::timeout(LIMIT, read).await.unwrap();
    let mut variables = Vec::new();
    let mut output = BufReader::new(program.stdout.take().unwrap()).lines();
    while variables.len() < 3 {
        variables.push(output.next_line().await.unwrap().unwrap());
    }
    let folder =
        std::fs::read_link(format!("/proc/{}/cwd", servers[0])).unwrap().parent().unwrap().to_owned();
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("antiphon-cluster-"), "{folder:?}");
    Started { program, variables, servers, folder }
}

fn lives(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().await.unwrap().success());
}

/// Ends the program with this signal while one of its servers is frozen.
async fn ends_with(name: &str, arguments: &[&str], servers: usize) {
    let mut started = start(arguments).await;
    assert_eq!(started.servers.len(), servers);
    assert!(started.variables[0].starts_with("export REDIS_URL='redis"), "{:?}", started.variables);
    signal("STOP", started.servers[0]).await;
    signal(name, started.program.id().unwrap()).await;
    tokio::time::timeout(LIMIT, started.program.wait()).await.unwrap().unwrap();
    wait_until("its servers are gone", LIMIT, async || !started.servers.iter().any(|&pid| lives(pid)))
        .await
        .unwrap();
    wait_until("its folder is gone", LIMIT, async || !started.folder.exists()).await.unwrap();
}

#[tokio::test]
async fn leaves_nothing_behind_when_it_is_killed() {
    ends_with("KILL", &["sentinel"], 6).await;
}

#[tokio::test]
async fn leaves_nothing_behind_when_it_is_interrupted() {
    ends_with("INT", &["standalone", "--tls", "--password", "it's"], 1).await;
    ends_with("TERM", &["cluster"], 6).await;
}

#[tokio::test]
async fn tells_how_it_is_used() {
    for arguments in [
        &[][..],
        &["start"],
        &["start", "ring"],
        &["start", "cluster", "--nodes", "2"],
        &["fleet", "cluster"],
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_antiphon-cluster"))
            .args(arguments)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let read = program.stderr.take().unwrap().read_to_string(&mut said).await.map(drop);
        read.unwrap();
        assert_eq!(program.wait().await.unwrap().code(), Some(2), "{arguments:?}");
        assert!(said.starts_with("usage:"), "{said}");
    }
}
