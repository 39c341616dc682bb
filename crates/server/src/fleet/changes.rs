//! Settings and models that another node changed are read again from SQL.

use antiphon_api::App;
use antiphon_state::catch_up::{WHILE_CUT_OFF, pause};
use antiphon_state::{Exchange, Listener, published_settings};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What changed. Channel `{prefix}:antiphon:changes`, JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// Settings of the server.
    Settings,
    /// Records of models.
    Models,
}

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    node: String,
    what: What,
}

/// Hears of changes; those who follow look at the counts.
struct Ear {
    node_id: Arc<str>,
    settings: watch::Sender<u64>,
    models: watch::Sender<u64>,
}

impl Ear {
    fn heard(&self, what: What) {
        let count = match what {
            What::Settings => &self.settings,
            What::Models => &self.models,
        };
        count.send_modify(|count| *count += 1);
    }
}

impl Listener for Ear {
    fn message(&self, channel: &str, payload: &[u8]) {
        match serde_json::from_slice::<Message>(payload) {
            Ok(message) if *message.node == *self.node_id => {}
            Ok(message) => self.heard(message.what),
            Err(error) => tracing::debug!(channel, %error, "a message that is no change was left out"),
        }
    }

    fn resumed(&self, _gap: Duration) {
        self.heard(What::Settings);
        self.heard(What::Models);
    }
}

/// The settings of this node in step with SQL.
struct Settings {
    app: App,
    exchange: Exchange,
    /// The version in SQL that this node has, or has told of.
    version: i64,
    looked_at: Instant,
}

/// Follows the changes of other nodes and tells them of this one's, until `stop`.
pub(crate) async fn follow(app: App, exchange: Exchange, stop: CancellationToken) {
    let ear = Arc::new(Ear {
        node_id: exchange.node_id().clone(),
        settings: watch::channel(0).0,
        models: watch::channel(0).0,
    });
    let (mut settings_changed, mut models_changed) = (ear.settings.subscribe(), ear.models.subscribe());
    let (mut settings_here, mut models_here) = (app.settings.handle().subscribe(), app.models.made_here());
    exchange.listen(&exchange.channel("antiphon:changes"), ear).await;
    let mut settings = Settings { app, exchange, version: 0, looked_at: Instant::now() };
    let mut ticks = interval(WHILE_CUT_OFF);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut publishing = interval(published_settings::RENEWAL);
    publishing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = settings_changed.changed() => settings.look().await,
            _ = models_changed.changed() => settings.app.models.forget(),
            _ = settings_here.changed() => settings.tell().await,
            _ = models_here.changed() => settings.publish(What::Models).await,
            _ = publishing.tick() => settings.write().await,
            _ = ticks.tick() => {
                if settings.is_due() {
                    // Nobody counts the records of models, so they are read again with the next question.
                    if settings.exchange.is_cut_off() {
                        settings.app.models.forget();
                    }
                    settings.look().await;
                }
            }
        }
    }
}

impl Settings {
    fn is_due(&self) -> bool {
        self.looked_at.elapsed() >= pause(self.exchange.is_cut_off())
    }

    /// Reads the settings again if SQL has another version.
    async fn look(&mut self) {
        self.looked_at = Instant::now();
        let loaded: anyhow::Result<i64> = async {
            let version = self.app.database.settings().version().await?;
            if version != self.version {
                self.app.settings.load().await?;
                self.app.connections.apply(&self.app.settings).await;
            }
            Ok(version)
        }
        .await;
        match loaded {
            Ok(version) => self.version = version,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "Settings that another node changed could not be read; trying again within ten seconds. Check the database."
                );
            }
        }
    }

    /// Tells of a change that was made here. Taking over another node's change looks the same, but SQL's version is known then.
    async fn tell(&mut self) {
        let Ok(version) = self.app.database.settings().version().await else { return };
        if version != self.version {
            self.version = version;
            self.publish(What::Settings).await;
            self.write().await;
        }
    }

    async fn publish(&self, what: What) {
        let message = Message { node: self.exchange.node_id().to_string(), what };
        let payload = serde_json::to_vec(&message).unwrap_or_default();
        let channel = self.exchange.channel("antiphon:changes");
        if let Err(error) = self.exchange.publish(&channel, &payload).await {
            tracing::debug!(%error, "a change could not be published; the other nodes find it in the database");
        }
    }

    async fn write(&self) {
        published_settings::write(&self.exchange, &self.app.settings.current()).await;
    }
}
