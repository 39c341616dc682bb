//! The state of the connections, for the admin page.

use super::member::{Failure, Member};
use crate::connection::ConnectionKind;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether a connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// The last listing or request succeeded.
    Working,
    /// The last listing or request failed; see the failure.
    Failing,
    /// It has not been asked yet.
    Unknown,
    /// It is switched off.
    Off,
}

/// The state of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionStatus {
    /// The protocol.
    pub kind: ConnectionKind,
    /// Its place in the operator's list of its kind.
    pub index: usize,
    /// Its address without credentials; empty for the local model.
    pub url: String,
    /// Whether it works.
    pub state: ConnectionState,
    /// How many models it offers now.
    pub models: usize,
    /// Whether the models were named by the operator instead of being listed by the service.
    pub named_models: bool,
    /// Whether an older list is offered because the last listing failed.
    pub stale: bool,
    /// Seconds since 1970 of the last good listing.
    pub listed_at: Option<u64>,
    /// Seconds since 1970 of the last listing, good or not.
    pub checked_at: Option<u64>,
    /// Milliseconds that the last listing took.
    pub took_ms: Option<u64>,
    /// Whether a listing is under way.
    pub checking: bool,
    /// Why it fails.
    pub failure: Option<FailureReport>,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureReport {
    /// `listing` or `request`.
    pub of: &'static str,
    /// A fixed word, such as `unreachable` or `timeout`.
    pub kind: &'static str,
    /// What was seen.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// Seconds since 1970.
    pub at: u64,
}

impl ConnectionStatus {
    pub(crate) fn of(member: &Member, models: usize) -> Self {
        let listing = member.listing();
        let request_failure = member.request_failure();
        let failure = match (&listing.failure, &request_failure) {
            (Some(failure), _) => Some(report("listing", failure)),
            (None, Some(failure)) => Some(report("request", failure)),
            (None, None) => None,
        };
        let known = listing.listed.is_some() || member.is_static;
        let state = match &failure {
            _ if !member.enabled() => ConnectionState::Off,
            Some(_) => ConnectionState::Failing,
            None if known => ConnectionState::Working,
            None => ConnectionState::Unknown,
        };
        Self {
            kind: member.connection.kind,
            index: member.connection.index,
            url: member.connection.shown_url(),
            state,
            models,
            named_models: member.is_static,
            stale: listing.failure.is_some() && models > 0,
            listed_at: listing.listed.map(|(_, at)| seconds(at)),
            checked_at: listing.attempted.map(|(_, at, _)| seconds(at)),
            took_ms: listing.attempted.map(|(.., took)| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            checking: listing.under_way.is_some(),
            failure,
        }
    }
}

fn report(of: &'static str, failure: &Failure) -> FailureReport {
    FailureReport {
        of,
        kind: failure.error.kind(),
        cause: failure.error.cause(),
        remedy: failure.error.remedy().into_owned(),
        at: seconds(failure.at),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
