//! What can go wrong while coordinating.
//!
//! Every variant is a bound that was reached or a thing that is not there; callers turn them into an answer for
//! their user. Failures of a connection get their variants when a topology other than memory exists.

/// An operation on shared state that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The user already runs as many tasks as one user may.
    #[error("This account already has {limit} tasks running. Wait until one ends, or stop one.")]
    TooManyTasksOfUser {
        /// [`crate::tasks::MAX_TASKS_PER_USER`].
        limit: usize,
    },
    /// The node already runs as many tasks as it may.
    #[error("This server already has {limit} tasks running. Try again when some have ended.")]
    TooManyTasks {
        /// [`crate::tasks::MAX_TASKS`].
        limit: usize,
    },
    /// The session pool holds as many sessions as it may.
    #[error("This server already has {limit} sessions connected. Try again later.")]
    TooManySessions {
        /// [`crate::presence::MAX_SESSIONS`].
        limit: usize,
    },
    /// The session already has as many chats open as one session may.
    #[error("This session already has {limit} chats open. Close one first.")]
    TooManyChats {
        /// [`crate::presence::MAX_CHATS_PER_SESSION`].
        limit: usize,
    },
    /// No session with that id is connected.
    #[error("No session with this id is connected.")]
    UnknownSession,
    /// The reply is longer than a live reply may be.
    #[error("The reply is longer than {limit} bytes, which is the most a live reply may hold.")]
    ReplyTooLarge {
        /// [`crate::reply_log::MAX_TEXT_BYTES`] or [`crate::reply_log::MAX_ENTRY_BYTES`].
        limit: usize,
    },
    /// The node already has as many live replies as it may.
    #[error("This server already has {limit} replies in progress. Try again when some have ended.")]
    TooManyReplies {
        /// [`crate::reply_log::MAX_REPLIES`].
        limit: usize,
    },
    /// The live replies of the node together hold as much as they may.
    #[error(
        "The replies in progress on this server hold {limit} bytes, which is the most they may. Try again later."
    )]
    RepliesTooLarge {
        /// [`crate::reply_log::MAX_NODE_BYTES`].
        limit: usize,
    },
    /// Another writer has opened the same reply since, or it was removed.
    #[error("This reply is written by somebody else by now.")]
    ReplyTakenOver,
}

/// Result of an operation on shared state.
pub type Result<T> = std::result::Result<T, StateError>;
