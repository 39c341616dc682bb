-- What nodes that share a database ask of it again and again, and by what they know that it is the same one.

CREATE INDEX credentials_updated_at ON credentials (updated_at);

CREATE TABLE installation (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
