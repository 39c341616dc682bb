//! Where this server differs from the reference on purpose, and why.

/// Parts of answers and events: what, the place in it, the reason.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("GET /api/changelog", "200.*.", "a release lists the kinds of change it has; the page skips the others"),
    ("GET /api/v1/chats/{id}", "200.chat.messages[]", BRANCH),
    ("POST /api/v1/chats/{id}", "200.chat.messages[]", BRANCH),
    ("POST /api/v1/chats/{id}/archive", "200.chat.messages[]", BRANCH),
    ("POST /api/v1/chats/{id}/pin", "200.chat.messages[]", BRANCH),
    ("POST /api/v1/chats/{id}/clone", "200.chat.messages[]", BRANCH),
    (
        "POST /api/v1/chats/{id}/clone",
        "200.chat.history.messages.*.user_id",
        "an answer is a model's, not a user's",
    ),
    ("POST /api/v1/chats/{id}/archive", "200.share_id", "the recorded chat had been shared before"),
    ("POST /api/v1/evaluations/feedback", "200.data.comment", "a judgement is kept as it was sent"),
    ("POST /api/v1/evaluations/feedback/{id}", "200.data.comment", "a judgement is kept as it was sent"),
    ("POST /api/v1/tasks/tags/completions", "200.usage", "nobody counts the tokens of helper questions"),
    (
        "events chat:list",
        "event.message_id",
        "the list also tells of renaming, pinning and moving, which no message did",
    ),
];

const BRANCH: &str =
    "the list beside the tree is the whole current branch; there it is the first question only";

/// Recorded events that are not emitted here: label and reason.
const UNHEARD: &[(&str, &str)] = &[
    ("events chat:active(true) shared", OWN_COPY),
    ("events chat:active(false) shared", OWN_COPY),
    ("events chat:completion(output) shared", OWN_COPY),
    ("events chat:completion(done) shared", OWN_COPY),
    ("events chat:message:follow_ups shared", OWN_COPY),
    ("events chat:tasks:cancel shared", OWN_COPY),
    (
        "events chat:access shared",
        "access to a chat changes by sharing it or its folder, which is not built yet",
    ),
    ("access:updated", "the sockets of a deleted account are closed at once; there is nothing to load again"),
];

const OWN_COPY: &str =
    "a copy for other viewers, of whom there are none yet; the page of the same user ignores it";

/// Whether a finding of the comparison is meant to be.
pub(super) fn allows(what: &str, fault: &str) -> bool {
    DIFFERENT.iter().any(|(operation, place, _)| *operation == what && fault.starts_with(place))
}

/// Whether a recorded event is left out on purpose.
pub(super) fn is_unheard(label: &str) -> bool {
    UNHEARD.iter().any(|(known, _)| *known == label)
}
