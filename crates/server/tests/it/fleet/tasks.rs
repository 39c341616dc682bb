//! Replies are listed, stopped and ended from any node, and attempts to sign in are counted by all.

use super::{LIMIT, at, fleet_at, rig};
use crate::support::chat::{Asked, Question};
use crate::support::provider::{Fate, Provider};
use crate::support::{Account, PASSWORD, Site};
use antiphon_cluster::{Fleet, Kind, Proxy, Rig, wait_until};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// A killed node counts as dead after 15 s, and its replies are ended when they were found twice, 10 s apart.
const DEAD: Duration = Duration::from_mins(1);

/// Two nodes, one person with a session, and a provider.
struct Scene {
    fleet: Fleet,
    provider: Provider,
    here: Account,
    there: Account,
}

impl Scene {
    async fn at(rig: &Rig) -> Self {
        let provider = Provider::start().await;
        let service = [
            ("ENABLE_OPENAI_API", "true"),
            ("OPENAI_API_BASE_URLS", provider.base()),
            ("OPENAI_API_KEYS", "sk-test"),
        ];
        let fleet = fleet_at(rig, 2, &service).await;
        let here = Site::at(fleet.nodes()[0].url()).sign_up("Ada").await;
        let there = at(&fleet.nodes()[1], &here);
        Self { fleet, provider, here, there }
    }

    /// Asks the first node a question that is never answered to its end.
    async fn ask(&self, text: &str) -> Asked {
        let socket = self.here.connect(&Site::at(self.fleet.nodes()[0].url())).await;
        let asked = Question::new(text).ask(&self.here, &socket).await;
        self.provider.asked(text).await;
        asked
    }

    async fn is_listed(&self, asked: &Asked) -> bool {
        let tasks = self.there.get(&format!("/api/tasks/chat/{}", asked.chat_id)).await;
        *tasks.expect(200) == json!({ "task_ids": asked.task_ids })
    }

    async fn wait_listed(&self, asked: &Asked) {
        wait_until("the other node lists the task", LIMIT, async || self.is_listed(asked).await)
            .await
            .expect("in time");
    }
}

