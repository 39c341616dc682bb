//! Shows to which fleet this node belongs, and finds out when it does not.

use antiphon_api::RedisLinks;
use antiphon_state::Exchange;
use antiphon_state::fingerprint::{Fingerprint, Seen};
use antiphon_state::redis::RedisError;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it is shown again.
const RENEWAL: Duration = Duration::from_secs(2);

/// Rounds that a stranger finds the prefix free before it takes it: after a flush the fleet itself comes first.
const ROUNDS_FREE: u32 = 4;

/// Shows the fingerprint again and again until `stop`; a node that turns out to be a stranger is not ready meanwhile.
pub(crate) async fn guard(
    fingerprint: Fingerprint,
    exchange: Exchange,
    links: RedisLinks,
    stop: CancellationToken,
) {
    let mut ticks = interval(RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stranger, mut free, mut refused) = (false, 0, false);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let shown = fingerprint.show(&exchange, !stranger || free >= ROUNDS_FREE).await;
        tell_refusal(&shown, &exchange, &mut refused);
        match shown {
            Ok(Seen::Same) => {
                links.set_stranger(None);
                (stranger, free) = (false, 0);
            }
            Ok(Seen::Other(other)) => {
                links.set_stranger(Some(other.to_string()));
                if !std::mem::replace(&mut stranger, true) {
                    tracing::error!("This node is not ready: {other}");
                }
                free = 0;
            }
            Ok(Seen::Free) => free += 1,
            Err(error) => tracing::debug!(%error, "the fingerprint could not be shown"),
        }
    }
    if !stranger && let Err(error) = fingerprint.leave(&exchange).await {
        tracing::debug!(%error, "the fingerprint stays until its time is over");
    }
}

/// Says once when Redis refuses to be written to, and once when it does so no more.
fn tell_refusal(shown: &Result<Seen, RedisError>, exchange: &Exchange, refused: &mut bool) {
    match shown {
        Err(error @ RedisError::Reply { .. }) if !std::mem::replace(refused, true) => {
            let remedy = exchange
                .connections()
                .map(|connections| error.remedy(connections.options().main.role.variables()))
                .unwrap_or_default();
            tracing::warn!(
                "Redis refuses what this node writes for the others: {error}. {remedy} Meanwhile this node serves its own people from \
                 memory and the database."
            );
        }
        Ok(_) if std::mem::take(refused) => tracing::info!("Redis takes what this node writes again."),
        _ => {}
    }
}
