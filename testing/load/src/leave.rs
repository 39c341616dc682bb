//! Many sockets that vanish at once, as when a balancer dies or a train enters a tunnel, and what of them is still in Redis later.

use crate::probe::{self, Sample};
use crate::redis::{Contents, Redis};
use crate::report::{self, per};
use crate::setup::{self, MODEL};
use crate::sio::Spread;
use crate::{Target, sio};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Time between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Args)]
pub struct Opts {
    #[command(flatten)]
    target: Target,
    /// Sockets to open, and to drop
    #[arg(long, default_value_t = 600)]
    conns: usize,
    /// Sockets being opened at any moment
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// Seconds within which nothing of them may be left
    #[arg(long, default_value_t = 20)]
    patience: u64,
}

pub async fn run(opts: Opts) -> Result<()> {
    let target = &opts.target;
    let address = target.redis.as_deref().context("leave needs --redis: it looks at what is left there")?;
    let state = setup::load(target, target.users).await?;
    let mut redis = Redis::open(address).await?;
    let before = redis.contents().await?;
    let clients_before = redis.clients().await?;

    let opened = sio::open_many(target, &state, opts.conns, opts.at_once, Spread::InTurn).await?;
    let (vanish, vanished) = watch::channel(());
    let mut tabs = JoinSet::new();
    for mut tab in opened.tabs {
        let mut vanished = vanished.clone();
        tabs.spawn(async move {
            // So that the servers have more to forget than the socket.
            tab.socket.emit(&json!(["usage", { "model": MODEL }])).await?;
            loop {
                tokio::select! {
                    // Dropped without a word: the servers see their connection end.
                    _ = vanished.changed() => return anyhow::Ok(()),
                    event = tab.socket.next_event() => {
                        event?.context("closed by the server")?;
                    }
                }
            }
        });
    }
    // What is in Redis while they are there: settled once two looks in a row agree.
    let mut open = redis.contents().await?.beyond(&before);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(opts.patience) {
        sleep(LOOK_EVERY).await;
        let now = redis.contents().await?.beyond(&before);
        let settled = now.keys == open.keys && now.channels.len() == open.channels.len();
        open = now;
        if settled {
            break;
        }
    }

    let sample = Sample::take(target).await?;
    drop(vanish);
    let lost = tabs.join_all().await.into_iter().filter(Result::is_err).count();
    let begin = Instant::now();
    let mut clients_max = 0;
    let (left, gone_after) = loop {
        let left = redis.contents().await?.beyond(&before);
        clients_max = redis.clients().await?.max(clients_max);
        if left.is_empty() {
            break (left, Some(begin.elapsed().as_secs_f64()));
        }
        if begin.elapsed() >= Duration::from_secs(opts.patience) {
            break (left, None);
        }
        sleep(LOOK_EVERY).await;
    };
    let cost = sample.until_now(target).await?;
    let clients_after = redis.clients().await?;

    let n = opts.conns as f64;
    let cpu_ms = per(cost.cpu_s * 1e3, n);
    let elements = |contents: &Contents| contents.keys.values().sum::<u64>();
    let human = format!(
        "leave {} sockets at once: {} elements in Redis and {} channels while they were there, {} and {} left {}; \
         {} Redis clients before, {clients_max} at most, {clients_after} after; {lost} lost",
        opts.conns,
        elements(&open),
        open.channels.len(),
        elements(&left),
        left.channels.len(),
        gone_after.map_or_else(|| format!("after {} s", opts.patience), |s| format!("after {s:.1} s")),
        clients_before,
    );
    let figures = json!({
        "command": "leave", "label": target.label, "instances": target.url.len(), "conns": opts.conns,
        "users": state.users.len().min(opts.conns), "open_elements": elements(&open), "open_channels": open.channels.len(),
        "open_by_key": families(&open), "left_elements": elements(&left), "left_channels": left.channels.len(),
        "left_by_key": families(&left), "gone_after_s": gone_after, "cpu_ms_per_socket": cpu_ms,
        "redis_clients_before": clients_before, "redis_clients_max": clients_max, "redis_clients_after": clients_after,
        "server_rss_mib": cost.rss_kib as f64 / 1024.0, "lost": lost, "load1": probe::load1(),
    });
    report::print(&human, target.json, [figures]);
    Ok(())
}

/// Elements by key, with what differs from socket to socket taken out of the names.
fn families(contents: &Contents) -> BTreeMap<String, u64> {
    let mut families = BTreeMap::new();
    for (key, elements) in &contents.keys {
        let parts = key.split(':').map(|part| {
            let id = part.len() >= 16 && part.bytes().any(|byte| byte.is_ascii_digit());
            if id { "*" } else { part }
        });
        *families.entry(parts.collect::<Vec<_>>().join(":")).or_default() += elements;
    }
    families
}
