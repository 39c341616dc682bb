-- Accounts by the person's name at a sign-in provider. `users.oauth` shows the same to clients.

CREATE TABLE sign_in_links (
    provider TEXT NOT NULL,
    -- What the provider calls the person, for good.
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
);

CREATE INDEX sign_in_links_by_user_id ON sign_in_links (user_id);
