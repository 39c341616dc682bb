//! The small model that answers when no provider is configured.

use std::path::PathBuf;

use crate::registry::{section, variable};
use crate::rules::{Bool, FilePath, Whole, optional};

section! {
    /// The small model that answers when no provider is configured.
    pub struct LocalModel, "Local model" {
        /// Offers the small demonstration model when no provider is configured.
        enabled: bool = variable("ENABLE_LOCAL_MODEL", Bool).or("true");
        /// Program that runs the model; empty for `antiphon-local` beside the server's own program.
        program: Option<PathBuf> = variable("ANTIPHON_LOCAL_PROGRAM", optional(FilePath));
        /// Folder with the model's files; empty for `antiphon/models` in the user's cache folder.
        folder: Option<PathBuf> = variable("ANTIPHON_LOCAL_MODELS", optional(FilePath));
        /// Threads that the model computes with.
        threads: usize = variable("ANTIPHON_LOCAL_THREADS", Whole::lenient().at_least(1).at_most(256)).or("1");
    }
}
