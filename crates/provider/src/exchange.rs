//! One exchange with a service: address, headers, request, answer.

use crate::catalog::Member;
use crate::connection::{Connection, ConnectionKind, Endpoint};
use crate::context::{self, RequestContext};
use crate::error::{ProviderError, TimeBound};
use crate::http::{self, HttpClient, Incoming, Limits, Outgoing, Target};
use crate::model::ListedModel;
use crate::ollama::embed::Encoding;
use crate::ollama::response::Line;
use crate::ollama::stream::OllamaDecoder;
use crate::openai::stream::OpenAiDecoder;
use crate::options::{BODY_LIMIT, LAZY_START_TIMEOUT, MODEL_LIST_LIMIT, ProviderOptions};
use crate::reply::{Decoder, Reply, ReplyStream};
use crate::{ollama, openai};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The client and the rules for every exchange.
pub(crate) struct Exchange {
    pub(crate) http: HttpClient,
    pub(crate) options: ProviderOptions,
}

impl Exchange {
    /// Where the connection leads; starts a lazy endpoint.
    async fn base_url(&self, connection: &Connection, target: &Target) -> Result<Url, ProviderError> {
        match &connection.endpoint {
            Endpoint::Fixed(url) => Ok(url.clone()),
            Endpoint::Lazy(start) => match tokio::time::timeout(LAZY_START_TIMEOUT, start()).await {
                Ok(started) => started,
                Err(_) => Err(ProviderError::Timeout {
                    connection: target.label.clone(),
                    bound: TimeBound::Start,
                    after: LAZY_START_TIMEOUT,
                }),
            },
            Endpoint::Invalid { given, reason } => Err(ProviderError::Configuration {
                connection: target.label.clone(),
                problem: format!("{given} is not a usable base URL: {reason}"),
                remedy: "Enter a full address, such as http://host:8000/v1".into(),
            }),
        }
    }

    fn outgoing(
        &self,
        connection: &Connection,
        method: Method,
        url: Url,
        context: &RequestContext,
        body: Option<&Value>,
    ) -> Result<Outgoing, ProviderError> {
        let mut headers = context::headers(connection, self.options.forward_headers.as_ref(), context)?;
        let body = body.map(|body| {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            // `Display` of a JSON value cannot fail, unlike the general serialisation.
            Bytes::from(body.to_string())
        });
        Ok(Outgoing { method, url, headers, body })
    }

    /// Asks a question that is answered at once, with JSON.
    async fn ask(
        &self,
        connection: &Connection,
        target: &Target,
        path: Path,
    ) -> Result<Value, ProviderError> {
        let limits = Limits::of_listings(&self.options);
        let cancel = CancellationToken::new();
        let base = self.base_url(connection, target).await?;
        let url = match path {
            Path::OpenAiModels => openai::request::models_url(connection, &base),
            Path::Ollama(name) => http::join(&base, &["api", name]),
        };
        let outgoing = self.outgoing(connection, Method::GET, url, &RequestContext::default(), None)?;
        let incoming = self.http.send(target, outgoing, limits, &cancel).await?;
        let body = incoming.whole(target, MODEL_LIST_LIMIT, &cancel).await?;
        http::parse_json(target, &body, "the answer")
    }

    /// `GET /models`, as the service sends it.
    pub(crate) async fn openai_listing(
        &self,
        connection: &Connection,
        target: &Target,
    ) -> Result<Value, ProviderError> {
        self.ask(connection, target, Path::OpenAiModels).await
    }

    /// `GET /api/tags`, as the service sends it.
    pub(crate) async fn ollama_listing(
        &self,
        connection: &Connection,
        target: &Target,
    ) -> Result<Value, ProviderError> {
        self.ask(connection, target, Path::Ollama("tags")).await
    }

    /// `GET /api/version`, as the service sends it.
    pub(crate) async fn ollama_version(
        &self,
        connection: &Connection,
        target: &Target,
    ) -> Result<Value, ProviderError> {
        self.ask(connection, target, Path::Ollama("version")).await
    }

    /// The models of a connection.
    pub(crate) async fn listed_models(
        &self,
        connection: &Connection,
        target: &Target,
    ) -> Result<Vec<ListedModel>, ProviderError> {
        let listing = match connection.kind {
            ConnectionKind::OpenAi => self.openai_listing(connection, target).await?,
            ConnectionKind::Ollama => self.ollama_listing(connection, target).await?,
        };
        let excerpt = http::excerpt(target, listing.to_string().as_bytes());
        let entries = match connection.kind {
            ConnectionKind::OpenAi => openai::list::entries(listing),
            ConnectionKind::Ollama => ollama::list::entries(listing),
        };
        let Some(entries) = entries else {
            return Err(ProviderError::Malformed {
                connection: target.label.clone(),
                problem: "the answer is JSON, but no list of models".into(),
                excerpt,
            });
        };
        Ok(match connection.kind {
            ConnectionKind::OpenAi => openai::list::models(connection, entries),
            ConnectionKind::Ollama => ollama::list::models(connection, entries),
        })
    }

