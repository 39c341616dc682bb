//! Small jobs that a model does beside the answer: titles, tags, follow-up questions and so on.

use serde_json::{Map, Value};

use crate::registry::{settings, variable};
use crate::rules::{Bool, Json, Text, Whole};

settings! {
    /// Small jobs that a model does beside the answer. An empty template means the built-in one.
    pub struct Tasks, "Background jobs of models" {
        /// Model for these jobs when the chat's model runs here; empty for the chat's model.
        model: String = variable("TASK_MODEL", Text).or("").key("task.model.default");
        /// Model for these jobs when the chat's model is an external one; empty for the chat's model.
        model_external: String = variable("TASK_MODEL_EXTERNAL", Text).or("").key("task.model.external");
        /// Parameters for these jobs, as a JSON object.
        model_params: Map<String, Value> =
            variable("TASK_MODEL_PARAMS", Json::strict("a JSON object")).or("{}").key("task.model.params").reserved();
        /// Finds a title for each new chat.
        title: bool = variable("ENABLE_TITLE_GENERATION", Bool).or("true").key("task.title.enable");
        /// Question that asks for a title.
        title_template: String =
            variable("TITLE_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.title.prompt_template");
        /// Finds tags for each new chat.
        tags: bool = variable("ENABLE_TAGS_GENERATION", Bool).or("true").key("task.tags.enable");
        /// Question that asks for tags.
        tags_template: String =
            variable("TAGS_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.tags.prompt_template");
        /// Suggests what to ask next.
        follow_up: bool = variable("ENABLE_FOLLOW_UP_GENERATION", Bool).or("true").key("task.follow_up.enable");
        /// Question that asks for suggestions.
        follow_up_template: String =
            variable("FOLLOW_UP_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.follow_up.prompt_template");
        /// Completes a question while it is typed.
        autocomplete: bool =
            variable("ENABLE_AUTOCOMPLETE_GENERATION", Bool).or("false").key("task.autocomplete.enable");
        /// Letters of a question that are completed at most; -1 for no limit.
        autocomplete_max_length: i64 = variable("AUTOCOMPLETE_GENERATION_INPUT_MAX_LENGTH", Whole::lenient())
            .or("-1")
            .key("task.autocomplete.input_max_length");
        /// Question that asks for a completion.
        autocomplete_template: String =
            variable("AUTOCOMPLETE_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.autocomplete.prompt_template");
        /// Question that asks for the description of a picture.
        image_template: String =
            variable("IMAGE_PROMPT_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.image.prompt_template");
        /// Turns a question into queries for the web.
        search_query: bool =
            variable("ENABLE_SEARCH_QUERY_GENERATION", Bool).or("true").key("task.query.search.enable");
        /// Turns a question into queries for documents.
        retrieval_query: bool =
            variable("ENABLE_RETRIEVAL_QUERY_GENERATION", Bool).or("true").key("task.query.retrieval.enable");
        /// Question that asks for queries.
        query_template: String =
            variable("QUERY_GENERATION_PROMPT_TEMPLATE", Text).or("").key("task.query.prompt_template");
        /// Question that asks which tools to call.
        tools_template: String =
            variable("TOOLS_FUNCTION_CALLING_PROMPT_TEMPLATE", Text).or("").key("task.tools.prompt_template");
        /// Tells the model when it is spoken to.
        voice: bool = variable("ENABLE_VOICE_MODE_PROMPT", Bool).or("true").key("task.voice.prompt.enable");
        /// What the model is told then.
        voice_template: String =
            variable("VOICE_MODE_PROMPT_TEMPLATE", Text).or("").key("task.voice.prompt_template");
    }
}
