//! What users may do who are not administrators.

use serde::{Deserialize, Serialize};

use crate::registry::{Entry, Reader, variable};
use crate::rules::Bool;

/// Heading of the variables in the reference.
const TITLE: &str = "Permissions of users";

/// Key of the setting that holds all permissions.
pub(crate) const KEY: &str = "user.permissions";

/// Declares a group of permissions; a row is a documented field with its variable and default.
macro_rules! permissions {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident = ($variable:literal, $default:literal); )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: bool, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            fn entries() -> Vec<Entry> {
                vec![ $(
                    variable($variable, Bool).or(word($default)).key(KEY).entry(TITLE, concat!($($doc),+)),
                )* ]
            }

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                $( let $field = reader.read(&variable($variable, Bool).or(word($default)).key(KEY)); )*
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
}

const fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

permissions! {
    /// Permissions in the workspace.
    pub struct WorkspacePermissions {
        /// May make and change models.
        models = ("USER_PERMISSIONS_WORKSPACE_MODELS_ACCESS", false);
        /// May make and change collections of documents.
        knowledge = ("USER_PERMISSIONS_WORKSPACE_KNOWLEDGE_ACCESS", false);
        /// May make and change prompts.
        prompts = ("USER_PERMISSIONS_WORKSPACE_PROMPTS_ACCESS", false);
        /// May make and change tools.
        tools = ("USER_PERMISSIONS_WORKSPACE_TOOLS_ACCESS", false);
        /// May make and change skills.
        skills = ("USER_PERMISSIONS_WORKSPACE_SKILLS_ACCESS", false);
        /// May import models.
        models_import = ("USER_PERMISSIONS_WORKSPACE_MODELS_IMPORT", false);
        /// May export models.
        models_export = ("USER_PERMISSIONS_WORKSPACE_MODELS_EXPORT", false);
        /// May hide models.
        models_hidden = ("USER_PERMISSIONS_WORKSPACE_MODELS_HIDDEN", false);
        /// May import prompts.
        prompts_import = ("USER_PERMISSIONS_WORKSPACE_PROMPTS_IMPORT", false);
        /// May export prompts.
        prompts_export = ("USER_PERMISSIONS_WORKSPACE_PROMPTS_EXPORT", false);
        /// May import tools.
        tools_import = ("USER_PERMISSIONS_WORKSPACE_TOOLS_IMPORT", false);
        /// May export tools.
        tools_export = ("USER_PERMISSIONS_WORKSPACE_TOOLS_EXPORT", false);
        /// May import skills.
        skills_import = ("USER_PERMISSIONS_WORKSPACE_SKILLS_IMPORT", false);
        /// May export skills.
        skills_export = ("USER_PERMISSIONS_WORKSPACE_SKILLS_EXPORT", false);
    }
}

