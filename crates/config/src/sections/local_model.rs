//! The small model that answers when no provider is configured.

use std::path::PathBuf;

use crate::environment::Environment;
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

impl LocalModel {
    /// Names the folder in the user's cache, where `scripts/fetch-local-model` puts the files, when none is given.
    pub(crate) fn fill_in(&mut self, environment: &Environment) {
        let text =
            |name| environment.get(name).map(|found| found.text.as_str()).filter(|text| !text.is_empty());
        if self.folder.is_none() {
            let cache = text("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| text("HOME").map(|home| PathBuf::from(home).join(".cache")));
            self.folder = cache.map(|cache| cache.join("antiphon").join("models"));
        }
    }
}
