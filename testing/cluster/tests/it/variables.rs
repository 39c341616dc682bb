//! The variables of a rig lead a client to it, and only one with the right credentials.

use crate::{start, start_with};
use antiphon_cluster::{Kind, Options, Rig};
use tokio::process::Command;

fn variable(rig: &Rig, name: &str) -> String {
    let found = rig.variables().into_iter().find(|(found, _)| *found == name);
    found.unwrap_or_else(|| panic!("{name} is not set")).1
}

/// Runs `redis-cli` with the options of a rig's TLS, and gives what it says, errors too.
async fn cli(rig: &Rig, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.arg("--no-auth-warning");
    if let Some(certificates) = rig.certificates() {
        command.arg("--tls").arg("--cacert").arg(&certificates.authority);
        if variable(rig, "REDIS_URL").contains("ssl_certfile") {
            command.arg("--cert").arg(&certificates.client).arg("--key").arg(&certificates.client_key);
        }
    }
    let output = command.args(arguments).output().await.expect("redis-cli runs");
    [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat()
        .trim()
        .to_owned()
}

/// The address without what `redis-cli` does not know.
fn plain(url: &str) -> &str {
    url.split('?').next().unwrap()
}

#[tokio::test]
async fn reach_a_standalone_server() {
    for tls in [false, true] {
        let rig = start(Kind::Standalone, tls).await;
        let url = variable(&rig, "REDIS_URL");
        assert_eq!(url.starts_with("rediss://"), tls);
        assert_eq!(variable(&rig, "WEBSOCKET_REDIS_URL"), url);
        assert_eq!(variable(&rig, "WEBSOCKET_MANAGER"), "redis");
        assert_eq!(cli(&rig, &["-u", plain(&url), "SET", "greeting", "hello"]).await, "OK");
        assert_eq!(rig.servers()[0].admin(&["GET", "greeting"]).await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn carry_credentials_and_certificates() {
    let rig = start_with(Options {
        tls: true,
        client_certificate: true,
        user: Some("ann".to_owned()),
        password: Some("p@ss/wörd%\"1".to_owned()),
        replicas: 1,
        ..Options::new(Kind::Standalone)
    })
    .await;
    let url = variable(&rig, "REDIS_URL");
    assert_eq!(cli(&rig, &["-u", plain(&url), "ACL", "WHOAMI"]).await, "ann");
    let address = rig.servers()[0].address();
    let anonymous = cli(&rig, &["-u", &format!("rediss://{address}"), "PING"]).await;
    assert!(anonymous.contains("NOAUTH"), "{anonymous}");
    let certificates = rig.certificates().unwrap();
    let without = Command::new("redis-cli")
        .args(["--tls", "--cacert"])
        .arg(&certificates.authority)
        .args(["-u", plain(&url), "PING"])
        .output()
        .await
        .unwrap();
    assert_ne!(String::from_utf8_lossy(&without.stdout).trim(), "PONG");
}

#[tokio::test]
async fn reach_the_master_by_the_sentinels() {
    let rig = start_with(Options {
        tls: true,
        password: Some("secret".to_owned()),
        sentinel_user: Some("watcher".to_owned()),
        sentinel_password: Some("other secret".to_owned()),
        master_name: "MyMaster-1".to_owned(),
        ..Options::new(Kind::Sentinel)
    })
    .await;
    assert_eq!(plain(&variable(&rig, "REDIS_URL")), "rediss://:secret@MyMaster-1/0");
    let hosts = variable(&rig, "REDIS_SENTINEL_HOSTS");
    assert_eq!(variable(&rig, "WEBSOCKET_SENTINEL_HOSTS"), hosts);
    let user = variable(&rig, "ANTIPHON_REDIS_SENTINEL_USERNAME");
    let password = variable(&rig, "ANTIPHON_REDIS_SENTINEL_PASSWORD");
    let hosts: Vec<&str> = hosts.split(',').collect();
    assert_eq!(hosts.len(), 3);
    for host in hosts {
        let (host, port) = host.rsplit_once(':').unwrap();
        let sentinel = ["-h", host, "-p", port, "--user", &user, "--pass", &password];
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "MyMaster-1"];
        let answer = cli(&rig, &[&sentinel[..], &ask[..]].concat()).await;
        let (host, port) = answer.split_once('\n').expect("host and port");
        assert_eq!(
            cli(&rig, &["-h", host, "-p", port, "--pass", "secret", "ROLE"]).await.lines().next(),
            Some("master")
        );
        let anonymous = cli(&rig, &[&sentinel[..4], &ask[..]].concat()).await;
        assert!(anonymous.contains("NOAUTH"), "{anonymous}");
    }
}

#[tokio::test]
async fn reach_a_cluster() {
    for tls in [false, true] {
        let rig =
            start_with(Options { tls, password: Some("secret".to_owned()), ..Options::new(Kind::Cluster) })
                .await;
        assert_eq!(variable(&rig, "REDIS_CLUSTER"), "true");
        assert_eq!(variable(&rig, "WEBSOCKET_REDIS_CLUSTER"), "true");
        let url = variable(&rig, "REDIS_URL");
        // As it stands, redis-cli 7.0 would take the empty user in it for a user's name.
        let anonymous = plain(&url).replace(":secret@", "");
        assert_ne!(anonymous, plain(&url));
        for key in ["a", "b", "c", "d", "e", "f"] {
            let answer = cli(&rig, &["-c", "-u", &anonymous, "--pass", "secret", "SET", key, "here"]).await;
            assert_eq!(answer, "OK", "{key}");
            let owner = rig.owner(key).await.unwrap();
            assert_eq!(owner.admin(&["GET", key]).await.unwrap(), "here");
        }
    }
}

#[tokio::test]
async fn reach_sentinels_without_tls_before_servers_with_it() {
    let rig = start_with(Options { tls: true, plain_sentinels: true, ..Options::new(Kind::Sentinel) }).await;
    assert_eq!(variable(&rig, "ANTIPHON_REDIS_SENTINEL_TLS"), "false");
    let hosts = variable(&rig, "REDIS_SENTINEL_HOSTS");
    for host in hosts.split(',') {
        let url = format!("redis://{host}");
        let ask = ["-u", &url, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        let output = Command::new("redis-cli").args(ask).output().await.unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(answer.lines().nth(1).unwrap(), rig.servers()[0].port.to_string());
    }
}