permissions! {
    /// Permissions to share with others.
    pub struct SharingPermissions {
        /// May share models with chosen people.
        models = ("USER_PERMISSIONS_WORKSPACE_MODELS_ALLOW_SHARING", false);
        /// May share models with everybody.
        public_models = ("USER_PERMISSIONS_WORKSPACE_MODELS_ALLOW_PUBLIC_SHARING", false);
        /// May share collections with chosen people.
        knowledge = ("USER_PERMISSIONS_WORKSPACE_KNOWLEDGE_ALLOW_SHARING", false);
        /// May share collections with everybody.
        public_knowledge = ("USER_PERMISSIONS_WORKSPACE_KNOWLEDGE_ALLOW_PUBLIC_SHARING", false);
        /// May share prompts with chosen people.
        prompts = ("USER_PERMISSIONS_WORKSPACE_PROMPTS_ALLOW_SHARING", false);
        /// May share prompts with everybody.
        public_prompts = ("USER_PERMISSIONS_WORKSPACE_PROMPTS_ALLOW_PUBLIC_SHARING", false);
        /// May share tools with chosen people.
        tools = ("USER_PERMISSIONS_WORKSPACE_TOOLS_ALLOW_SHARING", false);
        /// May share tools with everybody.
        public_tools = ("USER_PERMISSIONS_WORKSPACE_TOOLS_ALLOW_PUBLIC_SHARING", false);
        /// May share skills with chosen people.
        skills = ("USER_PERMISSIONS_WORKSPACE_SKILLS_ALLOW_SHARING", false);
        /// May share skills with everybody.
        public_skills = ("USER_PERMISSIONS_WORKSPACE_SKILLS_ALLOW_PUBLIC_SHARING", false);
        /// May share notes with chosen people.
        notes = ("USER_PERMISSIONS_NOTES_ALLOW_SHARING", false);
        /// May share notes with everybody.
        public_notes = ("USER_PERMISSIONS_NOTES_ALLOW_PUBLIC_SHARING", false);
        /// May share folders with chosen people.
        folders = ("USER_PERMISSIONS_FOLDERS_ALLOW_SHARING", false);
        /// May share chats with everybody who is signed in.
        public_chats = ("USER_PERMISSIONS_CHAT_ALLOW_PUBLIC_SHARING", false);
        /// May share chats with people who are not signed in.
        open_chats = ("USER_PERMISSIONS_CHAT_ALLOW_OPEN_SHARING", false);
        /// May share calendars with everybody.
        public_calendars = ("USER_PERMISSIONS_CALENDAR_ALLOW_PUBLIC_SHARING", false);
    }
}

permissions! {
    /// With whom something may be shared.
    pub struct GrantPermissions {
        /// May share with single people.
        allow_users = ("USER_PERMISSIONS_ACCESS_GRANTS_ALLOW_USERS", true);
        /// May share with groups.
        allow_groups = ("USER_PERMISSIONS_ACCESS_GRANTS_ALLOW_GROUPS", true);
    }
}

permissions! {
    /// Permissions in a chat.
    pub struct ChatPermissions {
        /// May open the controls of a chat.
        controls = ("USER_PERMISSIONS_CHAT_CONTROLS", true);
        /// May set the valves of functions.
        valves = ("USER_PERMISSIONS_CHAT_VALVES", true);
        /// May write a system prompt.
        system_prompt = ("USER_PERMISSIONS_CHAT_SYSTEM_PROMPT", true);
        /// May set parameters of the model.
        params = ("USER_PERMISSIONS_CHAT_PARAMS", true);
        /// May upload files.
        file_upload = ("USER_PERMISSIONS_CHAT_FILE_UPLOAD", true);
        /// May add pages of the web.
        web_upload = ("USER_PERMISSIONS_CHAT_WEB_UPLOAD", true);
        /// May delete chats.
        delete = ("USER_PERMISSIONS_CHAT_DELETE", true);
        /// May delete messages.
        delete_message = ("USER_PERMISSIONS_CHAT_DELETE_MESSAGE", true);
        /// May have an answer continued.
        continue_response = ("USER_PERMISSIONS_CHAT_CONTINUE_RESPONSE", true);
        /// May have an answer made again.
        regenerate_response = ("USER_PERMISSIONS_CHAT_REGENERATE_RESPONSE", true);
        /// May rate answers.
        rate_response = ("USER_PERMISSIONS_CHAT_RATE_RESPONSE", true);
        /// May change messages.
        edit = ("USER_PERMISSIONS_CHAT_EDIT", true);
        /// May share chats.
        share = ("USER_PERMISSIONS_CHAT_SHARE", true);
        /// May export chats.
        export = ("USER_PERMISSIONS_CHAT_EXPORT", true);
        /// May import chats.
        import = ("USER_PERMISSIONS_CHAT_IMPORT", true);
        /// May speak instead of typing.
        stt = ("USER_PERMISSIONS_CHAT_STT", true);
        /// May have answers read out.
        tts = ("USER_PERMISSIONS_CHAT_TTS", true);
        /// May call a model.
        call = ("USER_PERMISSIONS_CHAT_CALL", true);
        /// May ask several models at once.
        multiple_models = ("USER_PERMISSIONS_CHAT_MULTIPLE_MODELS", true);
        /// May have chats that are not kept.
        temporary = ("USER_PERMISSIONS_CHAT_TEMPORARY", true);
        /// Has only chats that are not kept.
        temporary_enforced = ("USER_PERMISSIONS_CHAT_TEMPORARY_ENFORCED", false);
    }
}

