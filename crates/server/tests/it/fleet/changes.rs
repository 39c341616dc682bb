//! Sign-outs and settings of one node hold on all.

use super::{LIMIT, at, fleet_at, rig};
use crate::support::{Account, Site};
use antiphon_cluster::{Fleet, Kind, Rig, wait_until};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Within this time every node knows.
const SOON: Duration = Duration::from_secs(1);

async fn is_refused(account: &Account) -> bool {
    account.get("/api/v1/auths/").await.status == 401
}

async fn sign_out_holds_everywhere(rig: &Rig, break_redis: bool) {
    let fleet = fleet_at(rig, 2, &[]).await;
    let [one, other] = fleet.nodes() else { panic!("two nodes") };
    let (here, there) = (Site::at(one.url()), Site::at(other.url()));
    let first = here.sign_up("Ada").await;
    let second = there.sign_in("Ada").await;
    let first_there = at(other, &first);
    let sockets = (first_there.connect(&there).await, second.connect(&there).await);
    if break_redis {
        for server in rig.servers() {
            server.freeze().expect("frozen");
        }
        let cut_off = async || !other.ready().await && !one.ready().await;
        wait_until("both nodes know", LIMIT, cut_off).await.expect("in time");
    }
    first.post("/api/v1/auths/signout", json!({})).await.expect(200);
    assert!(is_refused(&first).await, "at once where it was asked for");
    let bound = if break_redis { 2 * SOON } else { SOON };
    let refused = async || is_refused(&first_there).await;
    let took = wait_until("the other node refuses the token", LIMIT, refused).await.expect("in time");
    assert!(took < bound, "{took:?}");
    let closed = async || sockets.0.is_closed();
    let took = wait_until("its socket there is closed", LIMIT, closed).await.expect("in time");
    assert!(took < bound, "{took:?}");
    assert!(!is_refused(&second).await && !sockets.1.is_closed(), "the other session goes on");
    for server in rig.servers() {
        server.thaw().expect("thawed");
    }
    for server in rig.servers() {
        // It is not undone by the loss of everything in Redis.
        let _ = server.admin(&["FLUSHALL"]).await;
    }
    fleet.wait_ready(LIMIT).await.expect("ready");
    assert!(is_refused(&first_there).await && is_refused(&first).await);
    assert!(!is_refused(&second).await && !sockets.1.is_closed());

    // A new password ends what there is, everywhere.
    let form = json!({ "password": crate::support::PASSWORD, "new_password": "An0ther!1" });
    at(one, &second).post("/api/v1/auths/update/password", form).await.expect(200);
    let ended = async || is_refused(&second).await && sockets.1.is_closed();
    let took = wait_until("the sessions have ended on the other node", LIMIT, ended).await.expect("in time");
    assert!(took < SOON, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_holds_on_every_node() {
    sign_out_holds_everywhere(&rig(Kind::Standalone).await, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_holds_on_every_node_of_a_cluster() {
    sign_out_holds_everywhere(&rig(Kind::Cluster).await, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_holds_on_every_node_while_redis_is_frozen() {
    sign_out_holds_everywhere(&rig(Kind::Standalone).await, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_settings_is_served_by_every_node() {
    let rig = rig(Kind::Sentinel).await;
    let fleet = fleet_at(&rig, 2, &[]).await;
    let [one, other] = fleet.nodes() else { panic!("two nodes") };
    let here = Site::at(one.url());
    let ada = here.sign_up("Ada").await;
    let ada_there = at(other, &ada);
    let shown = async |account: &Account| {
        account.get("/api/v1/auths/admin/config").await.expect(200)["ENABLE_SIGNUP"].clone()
    };
    let mut form = ada.get("/api/v1/auths/admin/config").await.expect(200).clone();
    for value in [true, false] {
        form["ENABLE_SIGNUP"] = json!(value);
        here.configure(&ada, form.clone()).await;
        let served = async || shown(&ada_there).await == value;
        let took = wait_until("the other node serves it", LIMIT, served).await.expect("in time");
        assert!(took < SOON, "{took:?}");
    }
    let master = rig.master().await.expect("a master");
    let written = master.admin(&["GET", "open-webui:config:ui.enable_signup"]).await.expect("a reply");
    assert_eq!(written, "false", "where operators look");

    // While Redis is away, and again when both change something then.
    for server in rig.servers() {
        server.freeze().expect("frozen");
    }
    wait_until("it is noticed", LIMIT, async || !one.ready().await && !other.ready().await)
        .await
        .expect("in time");
    form["ENABLE_SIGNUP"] = json!(true);
    here.configure(&ada, form).await;
    let took = wait_until("the other node serves it", LIMIT, async || shown(&ada_there).await == true)
        .await
        .expect("in time");
    assert!(took < 3 * SOON, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_secret_or_database_is_refused() {
    let rig = rig(Kind::Standalone).await;
    let mut fleet = fleet_at(&rig, 1, &[]).await;
    let program = Path::new(env!("CARGO_BIN_EXE_antiphon"));
    // Each waits whether the others go, so they wait at the same time.
    let (with_secret, with_database) = tokio::join!(
        fleet.add(&[("WEBUI_SECRET_KEY", "another-secret-key")]),
        Fleet::start(program, 1, rig.variables())
    );
    let with_secret = with_secret.expect_err("refused").to_string();
    let with_database = with_database.expect_err("refused").to_string();
    for (error, said) in [
        (with_secret, "another secret key (WEBUI_SECRET_KEY)"),
        (with_database, "another database (DATABASE_URL)"),
    ] {
        for text in ["REDIS_KEY_PREFIX=open-webui", said, "the same WEBUI_SECRET_KEY, DATABASE_URL"] {
            assert!(error.contains(text), "{text} in {error}");
        }
    }
    // Another prefix is another fleet.
    let prefix = [("REDIS_KEY_PREFIX", "elsewhere"), ("WEBUI_SECRET_KEY", "another-secret-key")];
    fleet.add(&prefix).await.expect("a node").wait_ready(LIMIT).await.expect("ready");
    // A fleet that was killed leaves its prefix to the next one, which waits for it.
    for node in fleet.nodes() {
        node.kill().expect("killed");
    }
    let next = Fleet::start(program, 1, rig.variables()).await.expect("another installation");
    next.wait_ready(LIMIT).await.expect("ready");
}
