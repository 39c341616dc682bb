//! Embedding of texts in small batches.

use std::time::Instant;

use tokio::sync::oneshot;

use super::gate::Gate;
use super::queue::Job;
use crate::error::LocalError;
use crate::layout::Layout;
use crate::model::bert::Bert;
use crate::text::word_pieces::WordPieces;

/// How many texts are computed at once.
const BATCH: usize = 8;

/// The embedding model with its tokenizer.
#[derive(Debug)]
pub struct EmbeddingModel {
    model: Bert,
    tokenizer: WordPieces,
}

/// The vectors of the texts, in their order, each of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One for each text.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts together.
    pub tokens: usize,
}

/// What an embedding request ends with.
pub type EmbeddingResult = Result<Embeddings, LocalError>;

/// Texts on their way to the worker.
#[derive(Debug)]
pub struct EmbeddingJob {
    /// The texts.
    pub texts: Vec<String>,
    /// Where the vectors go.
    pub reply: oneshot::Sender<EmbeddingResult>,
}

impl Job for EmbeddingJob {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

impl EmbeddingModel {
    /// Loads the weights of `layout`.
    ///
    /// # Errors
    /// [`LocalError::Missing`] or [`LocalError::Unreadable`].
    pub fn load(layout: &Layout) -> Result<Self, LocalError> {
        let started = Instant::now();
        let model = Bert::load(layout)?;
        let tokenizer = WordPieces::load(layout)?;
        tracing::info!(seconds = started.elapsed().as_secs_f32(), "loaded the embedding model");
        Ok(Self { model, tokenizer })
    }

    /// Embeds `texts`; checks before each batch whether the work is still wanted.
    ///
    /// # Errors
    /// [`LocalError::Internal`] when it was abandoned, [`LocalError::Compute`] when the arithmetic failed.
    pub fn embed(&self, texts: &[String], gate: &Gate, abandoned: impl Fn() -> bool) -> EmbeddingResult {
        let mut encoded = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            encoded.push((index, gate.step(|| self.tokenizer.encode(text))?));
        }
        let tokens = encoded.iter().map(|(_, tokens)| tokens.len()).sum();
        // Texts of like length together, so that little is padding.
        encoded.sort_by_key(|(_, tokens)| tokens.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in encoded.chunks(BATCH) {
            if abandoned() {
                return Err(LocalError::Internal("the client went away".into()));
            }
            let slices: Vec<&[u32]> = batch.iter().map(|(_, tokens)| tokens.as_slice()).collect();
            let computed = gate.step(|| self.model.embed(&slices))?;
            for ((index, _), vector) in batch.iter().zip(computed) {
                vectors[*index] = vector;
            }
        }
        Ok(Embeddings { vectors, tokens })
    }
}