permissions! {
    /// Permissions to use parts of the product.
    pub struct FeaturePermissions {
        /// May make API keys.
        api_keys = ("USER_PERMISSIONS_FEATURES_API_KEYS", false);
        /// May use notes.
        notes = ("USER_PERMISSIONS_FEATURES_NOTES", true);
        /// May use folders.
        folders = ("USER_PERMISSIONS_FEATURES_FOLDERS", true);
        /// May use channels.
        channels = ("USER_PERMISSIONS_FEATURES_CHANNELS", true);
        /// May use encrypted channels.
        encrypted_channels = ("USER_PERMISSIONS_FEATURES_ENCRYPTED_CHANNELS", false);
        /// May connect tool servers of their own.
        direct_tool_servers = ("USER_PERMISSIONS_FEATURES_DIRECT_TOOL_SERVERS", false);
        /// May have the web searched.
        web_search = ("USER_PERMISSIONS_FEATURES_WEB_SEARCH", true);
        /// May have pictures made.
        image_generation = ("USER_PERMISSIONS_FEATURES_IMAGE_GENERATION", true);
        /// May have models run code.
        code_interpreter = ("USER_PERMISSIONS_FEATURES_CODE_INTERPRETER", true);
        /// May use memories.
        memories = ("USER_PERMISSIONS_FEATURES_MEMORIES", true);
        /// May use automations.
        automations = ("USER_PERMISSIONS_FEATURES_AUTOMATIONS", false);
        /// May use calendars.
        calendar = ("USER_PERMISSIONS_FEATURES_CALENDAR", true);
        /// May name a web address that is told about finished answers.
        webhooks = ("USER_PERMISSIONS_FEATURES_USER_WEBHOOKS", false);
    }
}

permissions! {
    /// Permissions for the own settings.
    pub struct SettingsPermissions {
        /// May change the settings of the page.
        interface = ("USER_PERMISSIONS_SETTINGS_INTERFACE", true);
    }
}

/// What users may do who are not administrators, in the shape the page reads. Missing fields have their defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// In the workspace.
    pub workspace: WorkspacePermissions,
    /// To share with others.
    pub sharing: SharingPermissions,
    /// With whom something may be shared.
    pub access_grants: GrantPermissions,
    /// In a chat.
    pub chat: ChatPermissions,
    /// To use parts of the product.
    pub features: FeaturePermissions,
    /// For the own settings.
    pub settings: SettingsPermissions,
}

impl Permissions {
    pub(crate) fn entries() -> Vec<Entry> {
        [
            WorkspacePermissions::entries(),
            SharingPermissions::entries(),
            GrantPermissions::entries(),
            ChatPermissions::entries(),
            FeaturePermissions::entries(),
            SettingsPermissions::entries(),
        ]
        .concat()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let workspace = WorkspacePermissions::read(reader);
        let sharing = SharingPermissions::read(reader);
        let access_grants = GrantPermissions::read(reader);
        let chat = ChatPermissions::read(reader);
        let features = FeaturePermissions::read(reader);
        let settings = SettingsPermissions::read(reader);
        Some(Self {
            workspace: workspace?,
            sharing: sharing?,
            access_grants: access_grants?,
            chat: chat?,
            features: features?,
            settings: settings?,
        })
    }
}
