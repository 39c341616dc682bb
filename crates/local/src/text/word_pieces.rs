//! The tokenizer of the embedding model.

use tokenizers::{Tokenizer, TruncationParams};

use crate::error::LocalError;
use crate::layout::Layout;

/// How many tokens of a text count; the model was tuned for this length and the rest is left out.
pub const LONGEST_TEXT: usize = 256;

/// Encodes texts for the embedding model.
#[derive(Debug)]
pub struct WordPieces {
    tokenizer: Tokenizer,
}

impl WordPieces {
    /// Loads the tokenizer of `layout`.
    ///
    /// # Errors
    /// [`LocalError::Unreadable`] when the file cannot be used.
    pub fn load(layout: &Layout) -> Result<Self, LocalError> {
        let path = layout.embedding_tokenizer();
        let attempt = || {
            let mut tokenizer = Tokenizer::from_file(&path)?;
            // The file pads every text to a fixed length; here the batch decides.
            tokenizer.with_padding(None);
            let limit = TruncationParams { max_length: LONGEST_TEXT, ..TruncationParams::default() };
            tokenizer.with_truncation(Some(limit))?;
            Ok::<_, tokenizers::Error>(tokenizer)
        };
        let tokenizer = attempt()
            .map_err(|error| LocalError::Unreadable { path: path.clone(), reason: error.to_string() })?;
        Ok(Self { tokenizer })
    }

    /// The tokens of a text with the markers around it, at most [`LONGEST_TEXT`].
    ///
    /// # Errors
    /// [`LocalError::Internal`] when the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LocalError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| LocalError::Internal(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }
}
