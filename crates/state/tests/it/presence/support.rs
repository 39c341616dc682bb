//! Nodes of a fleet in one process.

use std::sync::Arc;
use std::time::Duration;

use antiphon_cluster::{Rig, wait_until};
use antiphon_state::redis::Connections;
use antiphon_state::{Clock, Exchange, LeaseTimes, Membership, Presence, Tasks};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::redis::support::{LIMIT, exchange};

/// Short, so that the tests are.
pub(crate) const TIMES: LeaseTimes =
    LeaseTimes { renew: Duration::from_millis(300), lapse: Duration::from_millis(1500) };

/// Lifetime of a task's key; more than the time between two renewals.
const TASK_LIFETIME: Duration = Duration::from_secs(2);

/// One node.
pub(crate) struct Member {
    pub(crate) connections: Arc<Connections>,
    pub(crate) exchange: Exchange,
    pub(crate) membership: Membership,
    pub(crate) presence: Presence,
    pub(crate) tasks: Tasks,
    running: Vec<JoinHandle<()>>,
}

impl Member {
    /// A node at a rig, whether Redis is there or not.
    pub(crate) async fn begin(rig: &Rig, further: &[(&str, &str)]) -> Self {
        Self::begin_with(rig, further, false).await
    }

    async fn begin_with(rig: &Rig, further: &[(&str, &str)], others: bool) -> Self {
        let (connections, exchange, reading) = exchange(rig, further);
        let membership = Membership::new(exchange.clone(), TIMES);
        let presence = Presence::fleet(Clock::system(), &membership).await;
        if others {
            presence.count_others(&membership);
        }
        let tasks = Tasks::fleet(&membership, Some(TASK_LIFETIME)).await;
        let holding = tokio::spawn(membership.clone().run(CancellationToken::new()));
        Self { connections, exchange, membership, presence, tasks, running: vec![reading, holding] }
    }

    /// A node at a rig, once it is ready and has read what others wrote.
    pub(crate) async fn start(rig: &Rig, further: &[(&str, &str)]) -> Self {
        Self::begin(rig, further).await.ready().await
    }

    /// The same, which counts sessions of servers of another kind.
    pub(crate) async fn counting_others(rig: &Rig) -> Self {
        Self::begin_with(rig, &[], true).await.ready().await
    }

    async fn ready(self) -> Self {
        soon("the links work", async || self.connections.status().is_ready()).await;
        self
    }

    /// Ends it as a killed process does.
    pub(crate) fn kill(mut self) {
        self.running.drain(..).for_each(|task| task.abort());
    }
}

/// Two nodes.
pub(crate) async fn members(rig: &Rig) -> (Member, Member) {
    (Member::start(rig, &[]).await, Member::start(rig, &[]).await)
}

/// Waits for a condition.
pub(crate) async fn soon(what: &str, condition: impl AsyncFnMut() -> bool) -> Duration {
    match wait_until(what, LIMIT, condition).await {
        Ok(took) => took,
        Err(error) => panic!("{error}"),
    }
}
