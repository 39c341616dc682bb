//! Nodes and clients for the tests.
//!
//! [`on_both!`] makes async functions that take a [`Place`] tests on both databases; [`Place::start`] starts a node
//! there; [`NodeUnderTest::client`] and the helpers on it talk to the node.

pub(crate) mod chat;
mod client;
pub(crate) mod faults;
mod node;
mod place;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod script;
mod site;
mod socket;
mod surface;

pub(crate) use client::{Account, Answer, Client};
pub(crate) use node::NodeUnderTest;
pub(crate) use place::{Place, on_both, with_postgres, with_sqlite};
pub(crate) use site::{PASSWORD, Site};
pub(crate) use socket::{Heard, Socket, dial, text};

/// Whether Redis is broken in every way (`make test-failures`, `make test-fleet`), and not only in the most telling ones.
pub(crate) fn all_failures() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the server")]
    std::env::var("ANTIPHON_TEST_FAILURES").is_ok_and(|value| value == "1")
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let answered = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let answer = tokio::time::timeout(provider::LIMIT, answered).await;
        answer.unwrap_or_else(|_| panic!("{caller}: never came true: {what}"))
    }
}

/// Pause between two questions of [`eventually`].
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}
