-- Accounts, their passwords and keys, revoked tokens, settings.
-- Columns are TEXT, BIGINT or BOOLEAN only, so that this text works on SQLite and PostgreSQL.
-- JSON is kept as TEXT. Times are Unix seconds.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- Lower case, so that UNIQUE compares without case.
    email TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    username TEXT,
    profile_image_url TEXT NOT NULL,
    profile_banner_image_url TEXT,
    bio TEXT,
    gender TEXT,
    date_of_birth TEXT,
    timezone TEXT,
    presence_state TEXT,
    status_emoji TEXT,
    status_message TEXT,
    status_expires_at BIGINT,
    info TEXT,
    settings TEXT,
    oauth TEXT,
    scim TEXT,
    last_active_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX users_by_role ON users (role);
CREATE INDEX users_by_created_at ON users (created_at, id);
CREATE INDEX users_by_last_active_at ON users (last_active_at);

CREATE TABLE credentials (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    password_hash TEXT NOT NULL,
    -- Tokens carry this value; a new one ends all sessions of the account.
    session_stamp TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Shown to its owner again, therefore kept as it is; found by the hash.
    api_key TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE TABLE revoked_tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    -- NULL: the token has no end and stays revoked for ever.
    expires_at BIGINT,
    revoked_at BIGINT NOT NULL
);

CREATE INDEX revoked_tokens_by_revoked_at ON revoked_tokens (revoked_at, jti);
CREATE INDEX revoked_tokens_by_expires_at ON revoked_tokens (expires_at);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    -- Version of the settings in which this value was set.
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Numbers that only grow.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO counters (name, value) VALUES ('settings', 0);
