//! The replies of this node: started, listed, stopped, read while they live.

use crate::afterwards::{self, Question};
use crate::audience::Audience;
use crate::error::GenerationError;
use crate::live::Live;
use crate::prompt;
use crate::reply::{Ending, Outcome, Reply};
use crate::request::{Answer, Background, Place, ReplyRequest, Started};
use crate::writing::{Writer, Writing};
use antiphon_provider::{Providers, RequestContext, Requester, TextRequest};
use antiphon_realtime::Realtime;
use antiphon_state::reply_log::ReplyKey;
use antiphon_state::{ReplyLogs, SettingsHandle, Tasks};
use antiphon_storage::{Database, ErrorKind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Most models that answer one question side by side.
pub const MAX_ANSWERS: usize = 16;

/// Longest time a helper question (title, tags, follow-ups) may take.
pub(crate) const AFTERWARDS_TIMEOUT: Duration = Duration::from_mins(1);

/// Longest answer to a helper question, in tokens.
pub(crate) const AFTERWARDS_TOKENS: u32 = 300;

/// What replies are made of and told through.
pub(crate) struct Services {
    /// Where messages are kept.
    pub(crate) database: Database,
    /// Who answers.
    pub(crate) providers: Providers,
    /// How sockets are told.
    pub(crate) realtime: Realtime,
    /// What runs.
    pub(crate) tasks: Tasks,
    /// What live replies have said.
    pub(crate) reply_logs: ReplyLogs,
    /// Switches and templates of the helper questions.
    pub(crate) settings: SettingsHandle,
    /// Ids of the models that only demonstrate.
    pub(crate) local_models: Vec<String>,
    /// The start of the times at which replies are told ([`crate::pace::Pace`]).
    pub(crate) begun: Instant,
    running: TaskTracker,
    live: AtomicUsize,
    writing: Writing,
}

impl Services {
    /// Replies streaming on this node.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether the model runs here on the CPU, too small and too slow for helper questions.
    pub(crate) fn is_demonstration(&self, model: &str) -> bool {
        self.local_models.iter().any(|local| local == model)
    }

    /// The model that answers helper questions about an answer of `model`.
    pub(crate) fn helper_model(&self, model: &str) -> String {
        let settings = self.settings.current();
        let is_local = self.providers.model(model).is_some_and(|known| known.connection_type == "local");
        let chosen = if is_local { &settings.tasks.model } else { &settings.tasks.model_external };
        let known = !chosen.is_empty() && self.providers.model(chosen).is_some();
        if known { chosen.clone() } else { model.to_owned() }
    }
}

/// Counts a reply as streaming for as long as it is held.
struct Streaming<'a>(&'a Services);

impl<'a> Streaming<'a> {
    fn new(services: &'a Services) -> Self {
        services.live.fetch_add(1, Ordering::Relaxed);
        Self(services)
    }
}

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The replies of this node. Clones share them.
#[derive(Clone)]
pub struct Replies {
    pub(crate) services: Arc<Services>,
}

impl Replies {
    /// A service without any reply yet.
    pub fn new(
        database: Database,
        providers: Providers,
        realtime: Realtime,
        tasks: Tasks,
        reply_logs: ReplyLogs,
        settings: SettingsHandle,
        local_models: Vec<String>,
    ) -> Self {
        let services = Services {
            database,
            providers,
            realtime,
            tasks,
            reply_logs,
            settings,
            local_models,
            begun: Instant::now(),
            running: TaskTracker::new(),
            live: AtomicUsize::new(0),
            writing: Writing::default(),
        };
        Self { services: Arc::new(services) }
    }

