-- What people think of answers.

CREATE TABLE feedback (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Version of the form of the data.
    version BIGINT NOT NULL,
    type TEXT NOT NULL,
    -- JSON objects: the judgement itself, what it is about, and the chat as it was.
    data TEXT,
    meta TEXT,
    snapshot TEXT,
    updated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX feedback_by_user ON feedback (user_id, created_at, id);
