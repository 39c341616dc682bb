//! How answers of models are passed on and kept.

use crate::registry::{section, variable};
use crate::rules::{Bool, Whole};

section! {
    /// How answers of models are passed on and kept.
    pub struct Replies, "Replies" {
        /// Pieces of an answer that are joined before they are sent.
        delta_chunk_size: usize =
            variable("CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE", Whole::lenient().raised_to(1).at_most(10_000))
                .or("1")
                .no_effect("Pieces are joined by themselves, the more the busier the server is.");
        /// Saves the text in SQL while it arrives, not only at the end.
        realtime_save: bool = variable("ENABLE_REALTIME_CHAT_SAVE", Bool)
            .or("false")
            .no_effect("The text so far is saved every second while it arrives.");
    }
    others {
        /// Rounds of tool calls in one answer; -1 for no limit.
        variable("CHAT_RESPONSE_MAX_TOOL_CALL_ITERATIONS", Whole::<i64>::lenient()).or("256").reserved();
    }
}
