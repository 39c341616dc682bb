//! A real OpenID Connect provider, run as a program of its own (`testing/oidc`).

use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Longest time until it listens; the first start installs it.
const START: Duration = Duration::from_mins(2);

/// A running provider. It is killed when this is dropped.
pub(super) struct Provider {
    child: Child,
    pub(super) issuer: String,
}

impl Provider {
    /// Starts a provider on a port of the system's choice.
    pub(super) async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/oidc/run");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the provider's program");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let listens = async {
            while let Some(line) = lines.next_line().await.expect("a line") {
                if let Ok(Value::Object(told)) = serde_json::from_str(&line) {
                    return told["issuer"].as_str().expect("an issuer").to_owned();
                }
            }
            panic!("the provider ended; run testing/oidc/run to see why");
        };
        let issuer = tokio::time::timeout(START, listens).await.expect("the provider listens in time");
        Self { child, issuer }
    }

    /// The variables by which a node knows it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OPENID_PROVIDER_URL", format!("{}/.well-known/openid-configuration", self.issuer)),
            ("OAUTH_CLIENT_ID", "antiphon".to_owned()),
            ("OAUTH_CLIENT_SECRET", SECRET.to_owned()),
            ("OAUTH_PROVIDER_NAME", "Example Id".to_owned()),
            ("ENABLE_OAUTH_SIGNUP", "true".to_owned()),
            ("DEFAULT_USER_ROLE", "user".to_owned()),
        ]
    }

    /// Changes what it does from now on; an empty object ends that.
    pub(super) async fn control(&self, change: Value) {
        let address = format!("{}/control", self.issuer);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        http.post(address).body(change.to_string()).send().await.expect("an answer");
    }

    /// Ends it at once.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.expect("the provider is killed");
    }
}

/// The secret of the server's client at the provider.
pub(super) const SECRET: &str = "the secret of a test";
