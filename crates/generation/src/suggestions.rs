//! Tags for a conversation that a client asks for by itself.

use crate::afterwards::{self, Question};
use crate::prompt::Turn;
use crate::service::{AFTERWARDS_TIMEOUT, AFTERWARDS_TOKENS, Replies};
use antiphon_provider::{ProviderError, RequestContext, Requester, TextRequest};
use tokio_util::sync::CancellationToken;

impl Replies {
    /// Asks for tags of the last question and answer in `turns`, of the helper model for `model`. Empty when tags are
    /// switched off, and when the model gave none.
    pub async fn suggest_tags(
        &self,
        user: Requester,
        model: &str,
        turns: &[Turn],
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, ProviderError> {
        let services = &self.services;
        let settings = services.settings.current();
        if !settings.tasks.tags || services.is_demonstration(model) {
            return Ok(Vec::new());
        }
        let last = |role: &str| turns.iter().rev().find(|turn| turn.role == role).map(Turn::text);
        let (question, answer) = (last("user").unwrap_or_default(), last("assistant").unwrap_or_default());
        let request = TextRequest {
            max_tokens: Some(AFTERWARDS_TOKENS),
            timeout: AFTERWARDS_TIMEOUT,
            ..TextRequest::of_prompt(
                services.helper_model(model),
                Question::Tags.prompt(&settings.tasks.tags_template, &question, &answer),
            )
        };
        let context =
            RequestContext { task: Some("tags_generation".to_owned()), ..RequestContext::of_user(user) };
        let answer = services.providers.complete_text(request, &context, cancel).await?;
        Ok(afterwards::list(&answer, "tags"))
    }
}
