-- Channels, who is in them, what was said. Times are Unix nanoseconds, as clients know them here.

CREATE TABLE channels (
    id TEXT NOT NULL PRIMARY KEY,
    -- Who made it. No reference: the channel outlives the account.
    user_id TEXT NOT NULL,
    -- NULL: for those to whom it is granted. 'group' and 'dm': for its members.
    type TEXT,
    name TEXT NOT NULL,
    description TEXT,
    is_private BOOLEAN,
    -- JSON objects.
    data TEXT,
    meta TEXT,
    -- Of a direct channel: digest of the ids of its people, so that they have one.
    people TEXT UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX channels_open ON channels (created_at, id) WHERE type IS NULL;

CREATE TABLE channel_members (
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- May add and remove members.
    manager BOOLEAN NOT NULL,
    -- FALSE: hidden from the member's list until somebody writes.
    active BOOLEAN NOT NULL,
    -- For an open channel a row says this and nothing else: how far somebody has read.
    last_read_at BIGINT,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (channel_id, user_id)
);

CREATE INDEX channel_members_by_user ON channel_members (user_id, channel_id);

CREATE TABLE channel_messages (
    id TEXT NOT NULL PRIMARY KEY,
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    -- No reference: what was said stays when the account goes.
    user_id TEXT NOT NULL,
    -- The message in whose thread it is.
    parent_id TEXT REFERENCES channel_messages (id) ON DELETE CASCADE,
    -- The message that it quotes. No reference: it may be deleted.
    reply_to_id TEXT,
    content TEXT NOT NULL,
    -- JSON object: files and the like.
    data TEXT,
    -- Whether there is anything in `data`, so that lists need not read it.
    has_data BOOLEAN NOT NULL,
    -- JSON object.
    meta TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX channel_messages_by_channel ON channel_messages (channel_id, created_at);
CREATE INDEX channel_messages_top ON channel_messages (channel_id, created_at, id) WHERE parent_id IS NULL;
CREATE INDEX channel_messages_by_parent ON channel_messages (parent_id, created_at, id);

CREATE TABLE channel_reactions (
    message_id TEXT NOT NULL REFERENCES channel_messages (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, name, user_id)
);

CREATE INDEX channel_reactions_by_user ON channel_reactions (user_id);
