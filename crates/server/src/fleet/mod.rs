//! What a node does because there are others: it follows their changes, and makes sure that it belongs to them.

mod changes;
mod guard;

use crate::upkeep;
use antiphon_api::{App, follow_presence};
use antiphon_state::fingerprint::Fingerprint;
use antiphon_state::{Exchange, LeaseTimes, Locks, Membership};
use antiphon_storage::Database;
use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The node's place among the others.
pub(crate) struct Fleet {
    pub(crate) exchange: Exchange,
    pub(crate) membership: Membership,
    fingerprint: Fingerprint,
}

impl Fleet {
    /// Fails when other nodes use the prefix with another secret or database, and go on doing so.
    pub(crate) async fn join(exchange: Exchange, secret: &str, database: &Database) -> Result<Self> {
        let id = database.installation_id().await.context("the id of the database cannot be read")?;
        let fingerprint = Fingerprint::new(secret, &id);
        fingerprint.join(&exchange).await?;
        let membership = Membership::new(exchange.clone(), LeaseTimes::default());
        Ok(Self { exchange, membership, fingerprint })
    }

    /// Begins what goes on until `stop`.
    pub(crate) fn begin(self, app: &App, stop: &CancellationToken, jobs: &TaskTracker) {
        let Self { exchange, membership, fingerprint } = self;
        jobs.spawn(guard::guard(fingerprint, exchange.clone(), app.redis.clone(), stop.clone()));
        let locks = Locks::new(exchange.clone());
        jobs.spawn(upkeep::end_orphans(app.replies.clone(), locks, stop.clone()));
        jobs.spawn(membership.run(stop.clone()));
        jobs.spawn(follow_presence(app.clone(), stop.clone()));
        jobs.spawn(changes::follow(app.clone(), exchange, stop.clone()));
    }
}