async fn is_stopped_from_another_node(kind: Kind) {
    let rig = rig(kind).await;
    let scene = Scene::at(&rig).await;
    let asked = scene.ask("[[tokens=9 hang=5]]").await;
    scene.wait_listed(&asked).await;
    let stop = format!("/api/tasks/chat/{}/stop", asked.chat_id);
    let stopped = scene.there.post(&stop, json!({})).await;
    assert_eq!(stopped.expect(200)["status"], true);
    assert_eq!(scene.provider.fate("[[tokens=9 hang=5]]").await, Fate::Cut);
    let done = async || scene.there.message(&asked.chat_id, asked.answer()).await["done"] == true;
    wait_until("the reply has ended", LIMIT, done).await.expect("in time");
    assert!(!scene.is_listed(&asked).await);
    // Nothing is left of it.
    let server = rig.keeper().await.expect("a master");
    let gone = async || {
        let left = server.admin(&["HLEN", &format!("{}:tasks", rig.prefix())]).await;
        left.is_ok_and(|left| left == "0")
    };
    wait_until("its keys are gone", LIMIT, gone).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_stopped_from_another_node() {
    is_stopped_from_another_node(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_stopped_from_another_node_of_a_cluster() {
    is_stopped_from_another_node(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_survives_the_loss_of_everything_in_redis() {
    let rig = rig(Kind::Standalone).await;
    let scene = Scene::at(&rig).await;
    let asked = scene.ask("[[tokens=4 hang=2]]").await;
    scene.wait_listed(&asked).await;
    rig.servers()[0].admin(&["FLUSHALL"]).await.expect("flushed");
    assert!(scene.is_listed(&asked).await, "the nodes know it all the same");
    let written = async || {
        let count = rig.servers()[0].admin(&["HLEN", "open-webui:tasks"]).await;
        count.is_ok_and(|count| count == "1")
    };
    wait_until("it is written again", LIMIT, written).await.expect("in time");
    rig.servers()[0].restart(false).await.expect("restarted");
    scene.wait_listed(&asked).await;
    let message = scene.there.message(&asked.chat_id, asked.answer()).await;
    assert_eq!((&message["done"], &message["error"]), (&json!(false), &json!(null)), "it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_a_node_whose_link_was_down() {
    let rig = rig(Kind::Standalone).await;
    let mut scene = Scene::at(&rig).await;
    let target: SocketAddr = rig.servers()[0].address().parse().expect("an address");
    let proxy = Proxy::start(target).expect("a proxy");
    let url = rig.url().replace(&target.to_string(), &format!("127.0.0.1:{}", proxy.port));
    let through = [("REDIS_URL", url.as_str()), ("WEBSOCKET_REDIS_URL", url.as_str())];
    scene.fleet.add(&through).await.expect("a third node");
    let third = &scene.fleet.nodes()[2];
    third.wait_ready(LIMIT).await.expect("ready");
    let site = Site::at(third.url());
    let ada = at(third, &scene.here);
    let socket = ada.connect(&site).await;
    let asked = Question::new("[[tokens=9 hang=5]]").ask(&ada, &socket).await;
    scene.provider.asked("[[tokens=9 hang=5]]").await;
    scene.wait_listed(&asked).await;
    proxy.black_hole();
    wait_until("the third node knows", LIMIT, async || !third.ready().await).await.expect("in time");
    let stop = format!("/api/tasks/chat/{}/stop", asked.chat_id);
    assert_eq!(scene.there.post(&stop, json!({})).await.expect(200)["status"], true);
    assert!(!scene.is_listed(&asked).await, "it is off the lists");
    proxy.pass();
    assert_eq!(scene.provider.fate("[[tokens=9 hang=5]]").await, Fate::Cut);
    let done = async || scene.there.message(&asked.chat_id, asked.answer()).await["done"] == true;
    wait_until("the reply has ended", LIMIT, done).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replies_of_a_killed_node_end_and_no_others() {
    let rig = rig(Kind::Standalone).await;
    let scene = Scene::at(&rig).await;
    let lost = scene.ask("[[tokens=9 hang=5]]").await;
    scene.wait_listed(&lost).await;
    let site = Site::at(scene.fleet.nodes()[1].url());
    let socket = scene.there.connect(&site).await;
    let living = Question::new("[[silent]]").ask(&scene.there, &socket).await;
    scene.fleet.nodes()[0].kill().expect("killed");
    let done = async || scene.there.message(&lost.chat_id, lost.answer()).await["done"] == true;
    let took = wait_until("the reply of the killed node is ended", DEAD, done).await.expect("in time");
    println!("ended {took:?} after the kill");
    let message = scene.there.message(&lost.chat_id, lost.answer()).await;
    assert!(message["error"]["content"].as_str().expect("a text").contains("stopped"), "{message}");
    let told = socket.event(&lost.chat_id, "chat:message:error").await;
    assert_eq!(told.data["done"], true, "its people are told");
    let message = scene.there.message(&living.chat_id, living.answer()).await;
    assert_eq!((&message["done"], &message["error"]), (&json!(false), &json!(null)), "the other goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_to_sign_in_are_counted_by_all_nodes() {
    let rig = rig(Kind::Cluster).await;
    let fleet = fleet_at(&rig, 2, &[]).await;
    let sites: Vec<Site> = fleet.nodes().iter().map(|node| Site::at(node.url())).collect();
    let ada = sites[0].sign_up("Ada").await;
    for attempt in 0..15 {
        let answer = sites[attempt % 2].try_sign_in(&ada.email, "wrong").await;
        assert_eq!(answer.status, 400, "{attempt}");
    }
    for site in &sites {
        let refused = site.try_sign_in(&ada.email, PASSWORD).await;
        assert_eq!(refused.status, 429);
    }
}