    /// Stores the question and starts an answer of each model; the answers arrive over the user's sockets.
    pub async fn start(&self, request: ReplyRequest) -> Result<Started, GenerationError> {
        if request.answers.is_empty() || request.answers.len() > MAX_ANSWERS {
            return Err(GenerationError::AnswerCount { count: request.answers.len() });
        }
        if self.services.running.is_closed() {
            return Err(GenerationError::ShuttingDown);
        }
        let item = match &request.place {
            Place::Saved { chat_id: Some(chat_id), .. } | Place::Temporary { chat_id, .. } => chat_id.clone(),
            Place::Saved { chat_id: None, .. } => uuid::Uuid::new_v4().to_string(),
        };
        let mut claims = Vec::with_capacity(request.answers.len());
        for answer in &request.answers {
            let writer = self.services.writing.begin(&item, &answer.message_id);
            let writer = writer.ok_or(GenerationError::AlreadyWriting)?;
            claims.push((self.services.tasks.start(&item, &request.user.id)?, writer));
        }
        let task_ids: Vec<String> =
            claims.iter().map(|(guard, _)| guard.task().task_id.to_string()).collect();
        let turned = self.services.turn(&request, &item, &task_ids).await?;

        let first = self.audience(&request.user, &item, &request.answers[0].message_id);
        if let Some(question_id) = &turned.question_id {
            let listed = self.audience(&request.user, &item, question_id);
            listed.tell("chat:list", &json!({ "chat_id": item, "folder_id": turned.folder_id })).await;
        }
        if let Some(messages) = &turned.messages {
            first.tell_viewers("chat:messages", messages, request.session_id.as_deref()).await;
        }
        first.tell("chat:active", &json!({ "active": true, "folder_id": turned.folder_id })).await;

        let exchange = Arc::new(Exchange {
            services: self.services.clone(),
            user: request.user,
            chat_id: item.clone(),
            folder_id: turned.folder_id,
            title: turned.title,
            question: turned.question,
            background: request.background,
            stored: turned.question_id.is_some(),
        });
        for (index, (answer, (guard, writer))) in request.answers.into_iter().zip(claims).enumerate() {
            let context = exchange.context(&answer, turned.question_id.as_deref());
            let reply = Reply {
                services: self.services.clone(),
                audience: self.audience(&exchange.user, &item, &answer.message_id),
                guard,
                context,
                chat_id: item.clone(),
                message_id: answer.message_id,
                model: answer.provider_model,
                body: prompt::body(&request.form, &answer.defaults, turned.turns.clone()),
                stored: exchange.stored,
            };
            let exchange = exchange.clone();
            let answer = async move { Box::pin(exchange.answer(reply, writer, index == 0)).await };
            self.services.running.spawn(answer);
        }
        Ok(Started { chat_id: item, task_ids })
    }

    /// The live form of a message, if it is being written on this node.
    pub async fn live(&self, chat_id: &str, message_id: &str) -> Option<Live> {
        let snapshot = self.services.reply_logs.snapshot(&ReplyKey::new(chat_id, message_id)).await?;
        (!snapshot.finished).then(|| Live::fold(snapshot))
    }

    /// Replies streaming on this node.
    pub fn live_count(&self) -> usize {
        self.services.live()
    }

    /// Takes no further replies, gives those that run until `deadline` to end, then stops the rest with their text.
    pub async fn shut_down(&self, deadline: Duration) {
        self.services.running.close();
        if tokio::time::timeout(deadline, self.services.running.wait()).await.is_ok() {
            return;
        }
        for task in self.services.tasks.list_here() {
            self.services.tasks.stop(&task).await;
        }
        // Stopped replies only have to store what they have.
        if tokio::time::timeout(deadline, self.services.running.wait()).await.is_err() {
            tracing::warn!("some replies did not end in time; their text so far was saved while they ran");
        }
    }

    fn audience(&self, user: &Requester, chat_id: &str, message_id: &str) -> Audience {
        Audience::new(self.services.realtime.clone(), &user.id, chat_id, message_id)
    }
}

/// One question and what all its answers share.
struct Exchange {
    services: Arc<Services>,
    user: Requester,
    chat_id: String,
    folder_id: Option<String>,
    title: String,
    question: String,
    background: Background,
    stored: bool,
}

impl Exchange {
    fn context(&self, answer: &Answer, question_id: Option<&str>) -> RequestContext {
        RequestContext {
            chat_id: Some(self.chat_id.clone()),
            message_id: Some(answer.message_id.clone()),
            user_message_id: question_id.map(str::to_owned),
            ..RequestContext::of_user(self.user.clone())
        }
    }

    /// Runs one answer and what follows it. Only the first answer asks for a title, tags and follow-ups.
    async fn answer(&self, reply: Reply, writer: Writer, first: bool) {
        let outcome = self.run(&reply, writer, first).await;
        if first && matches!(outcome.ending, Ending::Completed { .. }) {
            self.follow_up(&reply, &outcome).await;
        }
        // The task ends here: its guard goes with the reply.
        let audience = reply.audience.clone();
        drop(reply);
        if self.services.tasks.of_item(&self.chat_id).await.is_empty() {
            audience.tell("chat:active", &json!({ "active": false, "folder_id": self.folder_id })).await;
        }
    }