    /// Sends a chat request; `within` shortens the bounds of time.
    pub(crate) async fn chat(
        &self,
        member: &Member,
        model: &str,
        mut body: Map<String, Value>,
        context: &RequestContext,
        cancel: &CancellationToken,
        within: Option<Duration>,
    ) -> Result<Reply, ProviderError> {
        let Member { connection, target, .. } = member;
        let limits = Limits::of_requests(&self.options);
        let limits = within.map_or(limits, |time| limits.within(time));
        let base = self.base_url_or_cancelled(member, cancel).await?;
        let (url, body) = match connection.kind {
            ConnectionKind::OpenAi => {
                openai::request::complete_body(&mut body, model);
                let url = openai::request::url(connection, &base, model, &["chat", "completions"]);
                (url, Value::Object(body))
            }
            ConnectionKind::Ollama => {
                (http::join(&base, &["api", "chat"]), ollama::request::chat(body, model)?)
            }
        };
        let outgoing = self.outgoing(connection, Method::POST, url, context, Some(&body))?;
        let wants_stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
        drop(body);
        let incoming = self.http.send(target, outgoing, limits, cancel).await?;
        match connection.kind {
            ConnectionKind::OpenAi => openai_reply(target, incoming, wants_stream, cancel).await,
            ConnectionKind::Ollama if wants_stream => {
                let decoder = Decoder::Ollama(OllamaDecoder::new(model));
                Ok(Reply::Stream(Box::new(ReplyStream::new(
                    target.clone(),
                    incoming,
                    decoder,
                    cancel.clone(),
                ))))
            }
            ConnectionKind::Ollama => {
                let body = incoming.whole(target, BODY_LIMIT, cancel).await?;
                let line: Line = http::parse_object(target, &body, "an Ollama reply")?;
                if let Some(error) = line.error.as_ref().filter(|error| !error.is_null()) {
                    return Err(reported(target, error.to_string().as_bytes(), body.clone()));
                }
                Ok(Reply::Whole(ollama::response::completion(&line, model)))
            }
        }
    }

    /// Sends a request for embeddings.
    pub(crate) async fn embeddings(
        &self,
        member: &Member,
        model: &str,
        mut body: Map<String, Value>,
        context: &RequestContext,
        cancel: &CancellationToken,
    ) -> Result<Value, ProviderError> {
        let Member { connection, target, .. } = member;
        let base = self.base_url_or_cancelled(member, cancel).await?;
        let encoding = Encoding::asked(&body)?;
        let (url, body) = match connection.kind {
            ConnectionKind::OpenAi => {
                body.insert("model".into(), model.into());
                (openai::request::url(connection, &base, model, &["embeddings"]), Value::Object(body))
            }
            ConnectionKind::Ollama => {
                (http::join(&base, &["api", "embed"]), ollama::embed::request(body, model)?)
            }
        };
        let outgoing = self.outgoing(connection, Method::POST, url, context, Some(&body))?;
        let incoming = self.http.send(target, outgoing, Limits::of_requests(&self.options), cancel).await?;
        let body = incoming.whole(target, BODY_LIMIT, cancel).await?;
        match connection.kind {
            ConnectionKind::OpenAi => http::parse_json(target, &body, "a list of embeddings"),
            ConnectionKind::Ollama => {
                let answer = http::parse_object(target, &body, "a list of embeddings")?;
                Ok(ollama::embed::response(answer, model, encoding))
            }
        }
    }

    async fn base_url_or_cancelled(
        &self,
        member: &Member,
        cancel: &CancellationToken,
    ) -> Result<Url, ProviderError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ProviderError::Cancelled),
            base = self.base_url(&member.connection, &member.target) => base,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Path {
    OpenAiModels,
    Ollama(&'static str),
}

/// Takes the reply in the form in which it came, whichever was asked for.
async fn openai_reply(
    target: &Target,
    incoming: Incoming,
    wants_stream: bool,
    cancel: &CancellationToken,
) -> Result<Reply, ProviderError> {
    let is_stream = incoming.is("text/event-stream") || (wants_stream && !incoming.is("application/json"));
    if is_stream && !incoming.is("text/html") {
        let decoder = Decoder::OpenAi(OpenAiDecoder::new());
        return Ok(Reply::Stream(Box::new(ReplyStream::new(
            target.clone(),
            incoming,
            decoder,
            cancel.clone(),
        ))));
    }
    let body = incoming.whole(target, BODY_LIMIT, cancel).await?;
    let reply: Value = http::parse_json(target, &body, "a chat reply")?;
    let error = reply.get("error").filter(|error| !error.is_null());
    match error {
        Some(error) if reply.get("choices").is_none() => {
            Err(reported(target, error.to_string().as_bytes(), body))
        }
        _ if !reply.is_object() => Err(ProviderError::Malformed {
            connection: target.label.clone(),
            problem: "the answer is JSON, but no chat reply".into(),
            excerpt: http::excerpt(target, &body),
        }),
        _ => Ok(Reply::Whole(reply)),
    }
}

/// An error inside an answer with a success status.
fn reported(target: &Target, error: &[u8], body: Bytes) -> ProviderError {
    ProviderError::Reported {
        connection: target.label.clone(),
        message: target.scrub(http::upstream_words(error)),
        body,
    }
}
