//! All model services of this node behind one face.

use crate::catalog::{Catalog, ConnectionStatus, Freshness, Lister, Member};
use crate::connection::{Connection, ConnectionKind};
use crate::context::RequestContext;
use crate::error::ProviderError;
use crate::exchange::Exchange;
use crate::http::{HttpClient, Target, WebClient};
use crate::model::{Model, ModelList};
use crate::options::ProviderOptions;
use crate::reply::Reply;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The model services of a node; cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), antiphon_provider::ProviderError> {
/// use antiphon_provider::{Connection, ConnectionConfig, Freshness, ProviderOptions, Providers};
///
/// let providers = Providers::new(ProviderOptions::default())?;
/// let config = ConnectionConfig::default();
/// providers.replace(vec![Connection::openai(0, "http://localhost:8000/v1", "sk-…", config)]);
/// for model in providers.models(Freshness::Cached).await.models.iter() {
///     assert_eq!(model.object, "model");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Providers {
    exchange: Arc<Exchange>,
    catalog: Arc<Catalog>,
}

impl Providers {
    /// Sets up the HTTP client; there are no connections until [`Self::replace`].
    ///
    /// Fails when `AIOHTTP_CLIENT_SESSION_SSL` names a file that cannot be used.
    pub fn new(options: ProviderOptions) -> Result<Self, ProviderError> {
        let http = HttpClient::new(&options)?;
        let exchange = Arc::new(Exchange { http, options });
        let lister: Lister = {
            let exchange = Arc::clone(&exchange);
            Arc::new(move |member| {
                let exchange = Arc::clone(&exchange);
                Box::pin(async move { exchange.listed_models(&member.connection, &member.target).await })
            })
        };
        let options = &exchange.options;
        let catalog = Catalog::new(options.catalog.clone(), options.list_timeout, lister);
        Ok(Self { exchange, catalog: Arc::new(catalog) })
    }

    /// The HTTP client, for services that are no model services.
    pub fn web_client(&self) -> WebClient {
        WebClient::new(self.exchange.http.clone())
    }

    /// Takes over new connections, in the order of preference; those that did not change keep what is known of them.
    pub fn replace(&self, connections: Vec<Connection>) {
        self.catalog.replace(connections);
    }

    /// The joined list of models.
    ///
    /// Waits at most a short grace for lists that are being renewed; only when there is nothing to offer at all does it
    /// wait for the first list, up to `AIOHTTP_CLIENT_TIMEOUT_MODEL_LIST`.
    pub async fn models(&self, freshness: Freshness) -> ModelList {
        self.catalog.models(freshness).await
    }

    /// The joined list as it is known now, without waiting and without asking anybody.
    pub fn known_models(&self) -> ModelList {
        self.catalog.known()
    }

    /// A model that is known now; a look into a hash map.
    pub fn model(&self, id: &str) -> Option<Arc<Model>> {
        self.catalog.model(id)
    }

    /// The state of each connection, for the admin page.
    pub fn statuses(&self) -> Vec<ConnectionStatus> {
        self.catalog.statuses()
    }

    /// Sends a chat request in the OpenAI form.
    ///
    /// `body` is passed on with the model's own id put in; `stream` decides the form of the reply, unless the service
    /// answers otherwise. Cancelling, or dropping the reply, closes the connection to the service at once.
    pub async fn chat(
        &self,
        model_id: &str,
        body: Map<String, Value>,
        context: &RequestContext,
        cancel: &CancellationToken,
    ) -> Result<Reply, ProviderError> {
        let (member, upstream_id) = self.route(model_id, cancel).await?;
        let reply = self.exchange.chat(&member, &upstream_id, body, context, cancel, None).await;
        member.note_request(&reply);
        reply
    }

    /// Sends a request for embeddings in the OpenAI form and returns the answer in that form.
    pub async fn embeddings(
        &self,
        model_id: &str,
        body: Map<String, Value>,
        context: &RequestContext,
        cancel: &CancellationToken,
    ) -> Result<Value, ProviderError> {
        let (member, upstream_id) = self.route(model_id, cancel).await?;
        let answer = self.exchange.embeddings(&member, &upstream_id, body, context, cancel).await;
        member.note_request(&answer);
        answer
    }

    /// Sends a short request and returns the text of the answer, without thoughts: titles, tags, follow-ups.
    pub async fn complete_text(
        &self,
        request: crate::TextRequest,
        context: &RequestContext,
        cancel: &CancellationToken,
    ) -> Result<String, ProviderError> {
        let (member, upstream_id) = self.route(&request.model, cancel).await?;
        let text = self.exchange.complete_text(&member, &upstream_id, request, context, cancel).await;
        member.note_request(&text);
        text
    }

    /// Tries out a connection that need not be in use: an OpenAI-compatible service answers with its list of models as
    /// it is, Ollama with its version.
    pub async fn verify(&self, connection: &Connection) -> Result<Value, ProviderError> {
        // It may not be in anybody's list, so its place in one says nothing.
        let target = Target { label: connection.trial_label(), secrets: connection.secrets() };
        match connection.kind {
            ConnectionKind::OpenAi => self.exchange.openai_listing(connection, &target).await,
            ConnectionKind::Ollama => self.exchange.ollama_version(connection, &target).await,
        }
    }

    /// The list of models of one connection as the service sends it (`/openai/models/{index}`, `/ollama/api/tags`).
    ///
    /// None when there is no such connection.
    pub async fn upstream_models(
        &self,
        kind: ConnectionKind,
        index: usize,
    ) -> Option<Result<Value, ProviderError>> {
        let member = self.member(kind, index)?;
        Some(match kind {
            ConnectionKind::OpenAi => self.exchange.openai_listing(&member.connection, &member.target).await,
            ConnectionKind::Ollama => self.exchange.ollama_listing(&member.connection, &member.target).await,
        })
    }

    /// The version of one Ollama service (`/ollama/api/version`); none when there is no such connection.
    pub async fn ollama_version(&self, index: usize) -> Option<Result<Value, ProviderError>> {
        let member = self.member(ConnectionKind::Ollama, index)?;
        Some(self.exchange.ollama_version(&member.connection, &member.target).await)
    }

    async fn route(
        &self,
        model: &str,
        cancel: &CancellationToken,
    ) -> Result<(Arc<Member>, Arc<str>), ProviderError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ProviderError::Cancelled),
            place = self.catalog.route(model) => place,
        }
    }

    fn member(&self, kind: ConnectionKind, index: usize) -> Option<Arc<Member>> {
        let members = self.catalog.members();
        members
            .iter()
            .find(|member| member.connection.kind == kind && member.connection.index == index)
            .cloned()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<_> =
            self.catalog.members().iter().map(|member| member.target.label.clone()).collect();
        formatter.debug_struct("Providers").field("connections", &labels).finish_non_exhaustive()
    }
}
