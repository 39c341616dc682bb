//! TLS, sign-in and what is said when either is wrong.

use std::time::{Duration, Instant};

use antiphon_cluster::{Kind, Options, Rig, Server};
use antiphon_state::redis::{Code, RedisError, Repeat, TlsFault, cmd};

use super::support::{Links, all_failures, means, name, tell};

fn all(rig: &Rig) -> Vec<&Server> {
    rig.servers().iter().chain(rig.sentinels()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topology_works_with_tls_client_certificates_and_users() {
    for kind in Kind::ALL {
        let options = Options {
            tls: true,
            client_certificate: true,
            user: Some("app:user".to_owned()),
            password: Some("p@ss/w?rd +%".to_owned()),
            ..Options::new(kind)
        };
        let rig = Rig::with(options).await.expect("a rig");
        let begin = Instant::now();
        // With Sentinel the user of the servers is offered to Sentinels too, which know nobody.
        let links = Links::to(&rig).await;
        tell(
            &format!("{} with a client certificate and a user, start", name(kind, true)),
            begin.elapsed(),
            None,
        );
        links.round_trip("hello").await;
        links.check_connections(&all(&rig)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_may_be_plain_and_have_credentials_of_their_own() {
    let options = Options {
        tls: true,
        plain_sentinels: true,
        password: Some("servers".to_owned()),
        sentinel_user: Some("watcher".to_owned()),
        sentinel_password: Some("sentinels".to_owned()),
        ..Options::new(Kind::Sentinel)
    };
    let rig = Rig::with(options).await.expect("a rig");
    let links = Links::to(&rig).await;
    links.round_trip("hello").await;
    links.check_connections(&all(&rig)).await;
    let variables: Vec<_> =
        rig.variables().into_iter().filter(|(name, _)| *name != "ANTIPHON_REDIS_SENTINEL_PASSWORD").collect();
    let links = Links::start(&variables);
    links
        .wait_fault("the Sentinels refuse", |fault| {
            let RedisError::NoSentinel { last, .. } = fault else { return false };
            matches!(**last, RedisError::Reply { code: Code::WrongPass | Code::NoAuth, .. })
        })
        .await;
}

/// The case of TLS towards a server without it.
const PLAIN: &str = "the server is plain";

/// Variables of a rig with another address for both roles.
fn changed(rig: &Rig, change: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let change = |(name, text): (&'static str, String)| {
        let text = if name.ends_with("REDIS_URL") { change(&text) } else { text };
        (name, text)
    };
    rig.variables().into_iter().map(change).collect()
}

async fn told(
    rig: &Rig,
    case: &str,
    change: impl Fn(&str) -> String,
    expected: impl Fn(&RedisError) -> bool,
    remedy: &str,
) {
    let begin = Instant::now();
    let links = Links::start(&changed(rig, change));
    links.wait_fault(case, &expected).await;
    // A server without TLS says nothing to a TLS greeting, so that takes half of the 5 s of REDIS_SOCKET_CONNECT_TIMEOUT.
    let limit = if case == PLAIN { 3 } else { 1 };
    assert!(begin.elapsed() < Duration::from_secs(limit), "{case}: {:?}", begin.elapsed());
    let status = links.connections.status();
    let told =
        status.links.iter().find(|link| link.fault.as_ref().is_some_and(|fault| means(fault, &expected)));
    let said = told.and_then(|link| link.remedy.clone()).unwrap_or_default();
    assert!(said.contains(remedy), "{case}: {said}");
    // What only the operator can end is not waited for.
    let begin = Instant::now();
    let call = links.connections.main().command::<()>(Repeat::Idempotent, cmd("GET").arg("a").take()).await;
    assert!(
        matches!(call, Err(RedisError::Away { .. })) && begin.elapsed() < Duration::from_secs(1),
        "{case}: {call:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_tls_are_told_apart() {
    let names = vec!["redis.example".to_owned()];
    let rig = Rig::with(Options {
        tls: true,
        certificate_names: names,
        client_certificate: true,
        ..Options::new(Kind::Standalone)
    })
    .await
    .expect("a rig");
    let fault = |expected: TlsFault| move |fault: &RedisError| matches!(fault, RedisError::Tls { fault, .. } if *fault == expected);
    told(&rig, "the name is wrong", str::to_owned, fault(TlsFault::WrongName), "ssl_check_hostname").await;
    let nameless = |url: &str| format!("{url}&ssl_check_hostname=false");
    let without = |url: &str| nameless(url).replace("ssl_certfile", "x").replace("ssl_keyfile", "y");
    told(&rig, "the certificate is missing", without, fault(TlsFault::ClientCertificate), "ssl_certfile")
        .await;
    let unchecked = |url: &str| format!("{url}&ssl_cert_reqs=none");
    for change in [&nameless as &dyn Fn(&str) -> String, &unchecked] {
        let links = Links::start(&changed(&rig, change));
        links.wait_ready("a relaxed check").await;
        links.round_trip("hello").await;
    }
    let certificates = rig.certificates().expect("certificates");
    let other = certificates.client.display().to_string();
    let issuer = |url: &str| nameless(url).replace(&certificates.authority.display().to_string(), &other);
    told(&rig, "the issuer is unknown", issuer, fault(TlsFault::UnknownIssuer), "ssl_ca_certs").await;

    let plain = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let with_tls = |url: &str| format!("{}?ssl_cert_reqs=none", url.replace("redis://", "rediss://"));
    told(&plain, PLAIN, with_tls, fault(TlsFault::PlainServer), "redis://").await;
    let missing = options_error(&changed(&plain, |url| {
        format!("{}?ssl_ca_certs=/none", url.replace("redis://", "rediss://"))
    }));
    assert!(matches!(missing, RedisError::TlsFile { option: "ssl_ca_certs", .. }), "{missing}");
}

fn options_error(variables: &[(&str, String)]) -> RedisError {
    antiphon_state::redis::Connections::start(super::support::options(variables))
        .map(|_| ())
        .expect_err("a missing file")
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_sign_in_are_told_apart() {
    let options = Options { password: Some("right".to_owned()), ..Options::new(Kind::Standalone) };
    let rig = Rig::with(options).await.expect("a rig");
    let code = |expected: Code| move |fault: &RedisError| matches!(fault, RedisError::Reply { code, .. } if *code == expected);
    told(&rig, "a wrong password", |url| url.replace("right", "wrong"), code(Code::WrongPass), "REDIS_URL")
        .await;
    told(&rig, "no password", |url| url.replace(":right@", ""), code(Code::NoAuth), "REDIS_URL").await;
    told(&rig, "no such database", |url| url.replace("/0", "/99"), code(Code::NoDatabase), "REDIS_URL").await;

    for kind in [Kind::Sentinel, Kind::Cluster].into_iter().filter(|_| all_failures()) {
        let rig = Rig::with(Options { password: Some("right".to_owned()), ..Options::new(kind) })
            .await
            .expect("a rig");
        told(
            &rig,
            "a wrong password",
            |url| url.replace("right", "wrong"),
            code(Code::WrongPass),
            "REDIS_URL",
        )
        .await;
        told(&rig, "no password", |url| url.replace(":right@", ""), code(Code::NoAuth), "REDIS_URL").await;
    }

    let server = &rig.servers()[0];
    let acl = ["ACL", "SETUSER", "narrow", "on", ">pw", "~other:*", "&other:*", "+@all"];
    server.admin(&acl).await.expect("a user");
    let links = Links::start(&changed(&rig, |url| url.replace(":right@", "narrow:pw@")));
    links.wait_fault("the channel is refused", code(Code::NoPerm)).await;
    let call = links.connections.main().command::<()>(Repeat::Idempotent, cmd("GET").arg("a").take()).await;
    assert!(matches!(call, Err(RedisError::Reply { code: Code::NoPerm, .. })), "{call:?}");
    server.admin(&["ACL", "SETUSER", "narrow", "allkeys", "allchannels"]).await.expect("allowed");
    let recovery = links.wait_ready("the user may").await;
    tell("standalone, ACL corrected", recovery, None);
    links.check_connections(&[server]).await;

    server.admin(&["ACL", "SETUSER", "narrow", "-role", "-ping", "-client"]).await.expect("restricted");
    let links = Links::start(&changed(&rig, |url| url.replace(":right@", "narrow:pw@")));
    links.wait_ready("a user who may not ask for the role").await;
    links.round_trip("hello").await;
}
