//! What other nodes revoked while they could not be heard, read from SQL.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_state::catch_up::{WHILE_CUT_OFF, pause};
use antiphon_state::{Clock, Revocations};
use tokio::time::{Instant, sleep_until};

use super::Authenticator;
use crate::accounts::Accounts;

/// How far back each look goes, for clocks that differ and writes that took long.
const OVERLAP: Duration = Duration::from_mins(1);

/// Rows of one answer from which on some may have been left out.
const FULL: usize = 10_000;

/// Follows the changes in SQL.
pub(super) struct CatchUp {
    accounts: Arc<dyn Accounts>,
    clock: Clock,
    looked_at: Instant,
    /// Unix seconds: everything up to [`OVERLAP`] before is known.
    known_until: u64,
    /// Changes of accounts that were seen within the overlap, with their times.
    seen: HashMap<String, u64>,
    /// A whole reading is owed, because the last one failed.
    owed: bool,
}

impl CatchUp {
    /// Knows everything up to now: call this after the first reading.
    pub(super) fn new(accounts: Arc<dyn Accounts>, clock: Clock) -> Self {
        let known_until = clock.unix_seconds();
        Self { accounts, clock, looked_at: Instant::now(), known_until, seen: HashMap::new(), owed: false }
    }

    /// Waits until it is time to look again; for ever where there are no other nodes.
    pub(super) async fn due(&self, revocations: &Revocations) {
        if !revocations.is_fleet() {
            return std::future::pending().await;
        }
        loop {
            // After a failure it is tried again as soon.
            let due = self.looked_at + pause(self.owed || revocations.is_cut_off());
            let now = Instant::now();
            if now >= due {
                return;
            }
            // Looked at again each second, because the links may fail meanwhile.
            sleep_until(due.min(now + WHILE_CUT_OFF)).await;
        }
    }

    /// Takes over what changed lately.
    pub(super) async fn recent(&mut self, revocations: &Revocations, authenticator: &Authenticator) {
        if self.owed {
            return self.all(revocations, authenticator).await;
        }
        self.looked_at = Instant::now();
        let now = self.clock.unix_seconds();
        let since = self.known_until.saturating_sub(OVERLAP.as_secs());
        let read = async {
            Ok::<_, crate::AuthError>((
                self.accounts.revoked_since(since).await?,
                self.accounts.changed_since(since).await?,
            ))
        };
        let (tokens, accounts) = match read.await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "sign-outs of other nodes could not be read; trying again in a second");
                return;
            }
        };
        // A full answer may have left some out: go on from its last one.
        let last =
            tokens.last().map(|(_, at)| *at).into_iter().chain(accounts.last().map(|(_, at)| *at)).min();
        self.known_until = if tokens.len().max(accounts.len()) < FULL { now } else { last.unwrap_or(now) };
        revocations.take_over(tokens.into_iter().map(|(token, _)| token));
        self.seen.retain(|_, at| *at >= since);
        for (user_id, at) in accounts {
            // Told once for each change.
            if self.seen.insert(user_id.clone(), at) != Some(at) {
                authenticator.invalidate_user(&user_id);
                revocations.found_changed(&user_id);
            }
        }
    }

    /// Reads everything again and has every session checked.
    pub(super) async fn all(&mut self, revocations: &Revocations, authenticator: &Authenticator) {
        self.looked_at = Instant::now();
        let now = self.clock.unix_seconds();
        match self.accounts.revoked_tokens(now).await {
            Ok(tokens) => {
                revocations.take_over(tokens);
                authenticator.invalidate_all();
                revocations.check_everything();
                (self.known_until, self.owed) = (now, false);
            }
            Err(error) => {
                self.owed = true;
                tracing::warn!(
                    %error,
                    "Sign-outs of other nodes could not be read from the database; trying again each second. Check the database."
                );
            }
        }
    }
}
