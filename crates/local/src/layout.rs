//! Which files the models need and where they lie in the model folder.
//!
//! ```text
//! DIR/SmolLM2-135M-Instruct.Q4_1.gguf     chat weights and tokenizer as published (llama architecture, 98 MB)
//! DIR/SmolLM2-135M-Instruct.Q8_0.gguf     the same, requantised here at first use (145 MB, made, not fetched)
//! DIR/all-MiniLM-L6-v2/config.json        dimensions of the embedding model
//! DIR/all-MiniLM-L6-v2/tokenizer.json     its WordPiece tokenizer
//! DIR/all-MiniLM-L6-v2/model.safetensors  its weights (f32, 91 MB)
//! ```
//!
//! `scripts/fetch-local-model` makes the folder and prints its name.

use std::path::{Path, PathBuf};

use crate::error::LocalError;

const CHAT_WEIGHTS: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const CHAT_WEIGHTS_FAST: &str = "SmolLM2-135M-Instruct.Q8_0.gguf";
const EMBEDDING_FOLDER: &str = "all-MiniLM-L6-v2";

/// The names of the files in one model folder.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: PathBuf,
}

/// The local models: one folder with a known layout.
#[derive(Debug, Clone)]
pub struct LocalModel;

impl LocalModel {
    /// The layout of the model folder `directory`; nothing is read yet.
    pub fn layout(directory: impl Into<PathBuf>) -> Layout {
        Layout { directory: directory.into() }
    }
}

impl Layout {
    /// The folder itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The chat weights as published.
    pub fn chat_weights(&self) -> PathBuf {
        self.directory.join(CHAT_WEIGHTS)
    }

    /// The chat weights in the form that computes fast; made from [`Self::chat_weights`].
    pub fn chat_weights_fast(&self) -> PathBuf {
        self.directory.join(CHAT_WEIGHTS_FAST)
    }

    /// The dimensions of the embedding model.
    pub fn embedding_config(&self) -> PathBuf {
        self.directory.join(EMBEDDING_FOLDER).join("config.json")
    }

    /// The tokenizer of the embedding model.
    pub fn embedding_tokenizer(&self) -> PathBuf {
        self.directory.join(EMBEDDING_FOLDER).join("tokenizer.json")
    }

    /// The weights of the embedding model.
    pub fn embedding_weights(&self) -> PathBuf {
        self.directory.join(EMBEDDING_FOLDER).join("model.safetensors")
    }

    /// Checks that the chat model can be loaded.
    ///
    /// # Errors
    /// [`LocalError::Missing`] names the file and the remedy.
    pub fn check_chat(&self) -> Result<(), LocalError> {
        require(self.chat_weights())
    }

    /// Checks that the embedding model can be loaded.
    ///
    /// # Errors
    /// [`LocalError::Missing`] names the first file that is missing and the remedy.
    pub fn check_embedding(&self) -> Result<(), LocalError> {
        require(self.embedding_config())?;
        require(self.embedding_tokenizer())?;
        require(self.embedding_weights())
    }

    /// Checks both models.
    pub fn check(&self) -> Result<(), LocalError> {
        self.check_chat()?;
        self.check_embedding()
    }
}

/// An empty file counts as missing: it is what an interrupted copy leaves.
fn require(path: PathBuf) -> Result<(), LocalError> {
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => Ok(()),
        _ => Err(LocalError::Missing { path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let layout = LocalModel::layout(folder.path());
        let message = layout.check().unwrap_err().to_string();
        assert!(message.contains(CHAT_WEIGHTS), "{message}");
        assert!(message.contains("scripts/fetch-local-model"), "{message}");

        std::fs::write(layout.chat_weights(), b"x").unwrap();
        layout.check_chat().unwrap();
        let message = layout.check().unwrap_err().to_string();
        assert!(message.contains("config.json"), "{message}");
    }

    #[test]
    fn an_empty_file_and_a_folder_count_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let layout = LocalModel::layout(folder.path());
        std::fs::write(layout.chat_weights(), b"").unwrap();
        assert!(matches!(layout.check_chat(), Err(LocalError::Missing { .. })));
        std::fs::remove_file(layout.chat_weights()).unwrap();
        std::fs::create_dir(layout.chat_weights()).unwrap();
        assert!(matches!(layout.check_chat(), Err(LocalError::Missing { .. })));
    }
}
