//! Which parts of the product are on.

use crate::registry::{setting, settings, variable};
use crate::rules::{Bool, Choice, Text, Whole, optional};
use crate::values::{Limit, LimitRule};

/// Where a model's answer in a channel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelReply {
    /// Into a thread under the question.
    Thread,
    /// Into the channel.
    Channel,
}

const CHANNEL_REPLIES: &[(&str, ChannelReply)] =
    &[("thread", ChannelReply::Thread), ("channel", ChannelReply::Channel)];

settings! {
    /// Which parts of the product are on.
    pub struct FeatureSettings, "Parts of the product" {
        /// Sorts chats into folders.
        folders: bool = variable("ENABLE_FOLDERS", Bool).or("true").key("folders.enable");
        /// Files that a folder may hold.
        folder_max_file_count: Limit =
            variable("FOLDER_MAX_FILE_COUNT", LimitRule).or("").key("folders.max_file_count");
        /// Channels in which several people talk.
        channels: bool = variable("ENABLE_CHANNELS", Bool).or("false").key("channels.enable");
        /// Channels whose messages the server cannot read.
        encrypted_channels: bool =
            variable("ENABLE_ENCRYPTED_CHANNELS", Bool).or("false").key("channels.encryption.enable");
        /// Where a model's answer in a channel goes.
        channel_model_response_mode: ChannelReply =
            setting("channels.model_response_mode", Choice::strict(CHANNEL_REPLIES)).or("thread");
        /// Notes.
        notes: bool = variable("ENABLE_NOTES", Bool).or("true").key("notes.enable");
        /// Calendars.
        calendar: bool = variable("ENABLE_CALENDAR", Bool).or("true").key("calendar.enable");
        /// Questions that are asked at set times.
        automations: bool = variable("ENABLE_AUTOMATIONS", Bool).or("true").key("automations.enable");
        /// Automations that a person may have.
        automation_max_count: Limit =
            variable("AUTOMATION_MAX_COUNT", LimitRule).or("").key("automations.max_count");
        /// Seconds between two runs of an automation, at least.
        automation_min_interval: Limit =
            variable("AUTOMATION_MIN_INTERVAL", LimitRule).or("").key("automations.min_interval");
        /// Apps.
        apps: bool = variable("ENABLE_APPS", Bool).or("false").key("apps.enable");
        /// Facts that models remember about a person.
        memories: bool = variable("ENABLE_MEMORIES", Bool).or("true").key("memories.enable");
        /// Gives remembered facts to the model with every question.
        memory_system_context: bool =
            variable("ENABLE_MEMORY_SYSTEM_CONTEXT", Bool).or("true").key("memories.system_context.enable");
        /// Reads skills only when they are needed.
        skill_lazy_loading: bool =
            variable("ENABLE_SKILL_LAZY_LOADING", Bool).or("false").key("skills.lazy_loading.enable");
        /// Letters of a skill that a model gets.
        skill_content_max_chars: Option<u64> =
            variable("SKILL_CONTENT_MAX_CHARS", optional(Whole::lenient().at_least(0))).key("skills.content_max_chars");
        /// Letters of a skill's preview that a model gets.
        skill_preview_max_chars: Option<u64> =
            variable("SKILL_PREVIEW_MAX_CHARS", optional(Whole::lenient().at_least(0))).key("skills.preview_max_chars");
        /// Lets people connect model services of their own from the page.
        direct_connections: bool = variable("ENABLE_DIRECT_CONNECTIONS", Bool).or("false").key("direct.enable");
        /// Lets people connect tools of their own from the page.
        direct_integrations: bool =
            variable("ENABLE_DIRECT_INTEGRATIONS", Bool).or("false").key("direct.integrations.enable");
        /// Runs code from answers.
        code_execution: bool = variable("ENABLE_CODE_EXECUTION", Bool).or("true").key("code_execution.enable");
        /// Where that code runs.
        code_execution_engine: String =
            variable("CODE_EXECUTION_ENGINE", Text).or("pyodide").key("code_execution.engine");
        /// Lets models run code while they answer.
        code_interpreter: bool =
            variable("ENABLE_CODE_INTERPRETER", Bool).or("true").key("code_interpreter.enable");
        /// Where the models' code runs.
        code_interpreter_engine: String =
            variable("CODE_INTERPRETER_ENGINE", Text).or("pyodide").key("code_interpreter.engine");
        /// Offers models whose names are hidden, to compare them.
        arena_models: bool =
            variable("ENABLE_EVALUATION_ARENA_MODELS", Bool).or("false").key("evaluation.arena.enable");
    }
}