    /// Runs one answer while the title is made; the end of the answer never waits for the title.
    async fn run(&self, reply: &Reply, writer: Writer, first: bool) -> Outcome {
        let titling = async {
            if first && self.background.title && self.stored {
                self.make_title(reply).await;
            }
        };
        let running = async {
            let _streaming = Streaming::new(&self.services);
            reply.run().await
        };
        let (mut titling, mut running) = (std::pin::pin!(titling), std::pin::pin!(running));
        let mut is_titled = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                () = &mut titling, if !is_titled => is_titled = true,
            }
        };
        drop(writer);
        self.tell_ending(reply, &outcome).await;
        if !is_titled {
            titling.await;
        }
        outcome
    }

    async fn tell_ending(&self, reply: &Reply, outcome: &Outcome) {
        let audience = &reply.audience;
        let listed = json!({ "chat_id": self.chat_id, "folder_id": self.folder_id });
        match &outcome.ending {
            Ending::Completed { last, usage } => {
                if let Some(usage) = usage {
                    audience.tell("chat:completion", &json!({ "usage": usage })).await;
                }
                if let Some(chunk) = last {
                    audience.tell("chat:completion", chunk).await;
                }
                if self.stored {
                    audience.tell("chat:list", &listed).await;
                }
                let title = self.title_now().await;
                let mut done = json!({ "done": true, "output": outcome.output, "title": title });
                if let Some(usage) = usage {
                    done["usage"] = usage.clone();
                }
                audience.tell("chat:completion", &done).await;
            }
            Ending::Cancelled => {
                audience.tell("chat:tasks:cancel", &json!({ "output": outcome.output })).await;
                audience.tell_bare("chat:tasks:cancel").await;
            }
            Ending::Failed(message) => {
                let error = json!({ "error": { "content": message }, "done": true });
                audience.tell("chat:message:error", &error).await;
            }
        }
    }

    /// The title of the chat: people may have renamed it since the question.
    async fn title_now(&self) -> String {
        if !self.stored {
            return String::new();
        }
        match self.services.database.chats().owned(&self.user.id, &self.chat_id).await {
            Ok(chat) => chat.title,
            Err(_) => self.title.clone(),
        }
    }

    /// Finds a title and stores it, unless somebody gave the chat another one meanwhile.
    async fn make_title(&self, reply: &Reply) {
        let settings = self.services.settings.current();
        let asked = if settings.tasks.title && !self.services.is_demonstration(&reply.model) {
            let template = &settings.tasks.title_template;
            let prompt = Question::Title.prompt(template, &self.question, "");
            self.ask(reply, "title_generation", prompt).await.and_then(|answer| afterwards::title(&answer))
        } else {
            None
        };
        let Some(title) = asked.or_else(|| afterwards::title_from_question(&self.question)) else { return };
        if self.title_now().await != self.title {
            return;
        }
        match self.services.database.chats().set_title(&self.user.id, &self.chat_id, &title).await {
            Ok(_) => reply.audience.tell("chat:title", &title).await,
            // The chat was deleted while its title was looked for.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                chat_id = self.chat_id, %error,
                "the title of a chat could not be stored; it keeps its first one"
            ),
        }
    }

    async fn follow_up(&self, reply: &Reply, outcome: &Outcome) {
        if self.services.is_demonstration(&reply.model) {
            return;
        }
        let settings = self.services.settings.current();
        if self.background.follow_ups && settings.tasks.follow_up {
            let template = &settings.tasks.follow_up_template;
            let prompt = Question::FollowUps.prompt(template, &self.question, &outcome.text);
            if let Some(answer) = self.ask(reply, "follow_up_generation", prompt).await {
                let follow_ups = afterwards::list(&answer, "follow_ups");
                if !follow_ups.is_empty() {
                    self.keep("followUps", reply, json!(follow_ups)).await;
                    reply
                        .audience
                        .tell("chat:message:follow_ups", &json!({ "follow_ups": follow_ups }))
                        .await;
                }
            }
        }
        if self.background.tags && settings.tasks.tags && self.stored {
            let template = &settings.tasks.tags_template;
            let prompt = Question::Tags.prompt(template, &self.question, &outcome.text);
            if let Some(answer) = self.ask(reply, "tags_generation", prompt).await {
                let tags = afterwards::list(&answer, "tags");
                if !tags.is_empty()
                    && self.services.add_tags(&self.user.id, &self.chat_id, &tags).await.is_ok()
                {
                    reply.audience.tell("chat:tags", &tags).await;
                }
            }
        }
    }

    async fn keep(&self, key: &str, reply: &Reply, value: Value) {
        if !self.stored {
            return;
        }
        let messages = self.services.database.messages();
        if let Err(error) = messages.set_extra(&self.chat_id, &reply.message_id, key, &value).await {
            tracing::debug!(%error, key, "a suggestion could not be stored with its message");
        }
    }

    /// Asks the helper model; a failure costs nothing but the suggestion.
    async fn ask(&self, reply: &Reply, task: &str, prompt: String) -> Option<String> {
        let request = TextRequest {
            max_tokens: Some(AFTERWARDS_TOKENS),
            timeout: AFTERWARDS_TIMEOUT,
            ..TextRequest::of_prompt(self.services.helper_model(&reply.model), prompt)
        };
        let context = RequestContext { task: Some(task.to_owned()), ..reply.context.clone() };
        let asked =
            self.services.providers.complete_text(request, &context, reply.guard.cancellation()).await;
        asked
            .inspect_err(|error| {
                tracing::debug!(task, error = error.operator_message(), "a helper question failed");
            })
            .ok()
    }
}
