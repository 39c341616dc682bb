//! Why a reply could not be started.
//!
//! What goes wrong once a reply runs is no error of a call: it ends the message in a clear state and is told there.

use crate::service::MAX_ANSWERS;

/// A reply that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// No answer was asked for, or too many.
    #[error("{count} answers were asked for; 1 to {MAX_ANSWERS} are possible")]
    AnswerCount {
        /// How many were asked for.
        count: usize,
    },
    /// The posted question lacks something or is not of its form.
    #[error("{0}")]
    Question(&'static str),
    /// The answer is being written already.
    #[error("this answer is still being written; wait for its end or stop it first")]
    AlreadyWriting,
    /// The node is stopping.
    #[error("the server is stopping; try again in a moment")]
    ShuttingDown,
    /// Too much is running already.
    #[error(transparent)]
    State(#[from] antiphon_state::StateError),
    /// The question could not be stored.
    #[error(transparent)]
    Storage(#[from] antiphon_storage::StorageError),
}
