//! Waiting for a condition, with a limit.

use crate::error::{Error, Result};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Waits until a condition is true, and says how long that took.
///
/// `what` names the condition in the error, [`Error::Late`], that comes when it is still false after `limit`. A look at the
/// condition that takes longer than what is left of the limit counts as false.
pub async fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<Duration> {
    let begin = Instant::now();
    let looking = async {
        while !condition().await {
            tokio::time::sleep(STEP).await;
        }
    };
    tokio::time::timeout(limit, looking).await.map_err(|_| Error::Late { what: what.to_owned(), limit })?;
    Ok(begin.elapsed())
}
