-- Chats, their messages and tags.

CREATE TABLE chats (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    share_id TEXT UNIQUE,
    archived BOOLEAN NOT NULL,
    pinned BOOLEAN NOT NULL,
    folder_id TEXT,
    -- The message that the shown branch ends with.
    current_message_id TEXT,
    -- The sequence number of the next message; only grows.
    next_sequence BIGINT NOT NULL,
    -- JSON object: `meta` of the chat less its tags.
    meta TEXT NOT NULL,
    -- JSON object: `variables` of the chat.
    variables TEXT NOT NULL,
    -- JSON object: small keys of the chat document that have no column (models, params, files, tags, …).
    extra TEXT NOT NULL,
    -- Unix milliseconds: `timestamp` of the chat document.
    timestamp_ms BIGINT NOT NULL,
    last_read_at BIGINT,
    updated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX chats_by_user ON chats (user_id, updated_at DESC, id);
CREATE INDEX chats_by_folder ON chats (folder_id, user_id, updated_at DESC, id);

CREATE TABLE messages (
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    parent_id TEXT,
    -- Order of the messages of a chat, and with it of the children of one parent.
    sequence BIGINT NOT NULL,
    role TEXT NOT NULL,
    content TEXT,
    model TEXT,
    -- NULL: the client's document has no such key, as in questions.
    done BOOLEAN,
    -- Unix seconds, as the client gave it.
    timestamp BIGINT,
    output TEXT,
    error TEXT,
    usage TEXT,
    -- JSON object: all other keys of the message, as they came.
    extra TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (chat_id, id)
);

-- Replies that somebody works on, or worked on when he died: few.
CREATE INDEX messages_unfinished ON messages (updated_at) WHERE done = FALSE;

CREATE TABLE tags (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    meta TEXT,
    PRIMARY KEY (user_id, id)
);

CREATE TABLE chat_tags (
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    tag_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- Order in which the tags were added.
    position BIGINT NOT NULL,
    PRIMARY KEY (chat_id, tag_id)
);

CREATE INDEX chat_tags_by_tag ON chat_tags (user_id, tag_id, chat_id);
